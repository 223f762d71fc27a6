"""The training loss of the contrastive track: Eq. 6 over Eq. 9, plus the regularizers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from prior_search.data_parallel import rows_of_all
from prior_search.objectives.level_weighting import LevelLoss, level_loss
from prior_search.objectives.ntxent import nt_xent
from prior_search.weights import RegularizerWeights


def contrastive_loss(
    descriptors: Sequence[Tensor],
    terms: Mapping[str, Tensor],
    weights: RegularizerWeights,
    *,
    temperature: float,
) -> LevelLoss:
    """Loss of one batch.

    Args:
        descriptors: per level [2B, D], first views then their partners.
        terms: unweighted regularizer terms.
        weights: their weights.
        temperature: tau of Eq. 9.
    """
    objectives = [nt_xent(rows_of_all(h), temperature=temperature) for h in descriptors]
    return level_loss(objectives, terms, weights)
