from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from prior_search import cli
from prior_search.commands.training_data import prepare_data
from prior_search.data import open_tracks
from prior_search.errors import RequestError

ROOT = Path(__file__).parent.parent.parent
Make = Callable[..., Path]


def start(*arguments: str) -> subprocess.Popen[str]:
    """The command line in a process group of its own, as a terminal starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", "prior_search.cli", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_convert_info_and_verify_tell_what_is_there(
    tmp_path: Path, make_mvimgnet: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    source, dest = make_mvimgnet(tmp_path / "mv", own_masks=True), str(tmp_path / "set")
    next(source.rglob("002.jpg")).write_bytes(b"")
    flags = ["--size", "16", "--workers", "1", "--max-broken-share", "0.02"]
    assert cli.main(["data", "convert", str(source), dest, *flags]) == 0
    assert cli.main(["data", "info", dest]) == 0
    shown = capsys.readouterr().out
    for text in (
        "MVImgNet2: 24 instances, 72 frames, 1 shards",
        "images: 16 x 16 pixels",
        "levels: 2 class",
        "object place: 100.0% of frames from a mask",
        "left out: 1 image; see its broken.csv",
        f"fingerprint: {open_tracks(dest).fingerprint}",
    ):
        assert text in shown
    assert cli.main(["data", "verify", dest]) == 0
    assert "1 shards are sound" in capsys.readouterr().out


def test_info_and_verify_read_a_single_file(
    tracks_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["data", "info", str(tracks_path)]) == 0
    assert "levels: 2 coarse, 4 mid, 8 fine, 16 class" in capsys.readouterr().out
    assert cli.main(["data", "verify", str(tracks_path)]) == 0


def test_a_damaged_set_is_exit_code_2(
    tmp_path: Path, tracks_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = bytearray(tracks_path.read_bytes())
    content[content.index(open_tracks(tracks_path).gather(np.array([7])).tobytes())] ^= 1
    (tmp_path / "a.arrow").write_bytes(content)
    assert cli.main(["data", "verify", str(tmp_path / "a.arrow")]) == 2
    shown = capsys.readouterr().out
    assert "row 7 differs from its checksum" in shown
    assert "1 of 1 shards are damaged" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["convert", "nowhere", "set"], "SOURCE nowhere is no folder"),
        (["convert", ".", "set", "--layout", "imagenet"], "invalid choice: 'imagenet'"),
        (["convert", ".", "set", "--max-frames", "1"], "must be >= 2, got 1"),
        (["info", "nowhere"], "cannot read object tracks from nowhere"),
        (["verify", "nowhere"], "cannot read object tracks from nowhere"),
        ([], "the following arguments are required: action"),
    ],
)
def test_wrong_requests_are_one_message_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["data", *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_ctrl_c_ends_the_workers_and_says_how_to_go_on(
    tmp_path: Path, make_mvimgnet: Make
) -> None:
    source, dest = make_mvimgnet(tmp_path / "mv", instances=40, frames=4), tmp_path / "set"
    flags = ["--size", "512", "--workers", "2", "--shard-mib", "8"]
    process = start("data", "convert", str(source), str(dest), *flags)
    while not list(dest.glob("shards/*.json")):
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of the group
    shown, _ = process.communicate()  # returns when the last worker has closed the output
    assert process.returncode == 130
    assert "interrupted; finished shards are kept. Resume with:" in shown
    assert f"data convert {source} {dest} --size 512 --workers 2 --shard-mib 8" in shown
    assert not (dest / "manifest.json").exists()
    assert not list(dest.glob("*.partial"))


def test_a_converted_folder_is_prepared_for_training_but_not_without_pairs(
    tmp_path: Path, make_mvimgnet: Make, make_ffhq: Make
) -> None:
    source = make_mvimgnet(tmp_path / "mv", instances=40, frames=2)
    flags = ["--size", "32", "--workers", "1"]
    assert cli.main(["data", "convert", str(source), str(tmp_path / "set"), *flags]) == 0
    fingerprint = open_tracks(tmp_path / "set").fingerprint
    prepared = prepare_data(Console(), str(tmp_path / "set"), "contrastive", "tiny")
    assert prepared == (str(tmp_path / "set"), fingerprint)
    faces = make_ffhq(tmp_path / "ffhq", [*range(120), *range(60_000, 60_010)])
    assert cli.main(["data", "convert", str(faces), str(tmp_path / "faces"), *flags]) == 0
    with pytest.raises(RequestError, match="130 of 130 instances have one frame"):
        prepare_data(Console(), str(tmp_path / "faces"), "contrastive", "tiny")
    faces_set = str(tmp_path / "faces")
    assert prepare_data(Console(), faces_set, "reconstruction", "tiny")[0] == faces_set
    with pytest.raises(RequestError, match="needs images of 64 x 64 pixels, got 32 x 32"):
        prepare_data(Console(), str(tmp_path / "set"), "contrastive", "small")
