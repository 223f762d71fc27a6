"""Categorical tokens: straight-through one-hot vectors over C classes (Table 1)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prior_search.data_parallel import (
    empty_for_all,
    mean_over_workers,
    own_rows,
    sum_over_workers,
)
from prior_search.tokens.protocol import (
    GroupedLinear,
    Tokens,
    UsageAccumulator,
    entropy,
    mean_over_kept,
    require_features,
)


def straight_through_one_hot(probabilities: Tensor, index: Tensor) -> Tensor:
    """One-hot of ``index`` [...] forward, the gradient of ``probabilities`` [..., C] backward."""
    hard = F.one_hot(index, probabilities.shape[-1]).to(probabilities.dtype)
    return hard + probabilities - probabilities.detach()


def negative_batch_entropy(probabilities: Tensor, mask: Tensor | None) -> Tensor:
    """-H(E[q]) of Table 1: q [B, n, C] averaged over the kept samples of each token; a scalar.

    **(ours)** Tokens that no sample of the batch keeps are left out of the mean over tokens.
    """
    if mask is None:
        return -entropy(mean_over_workers(probabilities.mean(0))).mean()
    kept = (~mask).to(probabilities.dtype)[..., None]  # [B, n, 1]
    counts = sum_over_workers(kept.sum(0))  # [n, 1]
    total = sum_over_workers((probabilities * kept).sum(0))
    marginal = total / counts.clamp_min(1.0)  # [n, C]
    present = (counts[:, 0] > 0).to(probabilities.dtype)
    return -(entropy(marginal) * present).sum() / present.sum().clamp_min(1.0)


class _MutualInformation:
    """Eq. 8 for Categoricals: max(0, H(E[q]) - E[H(q)]) per token."""

    def __init__(self) -> None:
        self._sum: Tensor | float = 0.0
        self._entropy: Tensor | float = 0.0
        self._count = 0

    def add(self, usage: Mapping[str, Tensor]) -> None:
        q = usage["probabilities"].double()
        self._sum = self._sum + q.sum(0)
        self._entropy = self._entropy + entropy(q).sum(0)
        self._count += len(q)

    def nats(self) -> Tensor:
        marginal = entropy(torch.as_tensor(self._sum) / self._count)
        return (marginal - torch.as_tensor(self._entropy) / self._count).clamp_min(0.0)


class CategoricalTokens(nn.Module):
    """Categorical family.

    Args:
        num_groups: 1, or the number of positions for one Linear each.
        num_channels: C, also the number of classes.
        temperature: of the softmax, > 0.
        sample: draw the class from q in training **(ours)**, as Eq. 8 measures the information of
            a sampled token; otherwise take the most probable one, as evaluation always does.
    """

    def __init__(
        self, *, num_groups: int, num_channels: int, temperature: float, sample: bool = True
    ) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"temperature must be > 0, got {temperature}")
        self.num_groups, self.num_channels = num_groups, num_channels
        self.temperature, self.sample = temperature, sample
        self.logits = GroupedLinear(num_groups, num_channels, num_channels)

    def forward(
        self, features: Tensor, *, mask: Tensor | None, generator: torch.Generator | None
    ) -> Tokens:
        """Tokens of features [B, n, C]."""
        require_features(features, self.num_groups, self.num_channels)
        logits = self.logits(features).float() / self.temperature  # [B, n, C]
        q = logits.softmax(-1)
        if self.training and self.sample:
            # argmax of logits plus Gumbel noise is a draw from q, and never waits for the device
            noise = own_rows(empty_for_all(logits).exponential_(generator=generator)).log()
            index = (logits.detach() - noise).argmax(-1)
        else:
            index = logits.argmax(-1)
        values = straight_through_one_hot(q, index)
        if mask is not None:
            state = self.masked_state(values, generator=generator)
            values = torch.where(mask[..., None], state, values)
        terms = {
            "sample_entropy": mean_over_kept(entropy(q), mask),
            "batch_entropy": negative_batch_entropy(q, mask),
        }
        return Tokens(values=values, terms=terms, usage={"probabilities": q.detach()})

    def masked_state(self, values: Tensor, *, generator: torch.Generator | None) -> Tensor:
        """1/C in every channel."""
        return torch.full_like(values, 1.0 / self.num_channels)

    def usage_accumulator(self) -> UsageAccumulator:
        """Eq. 8 for Categoricals."""
        return _MutualInformation()
