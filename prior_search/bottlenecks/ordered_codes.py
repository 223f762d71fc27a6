"""What a bottleneck returns: codes in levels, any prefix of which is a code.

Shapes: B = samples, N = tokens, C = channels, L = levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from prior_search.bottlenecks.pyramid import budgets, num_levels_of


@dataclass(frozen=True, slots=True)
class OrderedCodes:
    """Codes, coarse to fine.

    Attributes:
        levels: PRIOR: level l as [B, 2^l, C]; MBOP: all tokens as one [B, N, C].
        usage: per level, what Eq. 8 needs of its tokens.
    """

    levels: tuple[Tensor, ...]
    usage: tuple[Mapping[str, Tensor], ...]

    @property
    def num_tokens(self) -> int:
        """N over all levels."""
        return sum(level.shape[1] for level in self.levels)

    @property
    def budgets(self) -> tuple[int, ...]:
        """The prefix lengths that are evaluated: 1, 3, 7, ..., N."""
        return budgets(num_levels_of(self.num_tokens))

    def prefix(self, budget: int) -> Tensor:
        """The first ``budget`` tokens [B, budget, C]; for PRIOR the first levels, concatenated.

        Raises:
            ValueError: a budget that is not among ``budgets``.
        """
        if budget not in self.budgets:
            raise ValueError(f"budget must be one of {self.budgets}, got {budget}")
        return torch.cat(self.levels, dim=1)[:, :budget]


@dataclass(frozen=True, slots=True)
class BottleneckOutput:
    """Codes and unweighted regularizer terms (scalars by name)."""

    codes: OrderedCodes
    terms: Mapping[str, Tensor]
