"""The training loss of the reconstruction track: Eq. 6 over pixel losses, plus the regularizers.

The paper does not give the loss of a level. **(ours)** Mean absolute plus mean squared error in
pixel space, equally weighted: the first keeps edges, the second punishes gross errors. Squared
errors of Haar coefficients and of pixels are the same number, for the transform is orthonormal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from prior_search.data_parallel import mean_over_workers
from prior_search.objectives.level_weighting import LevelLoss, level_loss
from prior_search.weights import RegularizerWeights


def pixel_loss(images: Tensor, targets: Tensor) -> Tensor:
    """Mean absolute plus mean squared difference of two [B, 3, H, W] in [0, 1]; a scalar.

    Raises:
        ValueError: different shapes, which would be broadcast.
    """
    if images.shape != targets.shape:
        raise ValueError(
            f"images and targets must have one shape, "
            f"got {list(images.shape)} and {list(targets.shape)}"
        )
    difference = images.float() - targets
    return difference.abs().mean() + difference.square().mean()


def reconstruction_loss(
    reconstructions: Sequence[Tensor],
    targets: Tensor,
    terms: Mapping[str, Tensor],
    weights: RegularizerWeights,
) -> LevelLoss:
    """Loss of one batch.

    Args:
        reconstructions: per level [B, 3, H, W], all of the same images.
        targets: these images, [B, 3, H, W] in [0, 1].
        terms: unweighted regularizer terms.
        weights: their weights.
    """
    objectives = [mean_over_workers(pixel_loss(images, targets)) for images in reconstructions]
    return level_loss(objectives, terms, weights)
