"""A photograph becomes a frame: the crop, the size, the fovea.

The crop **(ours)**: the largest square that fits into the image, as near to the object's center as
the borders allow, the image's center where there is no mask. It keeps the aspect and all of the
scene around the object, whose place and size the fovea then tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from prior_search.data.image_files import BrokenImageError, open_image
from prior_search.data.masks import WHOLE_IMAGE, moments, read_mask

ASPECT_TOLERANCE = 0.02  # of a mask against its image, relative


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One converted photograph.

    Attributes:
        pixels: uint8 [3, S, S].
        fovea: float32 [4].
        mask_fault: why a mask that exists was not used; None if it was, or if there is none.
    """

    pixels: np.ndarray
    fovea: np.ndarray
    has_mask: bool
    mask_fault: str | None


def read_frame(path: Path, mask_path: Path | None, *, size: int, roots: tuple[Path, Path]) -> Frame:
    """Decode, crop and resize (bicubic, antialiased) one photograph.

    A JPEG is decoded at the smallest of its own scales that keeps twice ``size``.

    Args:
        path: of the photograph.
        mask_path: of its mask, if there is one. A broken mask costs only the object's place.
        size: S, side of the result, pixels.
        roots: the trees that photographs and masks must be in.

    Raises:
        BrokenImageError: the photograph cannot be used.
        OSError: the disk or the machine fails.
    """
    with open_image(path, roots[0]) as opened:
        opened.draft("RGB", (2 * size, 2 * size))
        image = ImageOps.exif_transpose(opened).convert("RGB")
    mask, fault = None, None
    if mask_path is not None:
        try:
            mask = _fitting_mask(mask_path, roots[1], image)
        except BrokenImageError as error:
            fault = str(error)
    center = (0.5, 0.5) if mask is None else tuple(moments(mask)[:2])
    box = crop_box(image.width, image.height, (float(center[0]), float(center[1])))
    pixels = np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box=box))
    fovea = WHOLE_IMAGE
    if mask is not None:
        fovea = moments(_cut(mask, box, image))
    return Frame(
        pixels=np.ascontiguousarray(pixels.transpose(2, 0, 1)),
        fovea=fovea,
        has_mask=mask is not None,
        mask_fault=fault,
    )


def crop_box(
    width: int, height: int, center: tuple[float, float]
) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of the crop, pixels; ``center`` in units of the image."""
    side = min(width, height)
    left = min(max(center[0] * width - side / 2, 0.0), width - side)
    top = min(max(center[1] * height - side / 2, 0.0), height - side)
    return left, top, left + side, top + side


def _fitting_mask(path: Path, root: Path, image: Image.Image) -> np.ndarray:
    """The mask, which may have another resolution, but not another shape.

    Raises:
        BrokenImageError: not readable, empty, of another aspect, or empty within the crop.
    """
    mask = read_mask(path, root)
    ratio = (mask.shape[1] / mask.shape[0]) / (image.width / image.height)
    if abs(ratio - 1) > ASPECT_TOLERANCE:
        raise BrokenImageError(
            f"a mask of {mask.shape[1]} x {mask.shape[0]} pixels does not fit an image with the "
            f"aspect of {image.width} x {image.height}"
        )
    center = moments(mask)
    box = crop_box(image.width, image.height, (float(center[0]), float(center[1])))
    if not _cut(mask, box, image).any():
        raise BrokenImageError("no part of the mask is within the crop")
    return mask


def _cut(mask: np.ndarray, box: tuple[float, float, float, float], image: Image.Image) -> np.ndarray:
    """The mask's pixels within the crop of the image."""
    across, down = mask.shape[1] / image.width, mask.shape[0] / image.height
    left, right = (round(edge * across) for edge in (box[0], box[2]))
    top, bottom = (round(edge * down) for edge in (box[1], box[3]))
    return mask[top:bottom, left:right]
