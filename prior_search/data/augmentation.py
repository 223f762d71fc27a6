"""Views as in SimCLR (Chen et al. 2020, appendix A), in batches on the device of the images.

Every transform is a pure function of images and given parameters, one per sample; ``simclr_views``
draws them from the generator of the step and never waits for the device. Blur is left out, as
Chen et al. do for small images. **(ours)** A crop takes at least a fifth of the area, not 8 %,
always holds the center of the fovea, and is clipped rather than drawn again where it would not
fit; the color operations come in one order.

B = samples; images are [B, 3, H, W] in 0..1, foveas [B, 4]: center x, y and sigma x, y in units of
the image. Foveas move with the pixels, so that an object stays under its fovea.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from prior_search.data_parallel import num_workers, own_rows

CROP_AREA = (0.2, 1.0)  # share of the image
CROP_RATIO = (3 / 4, 4 / 3)  # width over height
JITTER_SHARE = 0.8  # of the samples whose colors change
BRIGHTNESS = CONTRAST = SATURATION = 0.8  # factors are drawn from 1 ± this
HUE = 0.2  # of the color circle
GRAY_SHARE = 0.2
GRAY = (0.299, 0.587, 0.114)  # luma of ITU-R BT.601
NUM_DRAWS = 11  # uniform numbers per sample


def simclr_views(
    images: Tensor, fovea: Tensor, *, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Cropped, flipped and recolored images, float32 in 0..1, with their foveas.

    Args:
        images: uint8 [B, 3, H, W].
        fovea: [B, 4].
        generator: on the images' device.

    Raises:
        ValueError: images that are not uint8, or not as many foveas.
    """
    if images.dtype != torch.uint8 or images.ndim != 4:
        raise ValueError(
            f"images must be uint8 [B, 3, H, W], got {images.dtype} of {images.ndim}-D"
        )
    if fovea.shape != (len(images), 4):
        raise ValueError(f"fovea must be [{len(images)}, 4], got {list(fovea.shape)}")
    shape = (len(images) * num_workers(), NUM_DRAWS)
    u = own_rows(torch.rand(shape, generator=generator, device=images.device)).unbind(1)
    corner, size = place_crops(fovea, area=u[0], ratio=u[1], place=torch.stack(u[2:4], dim=1))
    views, fovea = crop(images.float() / 255.0, fovea, corner, size)
    views, fovea = flip(views, fovea, u[4] < 0.5)
    recolored = jitter(
        views,
        brightness=1.0 + BRIGHTNESS * (2.0 * u[5] - 1.0),
        contrast=1.0 + CONTRAST * (2.0 * u[6] - 1.0),
        saturation=1.0 + SATURATION * (2.0 * u[7] - 1.0),
        hue=HUE * (2.0 * u[8] - 1.0),
    )
    views = torch.where(_per_sample(u[9] < JITTER_SHARE), recolored, views)
    views = torch.where(_per_sample(u[10] < GRAY_SHARE), gray(views).expand_as(views), views)
    return views, fovea


def place_crops(
    fovea: Tensor, *, area: Tensor, ratio: Tensor, place: Tensor
) -> tuple[Tensor, Tensor]:
    """Upper left corners and sizes [B, 2] of crops, x first, in units of the image.

    Args:
        fovea: [B, 4]; every crop holds its center.
        area: uniform numbers [B], for the share of the area.
        ratio: uniform numbers [B], for the logarithm of width over height.
        place: uniform numbers [B, 2], for the corner among the places that are possible.
    """
    share = CROP_AREA[0] + (CROP_AREA[1] - CROP_AREA[0]) * area
    low, high = map(math.log, CROP_RATIO)
    aspect = (low + (high - low) * ratio).exp()
    size = torch.stack([(share * aspect).sqrt(), (share / aspect).sqrt()], dim=1).clamp_max(1.0)
    center = fovea[:, :2].clamp(0.0, 1.0)
    first = (center - size).clamp_min(0.0)
    last = torch.minimum(center, 1.0 - size)
    return first + (last - first) * place, size


def crop(images: Tensor, fovea: Tensor, corner: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """The rectangle at ``corner`` of ``size``, scaled to the whole image bilinearly."""
    height, width = images.shape[2:]
    axes = [(torch.arange(n, device=images.device) + 0.5) / n for n in (width, height)]
    x, y = (corner[:, k, None] + size[:, k, None] * axes[k] for k in range(2))  # [B, W], [B, H]
    shape = (len(images), height, width)
    grid = torch.stack([x[:, None, :].expand(shape), y[:, :, None].expand(shape)], dim=-1)
    cropped = F.grid_sample(images, 2.0 * grid - 1.0, padding_mode="border", align_corners=False)
    return cropped, torch.cat([(fovea[:, :2] - corner) / size, fovea[:, 2:] / size], dim=1)


def flip(images: Tensor, fovea: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Left and right exchanged where ``chosen`` [B] is True."""
    mirrored = torch.cat([1.0 - fovea[:, :1], fovea[:, 1:]], dim=1)
    flipped = torch.where(_per_sample(chosen), images.flip(-1), images)
    return flipped, torch.where(chosen[:, None], mirrored, fovea)


def gray(images: Tensor) -> Tensor:
    """Luma: [B, 3, H, W] -> [B, 1, H, W]."""
    weights = images.new_tensor(GRAY)[:, None, None]
    return (images * weights).sum(1, keepdim=True)


def jitter(
    images: Tensor, *, brightness: Tensor, contrast: Tensor, saturation: Tensor, hue: Tensor
) -> Tensor:
    """Brightness, contrast, saturation and hue changed in this order, clipped after each.

    The first three are factors [B]: towards black, towards the image's mean luma, and towards
    each pixel's luma; 1 changes nothing. ``hue`` [B] is a turn of the color circle.
    """
    images = (images * _per_sample(brightness)).clamp(0.0, 1.0)
    mean = gray(images).mean((1, 2, 3))
    images = _blend(images, _per_sample(mean), contrast)
    images = _blend(images, gray(images), saturation)
    return turn_hue(images, hue)


def turn_hue(images: Tensor, turn: Tensor) -> Tensor:
    """Hue plus ``turn`` [B], at the same saturation and value of the HSV cone."""
    value, lowest = images.amax(1), images.amin(1)
    chroma = value - lowest
    safe = torch.where(chroma > 0, chroma, torch.ones_like(chroma))
    r, g, b = images.unbind(1)
    sector = torch.where(value == b, (r - g) / safe + 4.0, torch.zeros_like(value))
    sector = torch.where(value == g, (b - r) / safe + 2.0, sector)
    sector = torch.where(value == r, (g - b) / safe, sector)  # hue in sixths of the circle
    sector = sector + 6.0 * turn[:, None, None]
    channels = []
    for offset in (5.0, 3.0, 1.0):
        k = (offset + sector) % 6.0
        channels.append(value - chroma * torch.minimum(k, 4.0 - k).clamp(0.0, 1.0))
    return torch.stack(channels, dim=1)


def _blend(images: Tensor, towards: Tensor, factor: Tensor) -> Tensor:
    share = _per_sample(factor)
    return (share * images + (1.0 - share) * towards).clamp(0.0, 1.0)


def _per_sample(values: Tensor) -> Tensor:
    """[B] -> [B, 1, 1, 1]."""
    return values[:, None, None, None]
