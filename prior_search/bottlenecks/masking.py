"""Ordering pressure by masking: Eq. 1 (tail dropping) and Eq. 2 (independent dropping).

B = samples, N = tokens; True = masked. Both have the same marginal rate, log(i+1) / log(N+1).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from prior_search.data_parallel import num_workers, own_rows


def drop_probabilities(num_tokens: int, *, device: torch.device | None = None) -> Tensor:
    """Eq. 2: probability of each token to be masked, [N]; the first is 0.

    Raises:
        ValueError: no token.
    """
    if num_tokens < 1:
        raise ValueError(f"num_tokens must be >= 1, got {num_tokens}")
    position = torch.arange(1, num_tokens + 1, dtype=torch.float32, device=device)
    return position.log() / math.log(num_tokens + 1)


def tail_cutoff(uniform: Tensor, num_tokens: int) -> Tensor:
    """Eq. 1: c = floor(exp(u)) for u = uniform * log(N+1), in 1..N.

    Clamped to N: in float32 exp(log(N+1)) can round to N+1.

    Raises:
        ValueError: no token.
    """
    if num_tokens < 1:
        raise ValueError(f"num_tokens must be >= 1, got {num_tokens}")
    return (uniform * math.log(num_tokens + 1)).exp().floor().clamp(1, num_tokens)


def tail_drop_mask(
    num_samples: int,
    num_tokens: int,
    *,
    generator: torch.Generator | None,
    device: torch.device | None = None,
) -> Tensor:
    """Eq. 1: [B, N], a masked tail per sample; token 0 is never masked."""
    total = num_samples * num_workers()
    uniform = own_rows(torch.rand(total, 1, generator=generator, device=device))
    position = torch.arange(num_tokens, device=device)
    return position >= tail_cutoff(uniform, num_tokens)


def independent_drop_mask(
    num_samples: int,
    num_tokens: int,
    *,
    generator: torch.Generator | None,
    device: torch.device | None = None,
) -> Tensor:
    """Eq. 2: [B, N], every token masked on its own; token 0 is never masked."""
    total = num_samples * num_workers()
    uniform = own_rows(torch.rand(total, num_tokens, generator=generator, device=device))
    return uniform < drop_probabilities(num_tokens, device=device)
