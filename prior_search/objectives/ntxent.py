"""Eq. 9, the NT-Xent loss (Sohn 2016; Chen et al. 2020)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def nt_xent(descriptors: Tensor, *, temperature: float) -> Tensor:
    """NT-Xent of 2B descriptors [2B, D] whose partner of row i is row i ± B; a scalar, in nats.

    Raises:
        ValueError: an odd or empty batch, or a temperature that is not positive.
    """
    if descriptors.ndim != 2 or len(descriptors) == 0 or len(descriptors) % 2:
        raise ValueError(f"descriptors must be [2B, D] with B >= 1, got {list(descriptors.shape)}")
    if not temperature > 0:
        raise ValueError(f"temperature must be > 0, got {temperature}")
    h = F.normalize(descriptors.float(), dim=-1)  # [2B, D]
    similarity = h @ h.T / temperature  # [2B, 2B]
    itself = torch.eye(len(h), dtype=torch.bool, device=h.device)
    similarity = similarity.masked_fill(itself, -math.inf)
    partner = torch.arange(len(h), device=h.device).roll(len(h) // 2)
    return F.cross_entropy(similarity, partner)
