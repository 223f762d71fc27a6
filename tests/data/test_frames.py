from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prior_search.data.frames import Frame, crop_box, read_frame
from prior_search.data.image_files import BrokenImageError, open_image
from prior_search.data.masks import WHOLE_IMAGE, find_mask, moments, read_mask


def save(path: Path, pixels: np.ndarray, **options: object) -> Path:
    Image.fromarray(pixels).save(path, **options)  # type: ignore[arg-type]
    return path


def frame(path: Path, mask: Path | None = None, size: int = 8) -> Frame:
    return read_frame(path, mask, size=size, roots=(path.parent.resolve(), path.parent.resolve()))


def rectangle(height: int, width: int, rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    mask[rows, columns] = 255
    return mask


def test_moments_of_a_rectangle_are_those_by_hand() -> None:
    mask = rectangle(100, 50, slice(20, 60), slice(10, 20)) > 0
    # columns 10..19 have centers 10.5..19.5, mean 15, variance (10^2 - 1) / 12; rows alike
    expected = [15 / 50, 40 / 100, (99 / 12) ** 0.5 / 50, (1599 / 12) ** 0.5 / 100]
    np.testing.assert_allclose(moments(mask), expected, rtol=1e-6)


def test_moments_are_the_weighted_sums_over_pixels() -> None:
    mask = np.random.default_rng(0).random((13, 7)) < 0.4
    weights = [((x + 0.5) / 7, (y + 0.5) / 13) for y in range(13) for x in range(7) if mask[y, x]]
    mean = [sum(w[k] for w in weights) / len(weights) for k in range(2)]
    sigma = [(sum((w[k] - mean[k]) ** 2 for w in weights) / len(weights)) ** 0.5 for k in range(2)]
    np.testing.assert_allclose(moments(mask), [*mean, *sigma], rtol=1e-5)


def test_a_full_mask_is_the_fovea_of_an_image_without_one() -> None:
    np.testing.assert_allclose(moments(np.ones((2000, 2000), bool)), WHOLE_IMAGE, atol=1e-6)


def test_a_thin_object_keeps_a_least_size() -> None:
    sigma = moments(rectangle(100, 100, slice(50, 51), slice(0, 100)) > 0)[2:]
    np.testing.assert_allclose(sigma, [(9999 / 12) ** 0.5 / 100, 0.05], rtol=1e-6)


def test_the_crop_is_centered_on_the_object_and_stays_inside() -> None:
    assert crop_box(100, 60, (0.5, 0.5)) == (20, 0, 80, 60)
    assert crop_box(100, 60, (0.6, 0.1)) == (30, 0, 90, 60)
    assert crop_box(100, 60, (0.95, 0.5)) == (40, 0, 100, 60)
    assert crop_box(60, 100, (0.5, 0.0)) == (0, 0, 60, 60)


def test_the_fovea_is_in_units_of_the_crop(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.zeros((60, 100, 3), np.uint8))
    save(tmp_path / "m.png", rectangle(60, 100, slice(20, 40), slice(90, 100)))
    result = frame(tmp_path / "a.png", tmp_path / "m.png")
    assert result.has_mask
    # the crop is 40..100, so the object's columns 90..99 are 50..59 of 60
    np.testing.assert_allclose(
        result.fovea, [55 / 60, 0.5, 0.05, (399 / 12) ** 0.5 / 60], rtol=1e-5
    )


def test_the_frame_shows_the_crop(tmp_path: Path) -> None:
    pixels = np.zeros((32, 64, 3), np.uint8)
    pixels[:, 32:] = 255  # the right half is white
    save(tmp_path / "a.png", pixels)
    save(tmp_path / "m.png", rectangle(32, 64, slice(8, 24), slice(48, 56)))
    result = frame(tmp_path / "a.png", tmp_path / "m.png", size=16)
    assert result.pixels.shape == (3, 16, 16)
    assert (result.pixels[:, :, 1:] == 255).all()  # bicubic reaches one column to the left
    middle = frame(tmp_path / "a.png", size=16).pixels
    assert middle[:, :, :6].max() == 0
    assert middle[:, :, 10:].min() == 255


def test_a_mask_of_another_resolution_fits_if_its_shape_does(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.zeros((60, 100, 3), np.uint8))
    save(tmp_path / "half.png", rectangle(30, 50, slice(10, 20), slice(30, 40)))
    save(tmp_path / "full.png", rectangle(60, 100, slice(20, 40), slice(60, 80)))
    half = frame(tmp_path / "a.png", tmp_path / "half.png").fovea
    np.testing.assert_allclose(half, frame(tmp_path / "a.png", tmp_path / "full.png").fovea, 0.02)
    save(tmp_path / "turned.png", rectangle(100, 60, slice(20, 40), slice(10, 20)))
    turned = frame(tmp_path / "a.png", tmp_path / "turned.png")
    assert "a mask of 60 x 100 pixels does not fit" in str(turned.mask_fault)
    assert not turned.has_mask
    np.testing.assert_array_equal(turned.fovea, WHOLE_IMAGE)


@pytest.mark.parametrize("kind", ["bytes", "binary", "alpha", "opaque", "palette", "deep", "bits"])
def test_masks_of_all_kinds_say_the_same(tmp_path: Path, kind: str) -> None:
    inside = rectangle(20, 10, slice(5, 15), slice(2, 6)) > 0
    values = inside.astype(np.uint8)
    color = np.repeat(values[..., None], 4, 2) * 255
    images = {
        "bytes": Image.fromarray(values * 255),
        "binary": Image.fromarray(values),
        "alpha": Image.fromarray(np.dstack([255 - color[..., :3], color[..., 3]])),
        "opaque": Image.fromarray(np.dstack([color[..., :3], np.full_like(values, 255)])),
        "palette": Image.fromarray(values * 255).convert("P"),
        "deep": Image.fromarray(values.astype(np.uint16) * 65535),
        "bits": Image.fromarray(values * 255).convert("1"),
    }
    images[kind].save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", tmp_path.resolve()), inside)


def test_an_empty_mask_is_a_fault_of_the_mask(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.zeros((9, 9, 3), np.uint8))
    save(tmp_path / "m.png", np.zeros((9, 9), np.uint8))
    assert frame(tmp_path / "a.png", tmp_path / "m.png").mask_fault == "the mask is empty"


def test_masks_are_found_under_their_usual_names(tmp_path: Path) -> None:
    for name in ("001.jpg.png", "002.png", "003.jpg"):
        (tmp_path / name).touch()
    folders = (str(tmp_path / "none"), str(tmp_path))
    assert find_mask(folders, "001.jpg") == tmp_path / "001.jpg.png"
    assert find_mask(folders, "002.jpg") == tmp_path / "002.png"
    assert find_mask(folders, "003.jpg") == tmp_path / "003.jpg"
    assert find_mask(folders, "004.jpg") is None


def test_a_photograph_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, :16] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # show it turned by a quarter, so that its left is at the top
    save(tmp_path / "a.png", pixels, exif=exif)
    turned = frame(tmp_path / "a.png", size=16).pixels
    assert turned[:, :6].min() == 255
    assert turned[:, 10:].max() == 0


def test_gray_and_transparent_images_become_rgb(tmp_path: Path) -> None:
    save(tmp_path / "gray.jpg", np.full((9, 9), 77, np.uint8))
    assert (frame(tmp_path / "gray.jpg").pixels == 77).all()
    save(tmp_path / "alpha.png", np.full((9, 9, 4), 50, np.uint8))
    assert (frame(tmp_path / "alpha.png").pixels == 50).all()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds almost nothing."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = b"IDAT" + zlib.compress(b"\0" * 100)
    chunks = [
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (head, body)
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("side", [9_000, 12_000, 60_000, 2**31 - 1])
def test_absurd_sizes_are_refused_before_anything_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: int
) -> None:
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    (tmp_path / "a.png").write_bytes(png_header(side, side))
    with pytest.raises(BrokenImageError, match="pixels"):
        frame(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a JPEG or PNG image"),
        (b"GIF89a\1\0\1\0\0\0\0;", "not a JPEG or PNG image"),
        (png_header(20, 20), "truncated|damaged"),
        (png_header(20, 20)[:40], "truncated|damaged|not a"),
    ],
)
def test_what_is_no_image_is_broken_without_its_path(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(BrokenImageError, match=reason) as error:
        frame(tmp_path / "a.jpg")
    assert str(tmp_path) not in str(error.value)


def test_only_jpeg_and_png_are_decoded(tmp_path: Path) -> None:
    for kind in ("GIF", "BMP", "TIFF"):
        Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "a.jpg", format=kind)
        with pytest.raises(BrokenImageError, match="not a JPEG or PNG image"):
            frame(tmp_path / "a.jpg")


def test_a_link_out_of_the_tree_is_not_opened(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    save(tmp_path / "secret.png", np.zeros((9, 9, 3), np.uint8))
    (tree / "out.png").symlink_to(tmp_path / "secret.png")
    save(tree / "a.png", np.zeros((9, 9, 3), np.uint8))
    (tree / "in.png").symlink_to(tree / "a.png")
    (tree / "none.png").symlink_to(tree / "missing.png")
    with pytest.raises(BrokenImageError, match="leads outside"):
        frame(tree / "out.png")
    with pytest.raises(BrokenImageError, match="link to nothing"):
        frame(tree / "none.png")
    assert frame(tree / "in.png").pixels.shape == (3, 8, 8)


def test_a_fault_of_the_machine_is_not_one_of_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(OSError, match="Too many open files"), open_image(tmp_path / "a", tmp_path):
        pass
