"""PRIOR's refinement modules f (Eq. 4): level l-1 to a prediction of level l."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prior_search.models.attention import FlipBlock


class Predictor(nn.Module):
    """Each token has two children, which then attend to each other: [B, n, C] -> [B, 2n, C].

    Args:
        num_children: 2^l, the tokens of the predicted level.
        channels: C.
        head_size: channels per head.
        num_blocks: transformer blocks after the doubling.
        doubling_hidden: hidden width of the MLP that makes the two children; 0: a linear map.
    """

    distance: Tensor

    def __init__(
        self,
        num_children: int,
        channels: int,
        *,
        head_size: int,
        num_blocks: int,
        doubling_hidden: int = 0,
    ) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(channels)
        self.split_children: nn.Module = nn.Linear(channels, 2 * channels)
        if doubling_hidden:
            self.split_children = nn.Sequential(
                nn.Linear(channels, doubling_hidden),
                nn.SiLU(),
                nn.Linear(doubling_hidden, 2 * channels),
            )
        self.blocks = nn.ModuleList(
            FlipBlock(channels, head_size, has_positions=False) for _ in range(num_blocks)
        )
        # attention bias by |i - j|, shared by the blocks
        self.bias = nn.Parameter(torch.zeros(num_children, channels // head_size))
        place = torch.arange(num_children)
        self.register_buffer("distance", (place[:, None] - place).abs(), persistent=False)

    def forward(self, parents: Tensor) -> Tensor:
        """Predict; token i's children are 2i and 2i + 1."""
        children = self.split_children(self.norm(parents)).unflatten(-1, (2, -1)).flatten(1, 2)
        bias = self.bias[self.distance].permute(2, 0, 1)  # [heads, 2n, 2n]
        for block in self.blocks:
            children = block(children, bias=bias)
        return children
