"""Reconstructions by budget as a picture (Fig. 5)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INCHES_PER_IMAGE = 0.9


def draw_reconstructions(
    originals: np.ndarray, made: Mapping[str, Mapping[int, np.ndarray]], path: Path
) -> None:
    """A row per image and model: the original (GT), then every budget, few tokens first.

    Args:
        originals: [B, 3, H, W] in [0, 1].
        made: by name of the model, then by budget, as ``evaluation.reconstruct_all`` makes them.
        path: the picture to write; its ending decides the format.
    """
    columns = list(next(iter(made.values())))
    rows = len(originals) * len(made)
    size = (INCHES_PER_IMAGE * (len(columns) + 1) + 0.6, INCHES_PER_IMAGE * rows + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, len(columns) + 1, squeeze=False)
    for axis, title in zip(axes[0], ["GT", *map(str, columns)], strict=True):
        axis.set_title(title, fontsize=8)
    lines = iter(axes)
    for index, original in enumerate(originals):
        for name, by_budget in made.items():
            line = next(lines)
            line[0].set_ylabel(name, fontsize=8)
            pictures = [original, *(by_budget[budget][index] for budget in columns)]
            for axis, picture in zip(line, pictures, strict=True):
                axis.imshow(picture.transpose(1, 2, 0), interpolation="nearest")
                axis.set(xticks=[], yticks=[])
                axis.spines[:].set_visible(False)
    figure.savefig(path, dpi=150)
