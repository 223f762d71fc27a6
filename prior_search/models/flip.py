"""The FLIP encoder (Traub and Butz 2025): transformer over foveal patches, and its token readout.

FLIP has no pooling, so tokens are read by a cross-attention with N learned queries **(ours)**: row
i of its output is the feature of token i. In the flat case (MBOP) that is all. In the pyramidal
case (PRIOR) level l reads rows 2^l - 1 .. 2^(l+1) - 2, and each query also carries a projected
sine-cosine code of its level and of the interval of the sequence that it stands for.

B = samples, T = patches and registers, N = tokens, d = channels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prior_search.bottlenecks import level_sizes, num_levels_of
from prior_search.models.patches import FovealPatches

POSITION_HIDDEN = 32
GATE_START = 0.1
CODE_SIZE = 64
PIXEL_SCALE = 4.0  # brings pixels in 0..1 to about unit variance


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
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(channels),
            nn.Linear(channels, 4 * channels),
            nn.SiLU(),
            nn.Linear(4 * channels, channels),
        )
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


class TokenReadout(nn.Module):
    """N learned queries attend to the encoder's output, then an MLP: [B, T, d] -> [B, N, d]."""

    def __init__(self, num_tokens: int, channels: int, head_size: int) -> None:
        super().__init__()
        self.head_size = head_size
        self.queries = nn.Parameter(torch.randn(num_tokens, channels))
        self.norm = nn.LayerNorm(channels)
        self.projections = nn.ModuleList(nn.Linear(channels, channels) for _ in range(3))
        self.out = nn.Linear(channels, channels)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(channels),
            nn.Linear(channels, 4 * channels),
            nn.SiLU(),
            nn.Linear(4 * channels, channels),
        )

    def forward(self, latents: Tensor, query_code: Tensor | None) -> Tensor:
        """Read tokens; ``query_code`` [N, d] is added to the queries."""
        queries = self.queries if query_code is None else self.queries + query_code
        queries = queries.expand(len(latents), -1, -1)
        memory = self.norm(latents)
        inputs = (queries, memory, memory)
        q, k, v = (
            split_heads(p(a), self.head_size)
            for p, a in zip(self.projections, inputs, strict=True)
        )
        tokens = queries + self.out(merge_heads(F.scaled_dot_product_attention(q, k, v)))
        return tokens + self.feed_forward(tokens)


def pyramid_code(num_tokens: int) -> Tensor:
    """Fixed sine-cosine code [N, 64] of each token's level and interval center in [0, 1]."""
    num_levels = num_levels_of(num_tokens)
    rows = [
        (level / num_levels, (i + 0.5) / size)
        for level, size in enumerate(level_sizes(num_levels))
        for i in range(size)
    ]
    frequency = math.pi * 2.0 ** torch.linspace(0, 7, CODE_SIZE // 4)  # half to 64 periods
    angles = torch.tensor(rows)[..., None] * frequency  # [N, 2, 16]
    return torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(1)


class FlipEncoder(nn.Module):
    """Images and foveas to one feature per bottleneck token.

    Args:
        patches: number of patches by side.
        channels: d.
        head_size: channels per head.
        num_blocks: layers.
        num_registers: learned tokens with coordinates of their own.
        num_tokens: N.
        is_pyramidal: whether queries carry the pyramid code (PRIOR).
    """

    code: Tensor

    def __init__(
        self,
        *,
        patches: dict[int, int],
        channels: int,
        head_size: int,
        num_blocks: int,
        num_registers: int,
        num_tokens: int,
        is_pyramidal: bool,
    ) -> None:
        super().__init__()
        self.patches = FovealPatches(patches, channels)
        self.registers = nn.Parameter(torch.randn(num_registers, channels))
        self.register_embedding = nn.Parameter(torch.randn(num_registers, 2))
        self.register_coordinates = nn.Parameter(torch.randn(num_registers, 2))
        self.blocks = nn.ModuleList(
            FlipBlock(channels, head_size, has_positions=True) for _ in range(num_blocks)
        )
        self.readout = TokenReadout(num_tokens, channels, head_size)
        self.pyramid = nn.Linear(CODE_SIZE, channels, bias=False) if is_pyramidal else None
        if is_pyramidal:
            self.register_buffer("code", pyramid_code(num_tokens), persistent=False)

    def forward(
        self, images: Tensor, fovea: Tensor, *, generator: torch.Generator | None
    ) -> Tensor:
        """Features [B, N, d] of images [B, 3, H, W] in [0, 1] and foveas [B, 4]."""
        x, coordinates = self.patches((images - 0.5) * PIXEL_SCALE, fovea, generator=generator)
        if len(self.registers):
            samples = len(x)
            x = torch.cat([self.registers.expand(samples, -1, -1), x], dim=1)
            own = self.register_coordinates + self.register_embedding
            coordinates = torch.cat([own.expand(samples, -1, -1), coordinates], dim=1)
        for block in self.blocks:
            x = block(x, coordinates)
        query_code = None if self.pyramid is None else self.pyramid(self.code)
        return self.readout(x, query_code)
