"""Reconstructions at every budget, and their quality (Table 5, Fig. 4).

MBOP decodes the first k tokens with the rest in the masked state; PRIOR decodes level k with the
decoder of that level, budget 2^k - 1. ``OrderedModel.output_at`` is that difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from prior_search.bottlenecks import OrderedCodes
from prior_search.data import ObjectTracks
from prior_search.evaluation.held_out import evaluated_outputs
from prior_search.evaluation.image_quality import METRICS, image_metrics
from prior_search.models import ModelUsage, OrderedModel


@dataclass(frozen=True, slots=True)
class ImageMean:
    """A mean over images with its 95 % interval, from the normal approximation."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: np.ndarray) -> ImageMean:
        """Of values per image, [n] with n >= 2."""
        mean = float(values.mean())
        half = 1.96 * float(values.std(ddof=1)) / math.sqrt(len(values))
        return cls(mean, mean - half, mean + half)


def reconstruct(model: OrderedModel, images: Tensor, budget: int) -> Tensor:
    """Images [B, 3, H, W] in [0, 1] from the first ``budget`` tokens of uint8 images [B, 3, H, W].

    The decoders' output is clipped to [0, 1] **(ours)**. Masks and sampling are off.

    Raises:
        ValueError: a budget other than 1, 3, 7, ..., N, or a model in training mode.
    """
    return _decode(model, _encode(model, images), budget)


def reconstruct_all(model: OrderedModel, images: Tensor) -> dict[int, Tensor]:
    """``reconstruct`` at every budget, few tokens first; encodes once."""
    codes = _encode(model, images)
    return {budget: _decode(model, codes, budget) for budget in codes.budgets}


def quality_by_budget(
    model: OrderedModel,
    tracks: ObjectTracks,
    frames: np.ndarray,
    device: torch.device,
    *,
    usage: ModelUsage | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[int, dict[str, np.ndarray]]:
    """``METRICS`` of every image at every budget: float64 [number of frames] each.

    Args:
        model: of the reconstruction track.
        tracks: the data.
        frames: which images, e.g. ``data.validation_frames``.
        device: where the model is.
        usage: takes the codes as well, for effective information from the same pass.
        progress: called with (frames done, frames in all).
    """
    done = 0
    found: dict[int, dict[str, list[Tensor]]] = {}
    for output, images in evaluated_outputs(model, tracks, frames, device):
        targets = images.float() / 255.0
        for budget in output.codes.budgets:
            made = _decode(model, output.codes, budget)
            for name, values in image_metrics(made, targets).items():
                found.setdefault(budget, {}).setdefault(name, []).append(values.double().cpu())
        if usage is not None:
            usage.add(output.codes)
        done += len(images)
        if progress is not None:
            progress(done, len(frames))
    return {
        budget: {name: torch.cat(values[name]).numpy() for name in METRICS}
        for budget, values in found.items()
    }


def _encode(model: OrderedModel, images: Tensor) -> OrderedCodes:
    if model.training:
        raise ValueError("reconstructing needs a model in evaluation mode; call model.eval()")
    fovea = torch.zeros(len(images), 4, device=images.device)  # the whole image is encoded
    with torch.no_grad():
        return model.encode(images, fovea, generator=None).codes


def _decode(model: OrderedModel, codes: OrderedCodes, budget: int) -> Tensor:
    with torch.no_grad():
        return model.output_at(codes, budget).float().clamp(0, 1)
