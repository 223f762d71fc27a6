"""Predictive residual inference (Eq. 4, 5): levels that predict, and store the residual."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from prior_search.bottlenecks.ordered_codes import BottleneckOutput, OrderedCodes
from prior_search.bottlenecks.pyramid import level_sizes, num_levels_of
from prior_search.data_parallel import mean_over_workers
from prior_search.tokens import TokenFamily


def prediction_penalty(predictions: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """Eq. 5: mean over levels 1..L-1 of || pred_l - stopgrad(y_l) ||^2, a scalar.

    **(ours)** The squared norm is averaged over samples, tokens and channels, so that its weight
    means the same at every preset. No gradient reaches the targets.

    Raises:
        ValueError: no level, or a prediction without its target.
    """
    if not predictions or len(predictions) != len(targets):
        raise ValueError(
            f"predictions and targets must pair up, got {len(predictions)} and {len(targets)}"
        )
    errors = [
        (prediction - target.detach()).square().mean()
        for prediction, target in zip(predictions, targets, strict=True)
    ]
    return mean_over_workers(torch.stack(errors).mean())


class PriorBottleneck(nn.Module):
    """PRIOR. Nothing is masked; gradients flow through predictions into coarser levels.

    In the EMA-VQ family the straight-through estimate cancels the prediction: there the objective
    has no gradient to predictors, and they learn from Eq. 5 alone.

    Args:
        tokens: one family module per level, coarse to fine.
        predictors: L-1 modules, [B, 2^(l-1), C] -> [B, 2^l, C].
    """

    def __init__(self, *, tokens: Sequence[nn.Module], predictors: Sequence[nn.Module]) -> None:
        super().__init__()
        if len(predictors) != len(tokens) - 1:
            raise ValueError(
                f"{len(tokens)} levels need {len(tokens) - 1} predictors, got {len(predictors)}"
            )
        self.tokens = nn.ModuleList(tokens)
        self.predictors = nn.ModuleList(predictors)
        self.sizes = level_sizes(len(tokens))

    @property
    def families(self) -> tuple[TokenFamily, ...]:
        """The token family of each level."""
        return tuple(cast("TokenFamily", module) for module in self.tokens)

    def forward(self, features: Tensor, *, generator: torch.Generator | None) -> BottleneckOutput:
        """Codes of features [B, N, C], whose rows 2^l - 1 .. 2^(l+1) - 2 are level l (y_l)."""
        if features.shape[1] != sum(self.sizes):
            raise ValueError(
                f"features must have {sum(self.sizes)} tokens, got {features.shape[1]}"
            )
        targets = features.split(self.sizes, dim=1)  # y_l
        predictions: list[Tensor] = []
        levels: list[Tensor] = []  # yhat_l
        outputs = []
        for level, family in enumerate(self.families):
            if level == 0:
                prediction = torch.zeros_like(targets[0])
            else:
                prediction = self.predictors[level - 1](levels[-1])
                predictions.append(prediction)
            tokens = family(targets[level] - prediction, mask=None, generator=generator)
            levels.append(prediction + tokens.values)
            outputs.append(tokens)
        terms = {  # mean over all N tokens: levels weigh by their size
            name: torch.stack(
                [size * t.terms[name] for size, t in zip(self.sizes, outputs, strict=True)]
            ).sum()
            / sum(self.sizes)
            for name in outputs[0].terms
        }
        if predictions:
            terms["prediction"] = prediction_penalty(predictions, targets[1:])
        codes = OrderedCodes(levels=tuple(levels), usage=tuple(t.usage for t in outputs))
        return BottleneckOutput(codes=codes, terms=terms)

    def at_budget(self, codes: OrderedCodes, budget: int) -> tuple[int, Tensor]:
        """The finest level that ``budget`` tokens pay for, and its tokens [B, 2^l, C].

        Raises:
            ValueError: a budget that is not among ``codes.budgets``.
        """
        level = num_levels_of(codes.prefix(budget).shape[1]) - 1
        return level, codes.levels[level]
