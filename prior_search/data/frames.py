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

Box = tuple[float, float, float, float]  # left, top, right, bottom, pixels
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


def read_frame(
    path: Path, mask_path: Path | None, *, size: int, roots: tuple[Path, Path]
) -> Frame:
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
    box, fovea, fault = crop_box(image.width, image.height, (0.5, 0.5)), WHOLE_IMAGE, None
    if mask_path is not None:
        try:
            box, fovea = _object_place(read_mask(mask_path, roots[1]), image)
        except BrokenImageError as error:
            fault = str(error)
    pixels = np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box=box))
    return Frame(
        pixels=np.ascontiguousarray(pixels.transpose(2, 0, 1)),
        fovea=fovea,
        has_mask=mask_path is not None and fault is None,
        mask_fault=fault,
    )


def crop_box(width: int, height: int, center: tuple[float, float]) -> Box:
    """The crop; ``center`` in units of the image."""
    side = min(width, height)
    left = min(max(center[0] * width - side / 2, 0.0), width - side)
    top = min(max(center[1] * height - side / 2, 0.0), height - side)
    return left, top, left + side, top + side


def _object_place(mask: np.ndarray, image: Image.Image) -> tuple[Box, np.ndarray]:
    """The crop around the masked object, and its fovea within the crop.

    The mask may have another resolution than the image, but not another shape.

    Raises:
        BrokenImageError: another aspect, or nothing of the mask is within the crop.
    """
    ratio = (mask.shape[1] / mask.shape[0]) / (image.width / image.height)
    if abs(ratio - 1) > ASPECT_TOLERANCE:
        raise BrokenImageError(
            f"a mask of {mask.shape[1]} x {mask.shape[0]} pixels does not fit an image with the "
            f"aspect of {image.width} x {image.height}"
        )
    x, y = moments(mask)[:2]
    box = crop_box(image.width, image.height, (float(x), float(y)))
    across, down = mask.shape[1] / image.width, mask.shape[0] / image.height
    left, right = (round(edge * across) for edge in (box[0], box[2]))
    top, bottom = (round(edge * down) for edge in (box[1], box[3]))
    return box, moments(mask[top:bottom, left:right])
