"""Foveal patches of FLIP: several sizes, placed by a Gaussian over the object, cropped bilinearly.

B = samples, T = patches, p = patch side in pixels. Positions are in units of the image, 0..1, x to
the right and y down. A fovea is (center x, center y, sigma x, sigma y).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prior_search.data_parallel import num_workers, own_rows

COORDINATE_LIMIT = 5.0  # whitened coordinates are clipped, as published


def patch_spread(size: int, sizes: tuple[int, ...]) -> float:
    """Sigmas that patches of one size spread over: fine at the center, coarse outside **(ours)**.

    Published FLIP draws all sizes from one Gaussian and rejects overlaps, at a varying sequence
    length; a fixed number per size keeps batches dense.
    """
    if len(sizes) == 1:
        return 1.0
    return 0.8 + 0.4 * sizes.index(size) / (len(sizes) - 1)


def fixed_normal_points(count: int) -> Tensor:
    """The same ``count`` well-spread points of N(0, I), [count, 2]: Sobol mapped to normal."""
    engine = torch.quasirandom.SobolEngine(2, scramble=True, seed=17)
    uniform = engine.draw(count, dtype=torch.float64).clamp(1e-3, 1 - 1e-3)
    return torch.special.ndtri(uniform).float()


def place_patches(fovea: Tensor, points: Tensor, *, margin: float) -> Tensor:
    """Patch centers [B, T, 2] for points [B or 1, T, 2] in sigmas, ``margin`` from the edge."""
    centers = fovea[:, None, :2] + points * fovea[:, None, 2:]
    return centers.clamp(margin, 1.0 - margin)


def whitened(centers: Tensor, fovea: Tensor) -> Tensor:
    """Coordinates relative to the fovea, in sigmas, clipped to ±5: [B, T, 2]."""
    relative = (centers - fovea[:, None, :2]) / fovea[:, None, 2:]
    return relative.clamp(-COORDINATE_LIMIT, COORDINATE_LIMIT)


def crop_patches(images: Tensor, centers: Tensor, size: int) -> Tensor:
    """Bilinear crops [B, T, 3, p, p] of images [B, 3, H, W] around centers [B, T, 2]."""
    samples, height, width = len(images), images.shape[2], images.shape[3]
    offset = torch.arange(size, device=images.device, dtype=torch.float32) - (size - 1) / 2
    x = centers[..., 0, None] + offset / width  # [B, T, p]
    y = centers[..., 1, None] + offset / height
    count = centers.shape[1]
    shape = (samples, count, size, size)
    grid = torch.stack([x[:, :, None, :].expand(shape), y[..., None].expand(shape)], dim=-1)
    grid = 2.0 * grid - 1.0  # [B, T, p, p, 2] in grid_sample's -1..1
    crops = F.grid_sample(
        images, grid.flatten(1, 2), padding_mode="border", align_corners=False
    )  # [B, 3, T p, p]
    return crops.unflatten(2, (count, size)).transpose(1, 2)


class PatchEmbedding(nn.Module):
    """Patches of one size to d channels, as published: [B, T, 3, p, p] -> [B, T, d].

    Up to 4 pixels: Linear(3p², 4d), SiLU, Linear(4d, d). Larger ones first embed a grid of cells;
    32 pixels merge cells 2 x 2 before that.
    """

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        hidden = 4 * channels
        self.size = size
        if size <= 4:
            self.body = nn.Sequential(
                nn.Linear(3 * size * size, hidden), nn.SiLU(), nn.Linear(hidden, channels)
            )
            return
        self.cell_side = size // 4 if size <= 16 else 4
        self.cell = nn.Linear(3 * self.cell_side**2, hidden // 16)
        self.merge = nn.Linear(hidden // 4, hidden // 16) if size > 16 else None
        self.body = nn.Sequential(
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, channels),
        )

    def forward(self, patches: Tensor) -> Tensor:
        """Embed patches."""
        if self.size <= 4:
            return self.body(patches.flatten(2))
        side = self.cell_side
        cells = patches.unflatten(-1, (-1, side)).unflatten(-3, (-1, side))
        cells = cells.permute(0, 1, 3, 5, 2, 4, 6).flatten(4)  # [B, T, rows, columns, 3 side²]
        embedded = self.cell(cells)
        if self.merge is not None:
            embedded = embedded.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))
            embedded = embedded.permute(0, 1, 2, 4, 3, 5, 6).flatten(4)
            embedded = self.merge(F.silu(embedded))
        return self.body(embedded.flatten(2))


class FovealPatches(nn.Module):
    """Images and foveas to patch embeddings and whitened coordinates.

    Args:
        patches: number of patches by side.
        channels: d.
    """

    points: Tensor

    def __init__(self, patches: Mapping[int, int], channels: int) -> None:
        super().__init__()
        self.counts = dict(sorted(patches.items()))
        self.embeddings = nn.ModuleList(PatchEmbedding(p, channels) for p in self.counts)
        points = torch.cat([fixed_normal_points(n) for n in self.counts.values()])
        self.register_buffer("points", points, persistent=False)

    def forward(
        self, images: Tensor, fovea: Tensor, *, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """Embeddings [B, T, d] and coordinates [B, T, 2]; placed at random in training only."""
        points = self.points[None]
        if self.training:
            shape = (len(images) * num_workers(), *self.points.shape)
            points = own_rows(torch.randn(shape, generator=generator, device=images.device))
        sizes = tuple(self.counts)
        embedded, coordinates = [], []
        for size, chosen, embedding in zip(
            sizes, points.split(list(self.counts.values()), dim=1), self.embeddings, strict=True
        ):
            margin = size / 2 / images.shape[-1]
            spread = chosen * patch_spread(size, sizes)
            centers = place_patches(fovea, spread, margin=margin)
            embedded.append(embedding(crop_patches(images, centers, size)))
            coordinates.append(whitened(centers, fovea))
        return torch.cat(embedded, dim=1), torch.cat(coordinates, dim=1)
