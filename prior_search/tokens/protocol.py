"""What every token family offers, and the averages that all of them share.

Shapes: B = samples, n = tokens, C = channels, G = groups (1, or one per token position).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from prior_search.data_parallel import mean_over_workers, sum_over_workers


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a family makes of features.

    Attributes:
        values: [B, n, C], what is transmitted: sampled in training, deterministic in evaluation,
            the masked state where masked.
        terms: unweighted regularizer terms (Table 1), scalars over kept tokens.
        usage: per sample, before masking, what Eq. 8 needs of the family.
    """

    values: Tensor
    terms: Mapping[str, Tensor]
    usage: Mapping[str, Tensor]


class UsageAccumulator(Protocol):
    """Eq. 8 over a whole data set: marginals are pooled, never averaged per batch."""

    def add(self, usage: Mapping[str, Tensor]) -> None:
        """Take one batch of ``Tokens.usage``."""

    def nats(self) -> Tensor:
        """Usage b(u) per token, float64 [n], in nats."""


class TokenFamily(Protocol):
    """A bottleneck's token family, an ``nn.Module``; its ``training`` flag decides on sampling."""

    def __call__(
        self, features: Tensor, *, mask: Tensor | None, generator: torch.Generator | None
    ) -> Tokens:
        """Tokens of features [B, n, C]; ``mask`` [B, n] is True where masked."""

    def masked_state(self, values: Tensor, *, generator: torch.Generator | None) -> Tensor:
        """The state of a masked token (Table 1), in the shape of ``values``."""

    def usage_accumulator(self) -> UsageAccumulator:
        """A fresh accumulator for this family's usage."""


class GroupedLinear(nn.Module):
    """C -> D with bias, one map per group; all positions in one batched product.

    Args:
        num_groups: 1 (shared by all positions) or one per position.
        in_channels: C.
        out_channels: D.
    """

    def __init__(self, num_groups: int, in_channels: int, out_channels: int) -> None:
        super().__init__()
        bound = 1.0 / math.sqrt(in_channels)  # as nn.Linear
        shape = (num_groups, in_channels, out_channels)
        self.weight = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(num_groups, out_channels).uniform_(-bound, bound))

    def forward(self, features: Tensor) -> Tensor:
        """[B, n, C] -> [B, n, D]."""
        if len(self.weight) == 1:
            return features @ self.weight[0] + self.bias[0]
        by_position = torch.baddbmm(self.bias[:, None], features.transpose(0, 1), self.weight)
        return by_position.transpose(0, 1)


def mean_over_kept(values: Tensor, mask: Tensor | None) -> Tensor:
    """Mean of [B, n] over samples and kept tokens; 0 if nothing is kept."""
    if mask is None:
        return mean_over_workers(values.mean())
    kept = (~mask).to(values.dtype)
    total = sum_over_workers((values * kept).sum())
    return total / sum_over_workers(kept.sum()).clamp_min(1.0)


def entropy(probabilities: Tensor) -> Tensor:
    """Entropy over the last dimension, in nats; 0 log 0 = 0, with a finite gradient there."""
    smallest = torch.finfo(probabilities.dtype).tiny
    return -(probabilities * probabilities.clamp_min(smallest).log()).sum(-1)


def require_features(features: Tensor, num_groups: int, num_channels: int) -> None:
    """Refuse features that do not fit a family.

    Raises:
        ValueError: wrong rank, channels, or a position count other than the number of groups.
    """
    if features.ndim != 3 or features.shape[2] != num_channels:
        raise ValueError(f"features must be [B, n, {num_channels}], got {list(features.shape)}")
    if num_groups not in (1, features.shape[1]):
        raise ValueError(
            f"num_groups must be 1 or the number of tokens {features.shape[1]}, got {num_groups}"
        )
