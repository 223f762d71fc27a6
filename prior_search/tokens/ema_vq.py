"""EMA-VQ tokens: the nearest code of a codebook that follows moving averages (Table 1).

Code 0 is the null state: zero, fixed, and free to be chosen. K = number of states, null included.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prior_search.data_parallel import num_workers, sum_over_workers, worker_rank
from prior_search.tokens.protocol import (
    Tokens,
    UsageAccumulator,
    entropy,
    mean_over_kept,
    require_features,
)

LAPLACE = 1e-5  # pseudo-count of the smoothed code counts


def nearest_code(features: Tensor, codes: Tensor) -> Tensor:
    """Index of the nearest code: features [G, M, C], codes [G, K, C] -> int64 [G, M].

    A tie with the null state goes to the null state; torch promises no order among ties.
    """
    distance = torch.cdist(features, codes, compute_mode="donot_use_mm_for_euclid_dist")
    index = distance.argmin(-1)
    null_ties = distance[..., 0] <= distance.amin(-1)
    return torch.where(null_ties, torch.zeros_like(index), index)


def moving_average_codes(
    counts: Tensor, sums: Tensor, new_counts: Tensor, new_sums: Tensor, *, decay: float
) -> tuple[Tensor, Tensor]:
    """One exponential step of counts [G, K] and sums [G, K, C]."""
    counts = decay * counts + (1.0 - decay) * new_counts
    sums = decay * sums + (1.0 - decay) * new_sums
    return counts, sums


class _CodeEntropy:
    """Eq. 8 for EMA-VQ: the entropy of the empirical code histogram per token."""

    def __init__(self, num_states: int) -> None:
        self._num_states = num_states
        self._histogram: Tensor | float = 0.0

    def add(self, usage: Mapping[str, Tensor]) -> None:
        one_hot = F.one_hot(usage["codes"], self._num_states)  # [B, n, K]
        self._histogram = self._histogram + one_hot.sum(0).double()

    def nats(self) -> Tensor:
        histogram = torch.as_tensor(self._histogram)
        return entropy(histogram / histogram.sum(-1, keepdim=True))


class EmaVqTokens(nn.Module):
    """EMA-VQ family.

    Args:
        num_groups: 1, or the number of positions for one codebook each.
        num_channels: C.
        num_states: K, null state included, >= 2.
        decay: of the moving averages, in (0, 1).
        dead_share: a code used less often than this share of an even use is re-seeded from the
            batch in training **(ours)**; 0 leaves dead codes alone.
    """

    codes: Tensor
    counts: Tensor
    sums: Tensor
    is_seeded: Tensor

    def __init__(
        self,
        *,
        num_groups: int,
        num_channels: int,
        num_states: int,
        decay: float,
        dead_share: float = 0.05,
    ) -> None:
        super().__init__()
        if num_states < 2:
            raise ValueError(f"num_states must be >= 2 (null and one code), got {num_states}")
        if not 0.0 < decay < 1.0:
            raise ValueError(f"decay must be in (0, 1), got {decay}")
        if not 0.0 <= dead_share < 1.0:
            raise ValueError(f"dead_share must be in [0, 1), got {dead_share}")
        self.num_groups, self.num_channels = num_groups, num_channels
        self.num_states, self.decay, self.dead_share = num_states, decay, dead_share
        shape = (num_groups, num_states, num_channels)
        self.register_buffer("codes", torch.zeros(shape))
        self.register_buffer("counts", torch.zeros(shape[:2]))
        self.register_buffer("sums", torch.zeros(shape))
        self.register_buffer("is_seeded", torch.zeros((), dtype=torch.bool))

    def forward(
        self, features: Tensor, *, mask: Tensor | None, generator: torch.Generator | None
    ) -> Tokens:
        """Tokens of features [B, n, C]."""
        require_features(features, self.num_groups, self.num_channels)
        features = features.float()
        grouped = self._by_group(features.detach())  # [G, M, C]
        kept = None if mask is None else ~self._by_group(mask[..., None])[..., 0]  # [G, M]
        if self.training:
            self._seed_first(grouped, generator)
        index = nearest_code(grouped, self.codes)  # [G, M]
        found = torch.gather(self.codes, 1, index[..., None].expand(-1, -1, self.num_channels))
        found = self._by_sample(found, features)  # [B, n, C]
        if self.training:
            self._update(grouped, index, kept, generator)
        commitment = (features - found).square().sum(-1)  # [B, n], summed over C as printed
        values = features + (found - features).detach()
        if mask is not None:
            values = torch.where(mask[..., None], torch.zeros_like(values), values)
        codes = self._by_sample(index[..., None], features)[..., 0]
        terms = {"commitment": mean_over_kept(commitment, mask)}
        return Tokens(values=values, terms=terms, usage={"codes": codes})

    def masked_state(self, values: Tensor, *, generator: torch.Generator | None) -> Tensor:
        """The null state, zero."""
        return torch.zeros_like(values)

    def usage_accumulator(self) -> UsageAccumulator:
        """Eq. 8 for EMA-VQ."""
        return _CodeEntropy(self.num_states)

    def _by_group(self, values: Tensor) -> Tensor:
        """[B, n, X] -> [G, M, X]: M = B n if one group serves all positions, else B."""
        return values.flatten(0, 1)[None] if self.num_groups == 1 else values.transpose(0, 1)

    def _by_sample(self, values: Tensor, like: Tensor) -> Tensor:
        """The inverse of ``_by_group``."""
        if self.num_groups == 1:
            return values[0].unflatten(0, like.shape[:2])
        return values.transpose(0, 1)

    @torch.no_grad()
    def _seed_first(self, grouped: Tensor, generator: torch.Generator | None) -> None:
        """Start the codes at random inputs of the first batch; afterwards this changes nothing."""
        drawn = self._draw(grouped, generator)
        start = torch.where(self.is_seeded, self.codes, drawn)
        start[:, 0] = 0.0
        self.sums = torch.where(self.is_seeded, self.sums, start)
        self.counts = torch.where(self.is_seeded, self.counts, torch.ones_like(self.counts))
        self.codes = start
        self.is_seeded = torch.ones_like(self.is_seeded)

    def _draw(self, grouped: Tensor, generator: torch.Generator | None) -> Tensor:
        """Random inputs [G, K, C] of the batch of all data-parallel workers."""
        shape, rows = (self.num_groups, self.num_states), grouped.shape[1]
        uniform = torch.rand(shape, generator=generator, device=grouped.device)
        index = (uniform * (rows * num_workers())).long()
        own = (index % rows)[..., None].expand(-1, -1, self.num_channels)
        drawn = torch.gather(grouped, 1, own)
        is_here = torch.div(index, rows, rounding_mode="floor") == worker_rank()
        return sum_over_workers(drawn * is_here[..., None]) if num_workers() > 1 else drawn

    @torch.no_grad()
    def _update(
        self,
        grouped: Tensor,
        index: Tensor,
        kept: Tensor | None,
        generator: torch.Generator | None,
    ) -> None:
        """Move counts, sums and codes; the null state never moves."""
        chosen = F.one_hot(index, self.num_states).to(grouped.dtype)  # [G, M, K]
        if kept is not None:
            chosen = chosen * kept[..., None]
        new_counts, new_sums = chosen.sum(1), chosen.transpose(1, 2) @ grouped
        new_counts, new_sums = sum_over_workers(new_counts), sum_over_workers(new_sums)
        counts, sums = moving_average_codes(
            self.counts, self.sums, new_counts, new_sums, decay=self.decay
        )
        counts, sums = self._reseed_dead(counts, sums, grouped, generator)
        total = counts.sum(-1, keepdim=True)
        smoothed = (counts + LAPLACE) / (total + self.num_states * LAPLACE) * total
        codes = sums / smoothed.clamp_min(LAPLACE)[..., None]
        codes[:, 0] = 0.0
        self.counts, self.sums, self.codes = counts, sums, codes

    def _reseed_dead(
        self, counts: Tensor, sums: Tensor, grouped: Tensor, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        even = counts.sum(-1, keepdim=True) / self.num_states
        dead = counts < self.dead_share * even  # [G, K]
        drawn = self._draw(grouped, generator)
        counts = torch.where(dead, even.expand_as(counts), counts)
        sums = torch.where(dead[..., None], drawn * even[..., None], sums)
        return counts, sums
