"""The training loss of the contrastive track: Eq. 6 over Eq. 9, plus the regularizers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from prior_search.objectives.level_weighting import level_weights
from prior_search.objectives.ntxent import nt_xent
from prior_search.objectives.penalty import weighted_penalty
from prior_search.weights import RegularizerWeights


@dataclass(frozen=True, slots=True)
class ContrastiveLoss:
    """``total`` to minimize, and the unweighted NT-Xent of each level, coarse to fine."""

    total: Tensor
    objectives: tuple[Tensor, ...]


def contrastive_loss(
    descriptors: Sequence[Tensor],
    terms: Mapping[str, Tensor],
    weights: RegularizerWeights,
    *,
    temperature: float,
) -> ContrastiveLoss:
    """Loss of one batch.

    Args:
        descriptors: per level [2B, D], first views then their partners.
        terms: unweighted regularizer terms.
        weights: their weights.
        temperature: tau of Eq. 9.
    """
    objectives = tuple(nt_xent(h, temperature=temperature) for h in descriptors)
    factors = level_weights(len(objectives))
    total = weighted_penalty(terms, weights)
    for factor, objective in zip(factors, objectives, strict=True):
        total = total + factor * objective
    return ContrastiveLoss(total=total, objectives=objectives)
