"""Embedded data sets: rendered on the spot in several processes, kept in a cache folder."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from filelock import FileLock

Part = TypeVar("Part")
Progress = Callable[[int, int], None]  # parts done, parts in all


def cached_file(path: Path, make: Callable[[Path], None]) -> Path:
    """``path``, made if it is not there; two processes that ask at once make it once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if not path.exists():
            make(path)
    return path


def render_in_processes(
    render: Callable[[Part], tuple[np.ndarray, ...]],
    parts: Sequence[Part],
    *,
    num_processes: int | None,
    progress: Progress | None,
) -> tuple[np.ndarray, ...]:
    """Columns of all parts, each concatenated in the order of the parts.

    Args:
        render: one part to its columns; a function that can be pickled.
        parts: what to render.
        num_processes: default one per available core.
        progress: called as parts are done.
    """
    rendered = []
    with multiprocessing.get_context("spawn").Pool(num_processes) as pool:
        for done, columns in enumerate(pool.imap(render, parts), start=1):
            rendered.append(columns)
            if progress is not None:
                progress(done, len(parts))
    return tuple(np.concatenate(column) for column in zip(*rendered, strict=True))


def pixel_grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Horizontal and upward place of all pixels in -1..1, float32 [side²] each, reading order."""
    axis = ((np.arange(side, dtype=np.float32) + 0.5) / side) * 2 - 1
    y, x = np.meshgrid(-axis, axis, indexing="ij")
    return x.ravel(), y.ravel()


def to_pixels(
    image: np.ndarray,
    image_size: int,
    supersampling: int,
    rng: np.random.Generator,
    *,
    noise: float,
) -> np.ndarray:
    """Average the supersamples, add sensor noise: [F, R, 3] in 0..1 to uint8 [F, 3, H, W]."""
    fine = (image_size, supersampling, image_size, supersampling, 3)
    image = image.reshape(-1, *fine).mean((2, 4))
    image = image + rng.normal(0, noise, image.shape).astype(np.float32)
    return (image.clip(0, 1) * 255).round().astype(np.uint8).transpose(0, 3, 1, 2)


def waves(x: np.ndarray, y: np.ndarray, frames: int, rng: np.random.Generator) -> np.ndarray:
    """Three waves of random direction, summed: [F, R]."""
    blend = np.zeros((frames, len(x)), np.float32)
    for _ in range(3):
        fx, fy, phase = rng.uniform([-4, -4, 0], [4, 4, 6.3], (frames, 3)).astype(np.float32).T
        blend += np.sin(fx[:, None] * x + fy[:, None] * y + phase[:, None])
    return blend
