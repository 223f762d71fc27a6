from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prior_search.data import conversion_plan as planning
from prior_search.data import open_tracks, sample_pairs
from prior_search.data.manifest import Manifest
from prior_search.data.mvimgnet import held_out
from prior_search.data.shards import read_shard
from prior_search.errors import PriorSearchError, RequestError

ROOT = Path(__file__).parent.parent.parent
Make = Callable[..., Path]
Convert = Callable[..., Manifest]


@pytest.fixture(scope="module")
def download(tmp_path_factory: pytest.TempPathFactory, make_mvimgnet: Make) -> Path:
    """Twenty-four instances of three masked frames in two classes; nobody may change it."""
    return make_mvimgnet(tmp_path_factory.mktemp("download") / "mv", own_masks=True)


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine frames to a shard, which no flag allows at this size."""
    split = planning._shards
    monkeypatch.setattr(planning, "_shards", lambda instances, _: split(instances, 9))


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def broken_lines(folder: Path) -> list[tuple[str, ...]]:
    with (folder / "broken.csv").open(newline="") as file:
        return [tuple(row) for row in csv.reader(file)][1:]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.usefixtures("small_shards")
def test_a_converted_set_serves_pairs_over_many_shards(
    tmp_path: Path, download: Path, convert: Convert
) -> None:
    manifest = convert(download, tmp_path / "set")
    tracks = open_tracks(tmp_path / "set")
    assert len(manifest.shards) == len(tracks.blocks) == 8
    assert tracks.image_shape == (3, 16, 16)
    assert (tracks.instance == np.repeat(np.arange(24), 3)).all()
    assert (tracks.labels[:, 0] == np.repeat([0, 1], 36)).all()
    assert tracks.class_names == ("0", "7")
    names = [f"{k.zfill(2)}{i:06x}" for k in ("0", "7") for i in range(12)]
    expected = [held_out(n[1], n, 0.1) for n in names]
    assert (tracks.is_validation[::3] == expected).all()
    first, second = sample_pairs(tracks, "train", 20, np.random.default_rng(0))
    assert (tracks.instance[first] == tracks.instance[second]).all()
    frames = np.array([71, 0, 30, 30, 8, 9])
    one_by_one = np.concatenate(tracks.blocks)[frames]
    np.testing.assert_array_equal(tracks.gather(frames), one_by_one)


@pytest.mark.usefixtures("small_shards")
def test_the_number_of_workers_changes_no_byte(
    tmp_path: Path, download: Path, convert: Convert
) -> None:
    convert(download, tmp_path / "one", workers=1)
    convert(download, tmp_path / "two", workers=2)
    assert content(tmp_path / "one") == content(tmp_path / "two")


class StoppedError(Exception):
    """Stands for whatever ends a conversion in its middle."""


@pytest.mark.usefixtures("small_shards")
def test_a_stopped_conversion_keeps_its_shards_and_ends_alike(
    tmp_path: Path, download: Path, convert: Convert
) -> None:
    convert(download, tmp_path / "whole")

    def stop(progress: Any) -> None:
        if progress.done >= 40:
            raise StoppedError

    with pytest.raises(StoppedError):
        convert(download, tmp_path / "set", progress=stop)
    with pytest.raises(RequestError, match=r"no finished data set: it has no manifest\.json"):
        open_tracks(tmp_path / "set")
    finished = {p: p.stat().st_mtime_ns for p in (tmp_path / "set" / "shards").glob("*.arrow")}
    assert len(finished) == 4
    resumed = []
    convert(download, tmp_path / "set", progress=lambda p: resumed.append(p.resumed))
    assert set(resumed) == {36}
    assert all(path.stat().st_mtime_ns == written for path, written in finished.items())
    assert content(tmp_path / "set") == content(tmp_path / "whole")


SLOW_CONVERSION = """
import sys, time
from pathlib import Path
from prior_search.data import conversion_plan as planning
from prior_search.data.conversion import Conversion

if __name__ == "__main__":
    split = planning._shards
    planning._shards = lambda instances, most: split(instances, 9)
    request = planning.ConversionRequest(source=Path(sys.argv[1]), size=16)
    Conversion(planning.make_plan(request), sys.argv[2], 0.01).run(2, lambda _: time.sleep(0.3))
"""


@pytest.mark.usefixtures("small_shards")
def test_a_killed_conversion_leaves_no_set_and_no_worker_and_is_resumed(
    tmp_path: Path, download: Path, convert: Convert
) -> None:
    dest = tmp_path / "set"
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_CONVERSION, str(download), str(dest)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    while not list(dest.glob("shards/*.json")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()  # returns when the last worker has closed the output
    assert not (dest / "manifest.json").exists()
    with pytest.raises(RequestError, match="is no finished data set"):
        open_tracks(dest)
    (dest / "00007.arrow.partial").write_bytes(b"half a shard")
    resumed: list[int] = []
    convert(download, dest, progress=lambda p: resumed.append(p.resumed))
    assert resumed[0] >= 9
    convert(download, tmp_path / "whole")
    assert content(dest) == content(tmp_path / "whole")


def test_a_finished_conversion_does_nothing_more(
    tmp_path: Path, download: Path, convert: Convert
) -> None:
    first = convert(download, tmp_path / "set")
    again = convert(download, tmp_path / "set", progress=lambda _: pytest.fail("converted twice"))
    assert again == first


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"size": 17}, "size was 16, now 17"),
        ({"validation_share": 0.2}, r"validation_share was 0\.1, now 0\.2"),
        ({"max_frames": 2}, "max_frames was None, now 2"),
        ({"layout": "mvimgnet"}, "layout was mvimgnet2, now mvimgnet"),
    ],
)
def test_other_arguments_are_refused_by_name(
    tmp_path: Path, download: Path, convert: Convert, changed: dict[str, Any], message: str
) -> None:
    convert(download, tmp_path / "set")
    with pytest.raises(RequestError, match=message):
        convert(download, tmp_path / "set", **changed)


def test_a_source_that_changed_is_refused(
    tmp_path: Path, make_mvimgnet: Make, convert: Convert
) -> None:
    source = make_mvimgnet(tmp_path / "mv")
    convert(source, tmp_path / "set")
    next(source.rglob("002.jpg")).unlink()
    with pytest.raises(RequestError, match="was begun when other files were in"):
        convert(source, tmp_path / "set")


def test_a_folder_with_other_things_is_refused(
    tmp_path: Path, download: Path, convert: Convert
) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "thesis.tex").write_text("")
    with pytest.raises(RequestError, match=r"must be empty or a conversion .* holds thesis\.tex"):
        convert(download, tmp_path / "set")


def test_a_place_that_cannot_be_written_is_refused(
    tmp_path: Path, download: Path, convert: Convert
) -> None:
    (tmp_path / "file").write_text("")
    for dest in (tmp_path / "file" / "set", tmp_path / "file"):
        with pytest.raises(RequestError, match=r"cannot write into .*file|must be empty"):
            convert(download, dest)


def test_broken_files_are_listed_and_skipped(
    tmp_path: Path, make_mvimgnet: Make, convert: Convert
) -> None:
    source = make_mvimgnet(tmp_path / "mv", own_masks=True)
    truncate(source / "0" / "00000001" / "images" / "002.jpg")
    (source / "0" / "00000002" / "images" / "001.jpg").write_text("no image")
    truncate(source / "0" / "00000003" / "masks" / "001.jpg.png")
    for frame in ("001", "002"):
        (source / "7" / "07000000" / "images" / f"{frame}.jpg").write_bytes(b"")
    manifest = convert(source, tmp_path / "set", max_broken_share=0.07)
    lines = broken_lines(tmp_path / "set")
    assert [line[:2] for line in lines] == [
        ("image", "0/00000001/images/002.jpg"),
        ("image", "0/00000002/images/001.jpg"),
        ("mask", "0/00000003/masks/001.jpg.png"),
        ("image", "7/07000000/images/001.jpg"),
        ("image", "7/07000000/images/002.jpg"),
        ("instance", "7/07000000/images"),
    ]
    assert "truncated" in lines[0][2]
    assert lines[1][2] == "not a JPEG or PNG image"
    assert lines[5][2] == "1 usable frames, needs 2"
    assert manifest.left_out == {"image": 4, "mask": 1, "instance": 1}
    tracks = open_tracks(tmp_path / "set")
    assert len(tracks.instance) == 72 - 5  # two single ones, and an instance of three
    assert np.diff(tracks.offsets).tolist() == [3, 2, 2, *[3] * 20]
    names = read_shard(tmp_path / "set" / "shards" / "00000.arrow").names
    assert names is not None
    assert not {line[1] for line in lines} & set(names.to_pylist())
    assert sum(entry.masked_frames for entry in manifest.shards) == 67 - 1


def test_too_many_broken_files_stop_it_and_a_larger_share_goes_on(
    tmp_path: Path, make_mvimgnet: Make, convert: Convert
) -> None:
    source = make_mvimgnet(tmp_path / "mv")
    for name in ("00000001", "00000002"):
        truncate(source / "0" / name / "images" / "002.jpg")
    with pytest.raises(RequestError, match=r"2 broken files are more than .*-share 0\.02"):
        convert(source, tmp_path / "set", max_broken_share=0.02)
    assert len(broken_lines(tmp_path / "set")) == 2
    assert not (tmp_path / "set" / "manifest.json").exists()
    resumed: list[int] = []
    convert(
        source,
        tmp_path / "set",
        max_broken_share=0.03,
        progress=lambda p: resumed.append(p.resumed),
    )
    assert not resumed  # the only shard was there


def test_at_most_so_many_frames_are_taken_evenly(
    tmp_path: Path, make_mvimgnet: Make, convert: Convert
) -> None:
    source = make_mvimgnet(tmp_path / "mv", classes=("0",), frames=7)
    convert(source, tmp_path / "set", max_frames=3)
    names = read_shard(tmp_path / "set" / "shards" / "00000.arrow").names
    assert names is not None
    assert [name[-7:] for name in names.to_pylist()[:3]] == ["001.jpg", "004.jpg", "007.jpg"]


def test_a_disk_that_is_too_small_is_refused_before_work(
    tmp_path: Path, download: Path, convert: Convert, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(RequestError, match=r"72 frames of 16 pixels need .* GiB are free"):
        convert(download, tmp_path / "set")


def test_a_disk_that_fails_is_no_broken_image(
    tmp_path: Path, download: Path, convert: Convert, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("PIL.Image.open", fail)
    with pytest.raises(PriorSearchError, match=r"Input/output error \(finished shards are kept"):
        convert(download, tmp_path / "set")


def test_two_conversions_into_one_folder_are_refused(
    tmp_path: Path, download: Path, convert: Convert
) -> None:
    def second(_: Any) -> None:
        with pytest.raises(RequestError, match="another process is converting into"):
            convert(download, tmp_path / "set")
        raise StoppedError

    with pytest.raises(StoppedError):
        convert(download, tmp_path / "set", progress=second)
