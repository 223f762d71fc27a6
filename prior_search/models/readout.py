"""The readout of bottleneck tokens, the same behind every encoder.

A cross-attention with N learned queries **(ours)**: row i of its output is the feature of token i.
In the flat case (MBOP) that is all. In the pyramidal case (PRIOR) level l reads rows
2^l - 1 .. 2^(l+1) - 2, and each query also carries a projected sine-cosine code of its level and
of the interval of the sequence that it stands for.

B = samples, T = encoder's tokens, N = tokens, d = channels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from prior_search.bottlenecks import level_sizes, num_levels_of
from prior_search.models.attention import CrossAttention

CODE_SIZE = 64


def sine_cosine_code(places: Tensor, size: int) -> Tensor:
    """Fixed code [T, size] of places [T, k] in [0, 1]: half to 64 periods per coordinate."""
    frequency = math.pi * 2.0 ** torch.linspace(0, 7, size // (2 * places.shape[1]))
    angles = places[..., None] * frequency  # [T, k, size / 2k]
    return torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(1)


def pyramid_code(num_tokens: int) -> Tensor:
    """Fixed sine-cosine code [N, 64] of each token's level and interval center in [0, 1]."""
    num_levels = num_levels_of(num_tokens)
    rows = [
        (level / num_levels, (i + 0.5) / size)
        for level, size in enumerate(level_sizes(num_levels))
        for i in range(size)
    ]
    return sine_cosine_code(torch.tensor(rows), CODE_SIZE)


class TokenReadout(nn.Module):
    """N learned queries read tokens from an encoder's output: [B, T, d] -> [B, N, d].

    Args:
        num_tokens: N.
        channels: d.
        head_size: channels per head.
        is_pyramidal: whether queries carry the pyramid code of their level and place (PRIOR).
    """

    code: Tensor

    def __init__(
        self, num_tokens: int, channels: int, head_size: int, *, is_pyramidal: bool
    ) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(num_tokens, channels))
        self.attention = CrossAttention(channels, head_size)
        self.pyramid = nn.Linear(CODE_SIZE, channels, bias=False) if is_pyramidal else None
        if is_pyramidal:
            self.register_buffer("code", pyramid_code(num_tokens), persistent=False)

    def forward(self, latents: Tensor) -> Tensor:
        """Read tokens."""
        queries = self.queries if self.pyramid is None else self.queries + self.pyramid(self.code)
        return self.attention(queries, latents)
