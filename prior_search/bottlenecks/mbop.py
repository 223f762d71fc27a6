"""Masking-based ordering pressure: a flat sequence whose later tokens are masked more often."""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn

from prior_search.bottlenecks.masking import independent_drop_mask, tail_drop_mask
from prior_search.bottlenecks.ordered_codes import BottleneckOutput, OrderedCodes
from prior_search.tokens import TokenFamily

MASKS = {"td": tail_drop_mask, "itd": independent_drop_mask}


class MbopBottleneck(nn.Module):
    """MBOP-TD or MBOP-ITD: PRIOR's machinery with one level. Masks act in training only.

    Args:
        tokens: the token family, an ``nn.Module``.
        num_tokens: N.
        dropping: ``td`` (Eq. 1) or ``itd`` (Eq. 2).
    """

    def __init__(
        self, *, tokens: nn.Module, num_tokens: int, dropping: Literal["td", "itd"]
    ) -> None:
        super().__init__()
        if dropping not in MASKS:
            raise ValueError(f"dropping must be one of {', '.join(MASKS)}, got {dropping!r}")
        self.tokens, self.num_tokens, self.dropping = tokens, num_tokens, dropping

    @property
    def families(self) -> tuple[TokenFamily, ...]:
        """The token family of each level."""
        return (cast("TokenFamily", self.tokens),)

    def forward(self, features: Tensor, *, generator: torch.Generator | None) -> BottleneckOutput:
        """Codes of features [B, N, C]."""
        if features.shape[1] != self.num_tokens:
            raise ValueError(
                f"features must have {self.num_tokens} tokens, got {features.shape[1]}"
            )
        mask = None
        if self.training:
            draw = MASKS[self.dropping]
            mask = draw(
                len(features), self.num_tokens, generator=generator, device=features.device
            )
        tokens = self.families[0](features, mask=mask, generator=generator)
        codes = OrderedCodes(levels=(tokens.values,), usage=(tokens.usage,))
        return BottleneckOutput(codes=codes, terms=dict(tokens.terms))

    def at_budget(self, codes: OrderedCodes, budget: int) -> tuple[int, Tensor]:
        """Level 0, and its tokens [B, N, C] with all but the first ``budget`` masked.

        Raises:
            ValueError: a budget that is not among ``codes.budgets``.
        """
        kept = codes.prefix(budget)
        (tokens,) = codes.levels
        rest = self.families[0].masked_state(tokens, generator=None)[:, budget:]
        return 0, torch.cat([kept, rest], dim=1)
