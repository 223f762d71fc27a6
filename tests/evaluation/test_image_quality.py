from __future__ import annotations

import math

import pytest
import torch

from prior_search.evaluation import METRICS, image_metrics, ms_ssim, ssim
from prior_search.evaluation.image_quality import SCALE_WEIGHTS, num_scales, scale_weights


def constant(value: float, side: int) -> torch.Tensor:
    return torch.full((1, 3, side, side), value, dtype=torch.float64)


def noise(seed: int, side: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, 3, side, side, generator=generator, dtype=torch.float64)


def test_constant_images_have_the_values_by_hand() -> None:
    found = image_metrics(constant(0.5, 32), constant(0.7, 32))
    assert float(found["ssim"]) == pytest.approx(0.94595325, abs=1e-8)
    found = image_metrics(constant(0.5, 176), constant(0.6, 176))
    assert float(found["ssim"]) == pytest.approx(0.98360924, abs=1e-8)
    assert float(found["ms_ssim"]) == pytest.approx(0.99779943, abs=1e-8)
    assert float(found["l1"]) == pytest.approx(0.1)
    assert float(found["l2"]) == pytest.approx(0.01)


def test_a_checkerboard_against_its_inverse_is_nearly_minus_one() -> None:
    place = torch.arange(32)
    board = ((place[:, None] + place) % 2 * 2.0 - 1.0).double().expand(1, 3, 32, 32)
    # the covariance of the pattern is -0.0625 up to what the window's finite width leaves
    expected = (-0.125 + 9e-4) / (0.125 + 9e-4)
    found = ssim(0.5 + 0.25 * board, 0.5 - 0.25 * board)
    assert float(found) == pytest.approx(expected, abs=2e-3)


def test_ssim_is_the_mean_over_windows_written_out() -> None:
    x, y = noise(0, 13)[:1], noise(1, 13)[:1]
    line = [math.exp(-((k - 5) ** 2) / (2 * 1.5**2)) for k in range(11)]
    window = torch.tensor([[a * b for b in line] for a in line], dtype=torch.float64)
    window /= window.sum()
    values = []
    for color in range(3):
        for row in range(3):
            for column in range(3):
                a = x[0, color, row : row + 11, column : column + 11]
                b = y[0, color, row : row + 11, column : column + 11]
                mean_a, mean_b = (window * a).sum(), (window * b).sum()
                var_a = (window * (a - mean_a) ** 2).sum()
                var_b = (window * (b - mean_b) ** 2).sum()
                covariance = (window * (a - mean_a) * (b - mean_b)).sum()
                values.append(
                    (2 * mean_a * mean_b + 1e-4)
                    * (2 * covariance + 9e-4)
                    / ((mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4))
                )
    torch.testing.assert_close(ssim(x, y)[0], torch.stack(values).mean())


def test_equal_images_are_perfect_and_order_does_not_matter() -> None:
    x, y = noise(0, 32), noise(1, 32)
    for metric in (ssim, ms_ssim):
        torch.testing.assert_close(metric(x, x), torch.ones(2, dtype=torch.float64))
        torch.testing.assert_close(metric(x, y), metric(y, x))


def test_more_noise_is_a_lower_similarity() -> None:
    x = noise(0, 64)
    values = [ssim(x, x + level * noise(1, 64)).mean() for level in (0.0, 0.05, 0.2, 0.8)]
    assert values == sorted(values, reverse=True)


def test_ms_ssim_multiplies_structure_of_fine_and_similarity_of_the_coarsest_scale() -> None:
    # brightness differs by a constant: structure is perfect at every scale, so only the
    # luminance of the coarsest of two scales counts, with its renormalized weight
    weight = 1.0001 * 0.2856 / (0.0448 + 0.2856)
    luminance = (2 * 0.5 * 0.7 + 1e-4) / (0.25 + 0.49 + 1e-4)
    found = ms_ssim(constant(0.5, 32), constant(0.7, 32))
    assert float(found) == pytest.approx(luminance**weight, abs=1e-9)


@pytest.mark.parametrize(
    ("side", "scales"), [(176, 5), (175, 4), (128, 4), (88, 4), (64, 3), (43, 2), (32, 2), (11, 1)]
)
def test_scales_that_the_image_cannot_hold_are_left_out(side: int, scales: int) -> None:
    assert num_scales(side) == scales
    assert len(scale_weights(side)) == scales
    assert sum(scale_weights(side)) == pytest.approx(1.0001)
    assert scale_weights(side)[0] / scale_weights(side)[-1] == pytest.approx(
        SCALE_WEIGHTS[0] / SCALE_WEIGHTS[scales - 1]
    )
    assert side // 2 ** (scales - 1) >= 11


def test_values_are_per_image() -> None:
    x, y = noise(0, 16), noise(1, 16)
    together = image_metrics(x, y)
    assert tuple(together) == METRICS
    for index in range(2):
        alone = image_metrics(x[index : index + 1], y[index : index + 1])
        for name in METRICS:
            torch.testing.assert_close(together[name][index], alone[name][0])


def test_images_that_no_window_fits_in_are_refused() -> None:
    with pytest.raises(ValueError, match="needs images of at least 11 pixels, got 8"):
        ssim(constant(0.5, 8), constant(0.5, 8))
    with pytest.raises(ValueError, match="must be \\[B, C, H, W\\] of one shape"):
        ssim(constant(0.5, 16), constant(0.5, 12))
