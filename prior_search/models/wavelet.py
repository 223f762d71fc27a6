"""The orthonormal Haar transform of images, and its coefficients as tokens.

A token is the tree of all coefficients over one block: with depth D a block of 2^D x 2^D pixels
has one mean and 3 (1 + 4 + ... + 4^(D-1)) details per color, 4^D numbers in all. The transform
is orthonormal, so squared errors of tokens and of pixels are equal (Parseval).

B = samples, D = depth, T = blocks.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

COLORS = 3
# rows LL, LH, HL, HH of [[a, b], [c, d]] read as a, b, c, d; symmetric, so its own inverse
HAAR = (
    (0.5, 0.5, 0.5, 0.5),
    (0.5, -0.5, 0.5, -0.5),
    (0.5, 0.5, -0.5, -0.5),
    (0.5, -0.5, -0.5, 0.5),
)


def haar_step(images: Tensor) -> Tensor:
    """One level: [B, K, H, W] -> [B, K, 4, H/2, W/2], bands LL, LH, HL, HH.

    Raises:
        ValueError: an odd height or width.
    """
    if images.shape[-1] % 2 or images.shape[-2] % 2:
        raise ValueError(f"height and width must be even, got {list(images.shape[-2:])}")
    corners = F.pixel_unshuffle(images, 2).unflatten(1, (-1, 4))  # [B, K, 4, H/2, W/2]
    return torch.einsum("ij,bkjhw->bkihw", _haar(images), corners)


def inverse_haar_step(bands: Tensor) -> Tensor:
    """The exact inverse of ``haar_step``."""
    corners = torch.einsum("ij,bkjhw->bkihw", _haar(bands), bands)
    return F.pixel_shuffle(corners.flatten(1, 2), 2)


def haar_tokens(images: Tensor, *, depth: int) -> Tensor:
    """Images [B, 3, H, W] to trees [B, T, 3 * 4^depth], coarse coefficients first.

    Raises:
        ValueError: a depth below 1, or a side that is no multiple of 2^depth.
    """
    if depth < 1:
        raise ValueError(f"depth must be >= 1, got {depth}")
    if images.shape[-1] % 2**depth or images.shape[-2] % 2**depth:
        raise ValueError(
            f"height and width must be multiples of {2**depth}, got {list(images.shape[-2:])}"
        )
    parts = []
    approximation = images
    for level in range(depth):
        bands = haar_step(approximation)
        approximation, details = bands[:, :, 0], bands[:, :, 1:].flatten(1, 2)
        # all details of one block as channels of one place
        parts.append(F.pixel_unshuffle(details, 2 ** (depth - 1 - level)))
    parts.append(approximation)
    return torch.cat(parts[::-1], dim=1).flatten(2).transpose(1, 2)


def haar_images(tokens: Tensor, *, depth: int) -> Tensor:
    """The exact inverse of ``haar_tokens`` for square images: [B, T, 3 * 4^D] -> [B, 3, H, H].

    Raises:
        ValueError: T is no square, or tokens of another depth.
    """
    side = round(tokens.shape[1] ** 0.5)
    if side**2 != tokens.shape[1] or tokens.shape[2] != COLORS * 4**depth:
        raise ValueError(
            f"tokens must be [B, side^2, {COLORS * 4**depth}], got {list(tokens.shape)}"
        )
    grid = tokens.transpose(1, 2).unflatten(2, (side, side))
    sizes = [COLORS, *(3 * COLORS * 4**level for level in range(depth))]
    approximation, *details = grid.split(sizes, dim=1)
    for level, packed in enumerate(details):
        fine = F.pixel_shuffle(packed, 2**level).unflatten(1, (COLORS, 3))
        approximation = inverse_haar_step(torch.cat([approximation[:, :, None], fine], dim=2))
    return approximation


def _haar(like: Tensor) -> Tensor:
    return torch.tensor(HAAR, dtype=like.dtype, device=like.device)
