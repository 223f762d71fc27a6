"""Gaussian tokens: mean and log-variance per channel, sampled by reparameterization (Table 1)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from prior_search.data_parallel import empty_for_all, own_rows
from prior_search.tokens.protocol import (
    GroupedLinear,
    Tokens,
    UsageAccumulator,
    mean_over_kept,
    require_features,
)

START_MEAN_GAIN = 3.0
START_LOG_VARIANCE = -3.0
LOG_VARIANCE_LIMIT = 20.0  # exp(20) is finite in float32 and beyond any useful variance


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, exp(log_variance)) || N(0, I)) summed over channels: [..., C] -> [...], nats."""
    return 0.5 * (mean.square() + log_variance.expm1() - log_variance).sum(-1)


def free_bits_kl(kl: Tensor, mask: Tensor | None, *, kappa: float) -> Tensor:
    """Free-bits KL of Table 1: E_j[max(0, KL_j - kappa)], a scalar.

    **(ours)** j runs over samples and kept tokens; KL [B, n] is summed over channels, so kappa is
    in nats per token.
    """
    return mean_over_kept((kl - kappa).clamp_min(0.0), mask)


class _MeanKl:
    """Eq. 8 for Gaussians: the mean KL per token. A rate, not a mutual information."""

    def __init__(self) -> None:
        self._sum: Tensor | float = 0.0
        self._count = 0

    def add(self, usage: Mapping[str, Tensor]) -> None:
        self._sum = self._sum + usage["kl"].double().sum(0)
        self._count += len(usage["kl"])

    def nats(self) -> Tensor:
        return torch.as_tensor(self._sum) / self._count


class GaussianTokens(nn.Module):
    """Gaussian family.

    Args:
        num_groups: 1, or the number of positions for one pair of Linears each.
        num_channels: C.
        kappa: free nats per token, >= 0.
    """

    def __init__(self, *, num_groups: int, num_channels: int, kappa: float) -> None:
        super().__init__()
        if kappa < 0:
            raise ValueError(f"kappa must be >= 0, got {kappa}")
        self.num_groups, self.num_channels, self.kappa = num_groups, num_channels, kappa
        # mean and log-variance in one product; 2 C (C + 1) parameters per group, as in Table 2
        self.statistics = GroupedLinear(num_groups, num_channels, 2 * num_channels)
        with torch.no_grad():
            # More signal than noise at the start (ours): beside masked states drawn from N(0, I),
            # small means leave MBOP on a plateau for a time that only the seed decides.
            self.statistics.weight[:, :, :num_channels] *= START_MEAN_GAIN
            self.statistics.bias[:, num_channels:] += START_LOG_VARIANCE

    def forward(
        self, features: Tensor, *, mask: Tensor | None, generator: torch.Generator | None
    ) -> Tokens:
        """Tokens of features [B, n, C]."""
        require_features(features, self.num_groups, self.num_channels)
        mean, log_variance = self.statistics(features).float().chunk(2, dim=-1)  # [B, n, C] each
        log_variance = log_variance.clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)
        kl = kl_to_standard_normal(mean, log_variance)  # [B, n]
        values = mean
        if self.training:
            values = mean + (0.5 * log_variance).exp() * _normal_like(mean, generator)
        if mask is not None:
            state = self.masked_state(values, generator=generator)
            values = torch.where(mask[..., None], state, values)
        terms = {"kl": free_bits_kl(kl, mask, kappa=self.kappa)}
        return Tokens(values=values, terms=terms, usage={"kl": kl.detach()})

    def masked_state(self, values: Tensor, *, generator: torch.Generator | None) -> Tensor:
        """A draw from N(0, I) in training, its mean 0 in evaluation **(ours)**."""
        if self.training:
            return _normal_like(values, generator)
        return torch.zeros_like(values)

    def usage_accumulator(self) -> UsageAccumulator:
        """Eq. 8 for Gaussians."""
        return _MeanKl()


def _normal_like(values: Tensor, generator: torch.Generator | None) -> Tensor:
    return own_rows(empty_for_all(values).normal_(generator=generator))
