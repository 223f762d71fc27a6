from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from prior_search.data import open_tracks
from prior_search.data.conversion_plan import ConversionRequest, make_plan
from prior_search.data.ffhq import scan as scan_ffhq
from prior_search.data.manifest import Manifest
from prior_search.data.mvimgnet import held_out
from prior_search.data.shards import read_shard
from prior_search.errors import RequestError

Make = Callable[..., Path]
Convert = Callable[..., Manifest]


def masked_share(manifest: Manifest) -> float:
    return sum(entry.masked_frames for entry in manifest.shards) / manifest.num_frames


def names(folder: Path) -> list[str]:
    stored = read_shard(folder / "shards" / "00000.arrow").names
    assert stored is not None
    return stored.to_pylist()


def test_masks_are_found_beside_images_and_in_a_tree_of_their_own(
    tmp_path: Path, make_mvimgnet: Make, convert: Convert
) -> None:
    make_mvimgnet(tmp_path / "two", own_masks=True)
    make_mvimgnet(tmp_path / "one", masks=tmp_path / "masks")
    second = convert(tmp_path / "two", tmp_path / "a")
    first = convert(tmp_path / "one", tmp_path / "b", masks=tmp_path / "masks")
    without = convert(tmp_path / "one", tmp_path / "c")
    assert [m.source for m in (second, first, without)] == ["MVImgNet2", "MVImgNet", "MVImgNet"]
    assert [masked_share(m) for m in (second, first, without)] == [1, 1, 0]
    a, b, c = (open_tracks(tmp_path / name) for name in "abc")
    assert a.fingerprint == b.fingerprint != c.fingerprint
    # the disc is at x = 12 + 6 k, y = 30 of 48 x 64 pixels; the crop is 48 rows around it
    np.testing.assert_allclose(a.fovea[:3, 0], [18.5 / 48, 24.5 / 48, 30.5 / 48], atol=0.02)
    np.testing.assert_allclose(a.fovea[:3, 1], 0.5, atol=0.02)
    assert (c.fovea == np.float32([0.5, 0.5, 12**-0.5, 12**-0.5])).all()


def test_missing_masks_cost_only_the_place(
    tmp_path: Path, make_mvimgnet: Make, convert: Convert
) -> None:
    source = make_mvimgnet(tmp_path / "mv", own_masks=True)
    for mask in sorted(source.rglob("*.jpg.png"))[:18]:
        mask.unlink()
    manifest = convert(source, tmp_path / "set")
    assert masked_share(manifest) == 54 / 72
    assert not manifest.left_out


def test_archives_may_leave_a_folder_above_the_classes(
    tmp_path: Path, make_mvimgnet: Make, convert: Convert
) -> None:
    make_mvimgnet(tmp_path / "flat", classes=("0", "7"))
    make_mvimgnet(tmp_path / "parts" / "mvi_00", classes=("0",))
    make_mvimgnet(tmp_path / "parts" / "mvi_01", classes=("7",))
    convert(tmp_path / "flat", tmp_path / "a")
    convert(tmp_path / "parts", tmp_path / "b")
    a, b = open_tracks(tmp_path / "a"), open_tracks(tmp_path / "b")
    assert a.fingerprint == b.fingerprint
    assert names(tmp_path / "b")[0] == "mvi_00/0/00000000/images/001.jpg"


def test_an_instance_in_two_archives_is_refused(tmp_path: Path, make_mvimgnet: Make) -> None:
    make_mvimgnet(tmp_path / "mvi_00", classes=("0",))
    make_mvimgnet(tmp_path / "mvi_01", classes=("0",))
    with pytest.raises(RequestError, match="instance 0/00000000 is in SOURCE twice: mvi_00/0/"):
        make_plan(ConversionRequest(source=tmp_path, size=16))


def test_odd_names_and_litter_are_survived(
    tmp_path: Path, make_mvimgnet: Make, convert: Convert
) -> None:
    source = make_mvimgnet(tmp_path / "mv", classes=("0",))
    instances = sorted((source / "0").iterdir())
    instances[0].rename(source / "0" / "süß 'und\nlang' ; rm -rf")
    instances[1].rename(source / "0" / os.fsdecode(b"b\xff\xfe"))
    images = instances[2] / "images"
    (images / "001.jpg").rename(images / "IMG 1.JPEG")
    for litter in ("._002.jpg", ".DS_Store", "Thumbs.db", "notes.txt"):
        (images / litter).write_text("litter")
    (images / "folder.jpg").mkdir()
    os.mkfifo(images / "pipe.jpg")
    (source / "__MACOSX" / "0").mkdir(parents=True)
    (source / "mvimgnet_category.txt").write_text("0,bag\n")
    (source / "0" / "empty" / "images").mkdir(parents=True)
    manifest = convert(source, tmp_path / "set", validation_share=0.5)
    assert manifest.num_frames == 36
    assert not manifest.left_out
    found = names(tmp_path / "set")
    assert "0/süß 'und\nlang' ; rm -rf/images/001.jpg" in found
    assert r"0/b\xff\xfe/images/001.jpg" in found
    assert "0/00000002/images/IMG 1.JPEG" in found


def test_folders_that_lead_outside_are_refused(tmp_path: Path, make_mvimgnet: Make) -> None:
    source = make_mvimgnet(tmp_path / "mv")
    outside = make_mvimgnet(tmp_path / "other", classes=("9",))
    (source / "9").symlink_to(outside / "9")
    with pytest.raises(RequestError, match="9 is a symbolic link that leads outside"):
        make_plan(ConversionRequest(source=source, size=16))
    (source / "9").unlink()
    (source / "9").symlink_to(source / "7")  # a link inside is a folder like any other
    assert len(make_plan(ConversionRequest(source=source, size=16)).instances) == 36


def test_the_source_itself_may_be_a_link(tmp_path: Path, make_mvimgnet: Make) -> None:
    (tmp_path / "link").symlink_to(make_mvimgnet(tmp_path / "mv"))
    assert make_plan(ConversionRequest(source=tmp_path / "link", size=16)).num_frames == 72


def test_the_split_is_the_hash_of_class_and_instance_and_nothing_else() -> None:
    keys = [(str(k), f"{i:08x}") for k in range(20) for i in range(500)]
    split = [held_out(*key, 0.1) for key in keys]
    expected = [
        int(hashlib.sha256("/".join(key).encode()).hexdigest()[:16], 16) / 2**64 < 0.1
        for key in keys
    ]
    assert split == expected
    assert abs(sum(split) - 1000) < 5 * (10_000 * 0.1 * 0.9) ** 0.5  # five sigma
    larger = [held_out(*key, 0.2) for key in keys]
    assert all(after for before, after in zip(split, larger, strict=True) if before)
    assert [held_out("0", "001", share) for share in (0.0, 1.0)] == [False, True]


def test_a_taxonomy_gives_four_levels_of_labels(
    tmp_path: Path, make_mvimgnet: Make, convert: Convert
) -> None:
    (tmp_path / "t.csv").write_text(
        "folder,coarse,mid,fine,class\n7,b,bm,bf,seven\n8,b,bm,bf,eight\n0,a,am,af,zero\n"
    )
    convert(make_mvimgnet(tmp_path / "mv"), tmp_path / "set", taxonomy=tmp_path / "t.csv")
    tracks = open_tracks(tmp_path / "set")
    assert tracks.level_names == ("coarse", "mid", "fine", "class")
    assert tracks.class_names == ("seven", "eight", "zero")
    assert (tracks.labels[:36] == [1, 1, 1, 2]).all()
    assert (tracks.labels[36:] == [0, 0, 0, 0]).all()
    (tmp_path / "t.csv").write_text("folder,coarse,mid,fine,class\n0,a,am,af,zero\n")
    with pytest.raises(RequestError, match=r"t\.csv does not know the class folders '7'"):
        convert(tmp_path / "mv", tmp_path / "b", taxonomy=tmp_path / "t.csv")


def test_ffhq_has_one_frame_per_instance_and_the_published_split(
    tmp_path: Path, make_ffhq: Make, convert: Convert
) -> None:
    numbers = [0, 1, 999, 1000, 59_999, 60_000, 69_999]
    manifest = convert(make_ffhq(tmp_path / "ffhq", numbers), tmp_path / "set")
    assert manifest.source == "FFHQ"
    tracks = open_tracks(tmp_path / "set")
    assert tracks.is_validation.tolist() == [False] * 5 + [True] * 2
    assert tracks.instance.tolist() == list(range(7))
    assert tracks.labels.shape == (7, 0)
    assert tracks.level_names == tracks.class_names == ()
    for frame, number in enumerate(numbers):
        pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), np.uint8)
        np.testing.assert_array_equal(
            tracks.gather(np.array([frame]))[0], pixels.transpose(2, 0, 1)
        )


def test_ffhq_without_folders_per_thousand_is_the_same(
    tmp_path: Path, make_ffhq: Make, convert: Convert
) -> None:
    numbers = [5, 1005, 60_005]
    convert(make_ffhq(tmp_path / "a", numbers), tmp_path / "deep")
    convert(make_ffhq(tmp_path / "b", numbers, flat=True), tmp_path / "flat")
    convert(tmp_path / "b" / "thumbnails128x128", tmp_path / "inner")
    prints = {open_tracks(tmp_path / name).fingerprint for name in ("deep", "flat", "inner")}
    assert len(prints) == 1


def test_thumbnails_are_read_where_they_are_large_enough(tmp_path: Path, make_ffhq: Make) -> None:
    make_ffhq(tmp_path / "both", [0])
    make_ffhq(tmp_path / "both", [0], folder="images1024x1024")
    assert scan_ffhq(tmp_path / "both", size=128)[0].folder == "thumbnails128x128/00000"
    assert scan_ffhq(tmp_path / "both", size=129)[0].folder == "images1024x1024/00000"
    make_ffhq(tmp_path / "small", [0])
    with pytest.raises(RequestError, match="need a folder images1024x1024, found thumbnails"):
        scan_ffhq(tmp_path / "small", size=256)
    with pytest.raises(RequestError, match="has 128 pixels, not 256"):
        scan_ffhq(tmp_path / "small" / "thumbnails128x128", size=256)


@pytest.mark.parametrize("name", ["face.png", "70000.png", "00000.jpg", "000000.png"])
def test_ffhq_names_that_decide_no_split_are_refused(
    tmp_path: Path, make_ffhq: Make, name: str
) -> None:
    make_ffhq(tmp_path, [0])
    (tmp_path / "thumbnails128x128" / "00000" / name).write_bytes(b"")
    with pytest.raises(RequestError, match=rf"{name}: FFHQ's images are called 00000\.png to"):
        scan_ffhq(tmp_path, size=16)


def test_a_number_twice_is_refused(tmp_path: Path, make_ffhq: Make) -> None:
    make_ffhq(tmp_path, [3])
    make_ffhq(tmp_path, [3], flat=True)
    with pytest.raises(RequestError, match=r"image 00003 is in .* twice"):
        scan_ffhq(tmp_path, size=16)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: None, "has none of the known layouts"),
        (lambda p: (p / "a" / "b").mkdir(parents=True), "has none of the known layouts"),
        (lambda p: (p / "thumbnails128x128").mkdir(), r"holds no images as 00000/00000\.png"),
        (lambda p: (p / "0" / "a" / "images").mkdir(parents=True), "holds no CLASS/INSTANCE"),
    ],
)
def test_a_source_without_a_layout_is_refused(
    tmp_path: Path, make: Callable[[Path], None], message: str
) -> None:
    make(tmp_path)
    with pytest.raises(RequestError, match=message):
        make_plan(ConversionRequest(source=tmp_path, size=16))


def test_a_split_without_instances_is_refused(
    tmp_path: Path, make_mvimgnet: Make, make_ffhq: Make
) -> None:
    make_ffhq(tmp_path / "ffhq", [0, 1])
    with pytest.raises(RequestError, match=r"none of the 2 instances .* is a validation one"):
        make_plan(ConversionRequest(source=tmp_path / "ffhq", size=16))
    make_mvimgnet(tmp_path / "mv", instances=1)
    with pytest.raises(RequestError, match="validation one: --validation-share is 1e-06"):
        make_plan(ConversionRequest(source=tmp_path / "mv", size=16, validation_share=1e-6))


@pytest.mark.parametrize(
    ("request_of", "message"),
    [
        ({"size": 4000}, "--size must be from 1 to 2048 pixels, got 4000"),
        ({"size": 16, "validation_share": 1.0}, "--validation-share must be between 0 and 1"),
        ({"size": 16, "masks": Path("/nowhere")}, "--masks /nowhere is no folder"),
        ({"size": 16, "source": Path("/nowhere")}, "SOURCE /nowhere is no folder"),
    ],
)
def test_wrong_requests_are_refused(
    tmp_path: Path, request_of: dict[str, object], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        ConversionRequest(**({"source": tmp_path} | request_of))  # type: ignore[arg-type]


def test_ffhq_takes_no_taxonomy_and_no_masks(tmp_path: Path, make_ffhq: Make) -> None:
    make_ffhq(tmp_path, [0, 60_000])
    for extra in ({"masks": tmp_path}, {"taxonomy": tmp_path / "t.csv"}):
        with pytest.raises(RequestError, match="does not go with FFHQ"):
            make_plan(ConversionRequest(source=tmp_path, size=16, **extra))
