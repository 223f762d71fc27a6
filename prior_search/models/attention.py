"""Attention blocks that the encoders, the readout and the decoders share.

B = samples, T = memory, N = queries, d = channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

POSITION_HIDDEN = 32
GATE_START = 0.1


def split_heads(x: Tensor, head_size: int) -> Tensor:
    """[B, T, d] -> [B, heads, T, head_size]."""
    return x.unflatten(-1, (-1, head_size)).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """The inverse of ``split_heads``."""
    return x.transpose(1, 2).flatten(2)


class PositionMlp(nn.Sequential):
    """Coordinates [B, T, 2] to an offset of q, k or v [B, T, d]."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Linear(2, POSITION_HIDDEN),
            nn.SiLU(),
            nn.Linear(POSITION_HIDDEN, POSITION_HIDDEN),
            nn.SiLU(),
            nn.Linear(POSITION_HIDDEN, channels),
        )


def _feed_forward(channels: int) -> nn.Sequential:
    """The MLP of a block, with its norm: [B, T, d] to what is added to it."""
    return nn.Sequential(
        nn.LayerNorm(channels),
        nn.Linear(channels, 4 * channels),
        nn.SiLU(),
        nn.Linear(4 * channels, channels),
    )


class FlipBlock(nn.Module):
    """A layer of FLIP: q, k and v with own norms and position MLPs, gated branches.

    Args:
        channels: d.
        head_size: channels per head.
        has_positions: whether q, k and v get position MLPs.
    """

    def __init__(self, channels: int, head_size: int, *, has_positions: bool) -> None:
        super().__init__()
        self.head_size = head_size
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(3))
        self.projections = nn.ModuleList(nn.Linear(channels, channels) for _ in range(3))
        self.positions = nn.ModuleList(
            PositionMlp(channels) for _ in range(3 if has_positions else 0)
        )
        self.out = nn.Linear(channels, channels)
        self.feed_forward = _feed_forward(channels)
        # one gate for attention, an inner and an outer one for the MLP, as published
        self.gates = nn.Parameter(torch.tensor([GATE_START, GATE_START, 1.0]))

    def forward(
        self, x: Tensor, coordinates: Tensor | None = None, bias: Tensor | None = None
    ) -> Tensor:
        """[B, T, d] -> [B, T, d]; ``bias`` [heads, T, T] is added to the attention logits."""
        qkv = [p(norm(x)) for p, norm in zip(self.projections, self.norms, strict=True)]
        if coordinates is not None:
            qkv = [a + mlp(coordinates) for a, mlp in zip(qkv, self.positions, strict=True)]
        q, k, v = (split_heads(a, self.head_size) for a in qkv)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        x = x + self.gates[0] * self.out(merge_heads(mixed))
        return x + self.gates[1] * self.gates[2] * self.feed_forward(x)


class CrossAttention(nn.Module):
    """Queries attend to a memory, then an MLP: [B, N, d] and [B, T, d] -> [B, N, d].

    Args:
        channels: d.
        head_size: channels per head.
    """

    def __init__(self, channels: int, head_size: int) -> None:
        super().__init__()
        self.head_size = head_size
        self.norm = nn.LayerNorm(channels)
        self.projections = nn.ModuleList(nn.Linear(channels, channels) for _ in range(3))
        self.out = nn.Linear(channels, channels)
        self.feed_forward = _feed_forward(channels)

    def forward(self, queries: Tensor, memory: Tensor) -> Tensor:
        """Read the memory; queries may also be [N, d], the same for all samples."""
        queries = queries.expand(len(memory), -1, -1)
        memory = self.norm(memory)
        inputs = (queries, memory, memory)
        q, k, v = (
            split_heads(p(a), self.head_size)
            for p, a in zip(self.projections, inputs, strict=True)
        )
        tokens = queries + self.out(merge_heads(F.scaled_dot_product_attention(q, k, v)))
        return tokens + self.feed_forward(tokens)
