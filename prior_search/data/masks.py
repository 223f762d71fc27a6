"""Object masks: read, and their place and size, the fovea of spec.md.

A fovea is (center x, center y, sigma x, sigma y) in units of the image, x to the right, y down.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from prior_search.data.image_files import BrokenImageError, open_image

MIN_SIGMA = 0.05  # of a thin object, in units of the image (ours)
# The standard deviation of a uniform distribution over the image: an object that fills it.
WHOLE_IMAGE = np.array([0.5, 0.5, 12**-0.5, 12**-0.5], np.float32)


def find_mask(folders: tuple[str, ...], frame: str) -> Path | None:
    """The mask of ``001.jpg``: ``001.jpg.png``, ``001.png`` or ``001.jpg``; None without one."""
    stem = Path(frame).stem
    for folder in folders:
        for name in (f"{frame}.png", f"{stem}.png", frame):
            path = Path(folder) / name
            if path.is_file():
                return path
    return None


def read_mask(path: Path, root: Path) -> np.ndarray:
    """Where the object is, bool [H, W].

    The alpha channel if it says anything, else the brightness; above half of the largest value
    **(ours)**, which reads masks in 0/1 as well as in 0/255.

    Raises:
        BrokenImageError: not readable, or nothing is masked.
    """
    with open_image(path, root) as image:
        values = _values(image)
    if not values.any():
        raise BrokenImageError("the mask is empty")
    return values > values.max() / 2


def _values(image: Image.Image) -> np.ndarray:
    if "A" in image.getbands():
        alpha = np.asarray(image.getchannel("A"))
        if alpha.min() < alpha.max():
            return alpha
    if image.mode in ("1", "L", "I", "I;16"):
        return np.asarray(image)
    return np.asarray(image.convert("L"))


def moments(mask: np.ndarray) -> np.ndarray:
    """Mean and standard deviation of the masked pixels' centers, float32 [4].

    Raises:
        BrokenImageError: nothing is masked.
    """
    if not mask.any():
        raise BrokenImageError("the mask is empty")
    (x, sigma_x), (y, sigma_y) = (_spread(mask.sum(axis)) for axis in range(2))
    return np.array([x, y, max(sigma_x, MIN_SIGMA), max(sigma_y, MIN_SIGMA)], np.float32)


def _spread(counts: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of pixel centers along an edge of length 1, by their counts."""
    place = (np.arange(len(counts)) + 0.5) / len(counts)
    mean = (counts * place).sum() / counts.sum()
    return float(mean), float(np.sqrt((counts * (place - mean) ** 2).sum() / counts.sum()))
