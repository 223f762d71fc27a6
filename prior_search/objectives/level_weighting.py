"""Eq. 6: normalized geometric weights of the levels, and the loss that they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from prior_search.objectives.penalty import weighted_penalty
from prior_search.weights import RegularizerWeights


@dataclass(frozen=True, slots=True)
class LevelLoss:
    """``total`` to minimize, and the unweighted objective of each level, coarse to fine."""

    total: Tensor
    objectives: tuple[Tensor, ...]


def level_weights(num_levels: int) -> tuple[float, ...]:
    """2^-(L-1-l) / Z for l = 0..L-1, summing to 1; deeper levels weigh more.

    Raises:
        ValueError: no level.
    """
    if num_levels < 1:
        raise ValueError(f"num_levels must be >= 1, got {num_levels}")
    total = sum(2.0**-k for k in range(num_levels))
    return tuple(2.0 ** -(num_levels - 1 - level) / total for level in range(num_levels))


def level_loss(
    objectives: Sequence[Tensor], terms: Mapping[str, Tensor], weights: RegularizerWeights
) -> LevelLoss:
    """Eq. 6 over the objectives of the levels, plus the weighted regularizers.

    Args:
        objectives: a scalar per level, coarse to fine.
        terms: unweighted regularizer terms.
        weights: their weights.
    """
    factors = level_weights(len(objectives))
    total = weighted_penalty(terms, weights)
    for factor, objective in zip(factors, objectives, strict=True):
        total = total + factor * objective
    return LevelLoss(total=total, objectives=tuple(objectives))
