"""Projection heads: the mean over a level's tokens to a descriptor **(ours: the mean)**."""

from __future__ import annotations

from torch import Tensor, nn


class ProjectionHead(nn.Module):
    """Linear(C, hidden), LayerNorm, SiLU, Linear(hidden, D): [B, n, C] -> [B, D]."""

    def __init__(self, channels: int, hidden: int, descriptor_size: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(channels, hidden),
            # not BatchNorm: its running statistics would come from masked training batches
            nn.LayerNorm(hidden),
            nn.SiLU(),
            nn.Linear(hidden, descriptor_size),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Descriptors of tokens."""
        return self.body(tokens.mean(dim=1))
