"""What is measured of a trained model, a function per task, found by name in ``MEASURE``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from prior_search.data import ObjectTracks
from prior_search.evaluation.features import extract_features
from prior_search.evaluation.information import information_by_budget
from prior_search.evaluation.probe import ProbeScore, probe_budget
from prior_search.evaluation.reconstruction import ImageMean, quality_by_budget
from prior_search.models import OrderedModel

Progress = Callable[[str, int, int], None]
"""Called with what is being done, and how much of how much is done."""


def measure_contrastive(
    model: OrderedModel, tracks: ObjectTracks, *, device: torch.device, progress: Progress
) -> dict[str, Any]:
    """Effective information and linear probes at every budget, from one pass per split."""
    usage = model.usage_accumulator()
    validation = extract_features(
        model,
        tracks,
        "validation",
        device=device,
        usage=usage,
        progress=lambda done, total: progress("features of validation", done, total),
    )
    train = extract_features(
        model,
        tracks,
        "train",
        device=device,
        progress=lambda done, total: progress("features of train", done, total),
    )
    probes: list[ProbeScore] = []
    work = sum(validation.budgets)  # a probe's time grows with its features
    for budget in validation.budgets:
        progress(f"probes at budget {budget}", budget - 1, work)
        probes += probe_budget(
            train, validation, budget, level_names=tracks.level_names, device=device
        )
    progress("probes", work, work)
    return {
        "information_bits": information_by_budget(usage.nats(), validation.budgets),
        "probes": tuple(probes),
    }


def measure_reconstruction(
    model: OrderedModel, tracks: ObjectTracks, *, device: torch.device, progress: Progress
) -> dict[str, Any]:
    """Effective information and image quality at every budget over all held-out frames."""
    frames = np.flatnonzero(tracks.is_validation)
    usage = model.usage_accumulator()
    quality = quality_by_budget(
        model,
        tracks,
        frames,
        device,
        usage=usage,
        progress=lambda done, total: progress("reconstructions of validation", done, total),
    )
    return {
        "information_bits": information_by_budget(usage.nats(), tuple(quality)),
        "image_quality": {
            budget: {name: ImageMean.of(values) for name, values in metrics.items()}
            for budget, metrics in quality.items()
        },
    }


MEASURE: dict[str, Callable[..., dict[str, Any]]] = {
    "contrastive": measure_contrastive,
    "reconstruction": measure_reconstruction,
}
