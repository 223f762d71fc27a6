"""Figure 5: pictures and their reconstructions by budget, small enough to live in a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.image import imsave

from prior_search.report.contrasts import NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRow:
    """One picture through one model; ``sources`` are data addresses, the original first."""

    label: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureTable:
    """Figure 5."""

    budgets: tuple[int, ...]
    rows: tuple[PictureRow, ...]


def picture_table(
    originals: np.ndarray, by_model: Mapping[str, np.ndarray], budgets: Sequence[int]
) -> PictureTable:
    """Rows grouped by picture, a row per model.

    Args:
        originals: [P, 3, H, W] in 0..1.
        by_model: reconstructions [P, K, 3, H, W] by bottleneck, K as many as budgets.
        budgets: tokens, ascending.

    Raises:
        ValueError: a model's array does not fit the originals and budgets.
    """
    rows = []
    for name, pictures in by_model.items():
        expected = (len(originals), len(budgets), *originals.shape[1:])
        if pictures.shape != expected:
            raise ValueError(f"{name}: pictures must be {expected}, got {pictures.shape}")
    for k, original in enumerate(originals):
        for name, pictures in by_model.items():
            sources = tuple(data_address(p) for p in (original, *pictures[k]))
            rows.append(PictureRow(label=NAMES[name], sources=sources))
    return PictureTable(budgets=tuple(budgets), rows=tuple(rows))


def data_address(picture: np.ndarray) -> str:
    """A picture [3, H, W] in 0..1 as the address of a PNG that is its own content."""
    content = io.BytesIO()
    pixels = np.clip(np.rint(255 * np.moveaxis(picture, 0, -1)), 0, 255).astype(np.uint8)
    imsave(content, np.ascontiguousarray(pixels), format="png")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
