"""Brushes of the generated faces: regions with soft edges, painted over each other.

F = faces, R = pixels. A region is a signed distance [F, R], negative inside; u points right and v
up in the head's frame, where a head is about 1 wide and 1.3 high.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def rgb(red: float, green: float, blue: float) -> Array:
    """A color, float32 [3]."""
    return np.array([red, green, blue], np.float32)


def ellipse(u: Array, v: Array, a: Array | float, b: Array | float) -> Array:
    """About the distance to an ellipse with half axes a and b around the origin."""
    return (np.sqrt((u / a) ** 2 + (v / b) ** 2) - 1) * np.minimum(a, b)


def soft(distance: Array, width: float) -> Array:
    """1 well inside, 0 well outside, linear over ``width``."""
    return np.clip(0.5 - distance / width, 0, 1)


class Canvas:
    """The pictures as painted so far.

    Args:
        image: float32 [F, R, 3]; taken over, not copied.
        feather: width of the edges.
    """

    def __init__(self, image: Array, *, feather: float) -> None:
        self.image = image
        self._feather = feather

    def paint(self, region: Array, color: Array, opacity: Array | float = 1.0) -> None:
        """Cover a region with a color [F, 1 or R, 3]."""
        cover = (soft(region, self._feather) * opacity).astype(np.float32)[..., None]
        self.image += cover * (color - self.image)


def strands(u: Array, v: Array, rng: np.random.Generator) -> Array:
    """Brightness of hair along its strands, straight to curly: [F, R, 1]."""
    faces = len(u)
    density, curl, slant = rng.uniform([24, 0, -1], [64, 3, 1], (faces, 3)).astype(np.float32).T
    phase = density[:, None] * (u + 0.3 * slant[:, None] * v) + curl[:, None] * np.sin(9 * v)
    gloss = 0.25 * np.exp(-((v - 0.45) ** 2) / 0.03)
    return (0.9 + 0.18 * np.sin(phase) + gloss)[..., None]


def draw_trait(rng: np.random.Generator, faces: int, low: float, high: float) -> Array:
    """A trait of every face, float32 [F, 1]."""
    return rng.uniform(low, high, (faces, 1)).astype(np.float32)


def muted(rng: np.random.Generator, count: int, faces: int) -> Array:
    """Colors nearer to gray than uniform ones, [count, F, 1, 3]."""
    color = rng.uniform(0.05, 0.95, (count, faces, 1, 3)).astype(np.float32)
    return 0.55 * color + 0.45 * color.mean(-1, keepdims=True)
