"""Weights of a training without a search."""

from __future__ import annotations

from prior_search.trial import Bottleneck, Family, Task
from prior_search.weights import RegularizerWeights

# **Ours**: mild ones within the ranges of the shipped space files, the same at every preset. A
# place to start from and no recommendation.
DEFAULT_WEIGHTS: dict[Task, dict[Family, dict[str, float]]] = {
    "contrastive": {
        "gaussian": {"kl_weight": 3e-3, "prediction_weight": 1.0},
        "categorical": {
            "sample_entropy_weight": 1e-2,
            "batch_entropy_weight": 0.1,
            "prediction_weight": 1.0,
        },
        "ema_vq": {"commitment_weight": 3e-4, "prediction_weight": 1.0},
    },
    "reconstruction": {
        "gaussian": {"kl_weight": 1e-4, "prediction_weight": 0.1},
        "categorical": {
            "sample_entropy_weight": 1e-3,
            "batch_entropy_weight": 1e-2,
            "prediction_weight": 0.1,
        },
        "ema_vq": {"commitment_weight": 1e-4, "prediction_weight": 0.1},
    },
}


def default_weights(task: Task, family: Family, bottleneck: Bottleneck) -> RegularizerWeights:
    """``DEFAULT_WEIGHTS`` of the terms that a model of this kind has."""
    chosen = dict(DEFAULT_WEIGHTS[task][family])
    if bottleneck != "prior":
        del chosen["prediction_weight"]
    return RegularizerWeights.from_mapping(chosen)
