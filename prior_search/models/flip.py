"""The FLIP encoder (Traub and Butz 2025): a transformer over foveal patches.

FLIP has no pooling, so tokens are read by ``readout.TokenReadout`` **(ours)**.

B = samples, T = patches and registers, N = tokens, d = channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prior_search.models.attention import FlipBlock
from prior_search.models.patches import FovealPatches
from prior_search.models.readout import TokenReadout

PIXEL_SCALE = 4.0  # brings pixels in 0..1 to about unit variance


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
        self.readout = TokenReadout(num_tokens, channels, head_size, is_pyramidal=is_pyramidal)

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
        return self.readout(x)
