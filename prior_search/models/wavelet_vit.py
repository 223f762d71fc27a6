"""The wavelet-space vision transformer of the reconstruction track (section 2.5): both halves.

An image is a grid of Haar trees (``wavelet.haar_tokens``), one per block of 2^D x 2^D pixels: T
input tokens. The encoder attends over them, and ``readout.TokenReadout`` reads the N = 2^L - 1
bottleneck tokens with N learned queries, flat for MBOP and with the pyramid code for PRIOR, as
behind FLIP. A decoder does the way back: the tokens that it is given attend to each other, every
block of the grid reads them by its fixed place code, and the trees become an image.

MBOP has one decoder, which sees N tokens, masked ones in their masked state; PRIOR has one per
level, which sees the 2^l tokens of its level alone: the levels before it have been predicted and
refined into them (Eq. 4). The paper gives neither sizes nor blocks: all of it is **(ours)** within
the published totals.

B = samples, T = blocks, N = tokens, C = channels of a token, d = width, D = depth of the trees.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prior_search.models.attention import CrossAttention, FlipBlock
from prior_search.models.readout import TokenReadout, sine_cosine_code
from prior_search.models.wavelet import COLORS, haar_images, haar_tokens

MIDDLE = 0.5  # gray, the zero of the coefficients
PIXEL_SCALE = 4.0  # brings pixels in 0..1 to about unit variance


def grid_code(side: int, size: int) -> Tensor:
    """Fixed sine-cosine code [side², size] of the centers of a grid's cells, in reading order."""
    axis = (torch.arange(side) + 0.5) / side
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    return sine_cosine_code(torch.stack([rows.flatten(), columns.flatten()], dim=1), size)


class WaveletEncoder(nn.Module):
    """Images to one feature per bottleneck token.

    Args:
        image_size: side of the square images, pixels; a multiple of 2^depth.
        depth: D.
        width: d, a multiple of 4.
        channels: C.
        head_size: channels per head.
        num_blocks: transformer blocks.
        num_tokens: N.
        is_pyramidal: whether queries carry the pyramid code (PRIOR).
    """

    place: Tensor

    def __init__(  # noqa: PLR0913  # the sizes of one architecture
        self,
        *,
        image_size: int,
        depth: int,
        width: int,
        channels: int,
        head_size: int,
        num_blocks: int,
        num_tokens: int,
        is_pyramidal: bool,
    ) -> None:
        super().__init__()
        self.depth = depth
        self.embed = nn.Linear(COLORS * 4**depth, width)
        self.register_buffer("place", grid_code(image_size // 2**depth, width), persistent=False)
        self.blocks = nn.ModuleList(
            FlipBlock(width, head_size, has_positions=False) for _ in range(num_blocks)
        )
        self.readout = TokenReadout(num_tokens, width, head_size, is_pyramidal=is_pyramidal)
        self.out = nn.Linear(width, channels)

    def forward(
        self, images: Tensor, fovea: Tensor, *, generator: torch.Generator | None
    ) -> Tensor:
        """Features [B, N, C] of images [B, 3, H, W] in [0, 1]; sees all of them, no fovea."""
        trees = haar_tokens((images - MIDDLE) * PIXEL_SCALE, depth=self.depth)
        x = self.embed(trees) + self.place  # [B, T, d]
        for block in self.blocks:
            x = block(x)
        return self.out(self.readout(x))


class WaveletDecoder(nn.Module):
    """Tokens [B, n, C] to images [B, 3, H, W], not clipped to [0, 1].

    Args:
        image_size: side of the square images, pixels; a multiple of 2^depth.
        depth: D.
        width: d, a multiple of 4.
        channels: C.
        head_size: channels per head.
        num_blocks: transformer blocks over the tokens.
        num_tokens: n.
    """

    place: Tensor

    def __init__(
        self,
        *,
        image_size: int,
        depth: int,
        width: int,
        channels: int,
        head_size: int,
        num_blocks: int,
        num_tokens: int,
    ) -> None:
        super().__init__()
        self.depth = depth
        self.embed = nn.Linear(channels, width)
        self.slots = nn.Parameter(torch.randn(num_tokens, width))
        self.blocks = nn.ModuleList(
            FlipBlock(width, head_size, has_positions=False) for _ in range(num_blocks)
        )
        self.register_buffer("place", grid_code(image_size // 2**depth, width), persistent=False)
        self.spread = CrossAttention(width, head_size)
        coefficients = nn.Linear(width, COLORS * 4**depth)
        # gray at the start: random coefficients would take a fifth of a short trial to unlearn
        nn.init.zeros_(coefficients.weight)
        nn.init.zeros_(coefficients.bias)
        self.out = nn.Sequential(nn.LayerNorm(width), coefficients)

    def forward(self, tokens: Tensor) -> Tensor:
        """Reconstruct."""
        x = self.embed(tokens) + self.slots
        for block in self.blocks:
            x = block(x)
        trees = self.out(self.spread(self.place, x))  # [B, T, 3 * 4^D]
        return haar_images(trees, depth=self.depth) + MIDDLE
