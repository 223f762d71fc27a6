"""SSIM, MS-SSIM, L1 and L2 of reconstructed images, per image (Table 5).

SSIM follows Wang et al. (2004): windows that lie inside the image, 11 pixels wide, Gaussian with
sigma 1.5, K1 = 0.01, K2 = 0.03, for images in [0, 1]; colors are averaged. MS-SSIM follows Wang
et al. (2003). Written out here because torchmetrics 1.9 averages SSIM over reflected borders, but
its MS-SSIM only at the coarsest of the scales, and refuses sizes that a scale does fit.

B = images.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW = 11  # pixels
SIGMA = 1.5  # pixels
C1, C2 = 0.01**2, 0.03**2
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # fine to coarse
METRICS = ("ssim", "ms_ssim", "l1", "l2")


def ssim(images: Tensor, targets: Tensor) -> Tensor:
    """Structural similarity of [B, 3, H, W] and [B, 3, H, W] in [0, 1]: [B], at most 1.

    Raises:
        ValueError: different shapes, or images smaller than the window.
    """
    return _similarity(images, targets)[0]


def num_scales(side: int) -> int:
    """How many of MS-SSIM's five scales an image of this smaller side, in pixels, can hold.

    Raises:
        ValueError: not even one.
    """
    if side < WINDOW:
        raise ValueError(f"SSIM needs images of at least {WINDOW} pixels, got {side}")
    return min(len(SCALE_WEIGHTS), (side // WINDOW).bit_length())


def scale_weights(side: int) -> tuple[float, ...]:
    """The weights of the scales that an image can hold, fine to coarse.

    Their sum is that of all five (1.0001 as published), whatever was left out.
    """
    kept = SCALE_WEIGHTS[: num_scales(side)]
    return tuple(weight * sum(SCALE_WEIGHTS) / sum(kept) for weight in kept)


def ms_ssim(images: Tensor, targets: Tensor) -> Tensor:
    """Multi-scale structural similarity: [B], in [0, 1].

    Scales at which the window does not fit are left out, see ``scale_weights``: five remain from
    176 pixels on, four at 128, three at 64, two at 32. Values of different sizes do not compare.
    Negative similarities count as 0, for their powers are not real.
    """
    weights = scale_weights(min(images.shape[-2:]))
    result = torch.ones(len(images), dtype=images.dtype, device=images.device)
    for scale, weight in enumerate(weights):
        if scale:
            images, targets = (F.avg_pool2d(x, 2) for x in (images, targets))
        whole, structure = _similarity(images, targets)
        value = whole if scale == len(weights) - 1 else structure
        result = result * value.clamp_min(0.0) ** weight
    return result


def image_metrics(images: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """All ``METRICS`` of [B, 3, H, W] and [B, 3, H, W] in [0, 1], per image: [B] each."""
    difference = images - targets
    return {
        "ssim": ssim(images, targets),
        "ms_ssim": ms_ssim(images, targets),
        "l1": difference.abs().mean((1, 2, 3)),
        "l2": difference.square().mean((1, 2, 3)),
    }


def _similarity(images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """SSIM, and its factor of contrast and structure alone: [B] each."""
    if images.shape != targets.shape or images.ndim != 4:
        raise ValueError(
            "images and targets must be [B, C, H, W] of one shape, "
            f"got {list(images.shape)} and {list(targets.shape)}"
        )
    num_scales(min(images.shape[-2:]))  # refuses images that no window fits in
    x, y = images, targets
    mean_x, mean_y = _blur(x), _blur(y)
    spread = _blur(x * x) - mean_x**2 + _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    structure = (2 * covariance + C2) / (spread + C2)
    luminance = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    return (luminance * structure).mean((1, 2, 3)), structure.mean((1, 2, 3))


def _blur(x: Tensor) -> Tensor:
    """Gaussian window over places where it fits: [B, C, H, W] -> [B, C, H - 10, W - 10]."""
    offset = torch.arange(WINDOW, dtype=x.dtype, device=x.device) - WINDOW // 2
    window = torch.exp(-(offset**2) / (2 * SIGMA**2))
    window = window / window.sum()
    channels = x.shape[1]
    rows = window.expand(channels, 1, 1, WINDOW)
    x = F.conv2d(x, rows, groups=channels)
    return F.conv2d(x, rows.transpose(2, 3), groups=channels)
