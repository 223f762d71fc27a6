from __future__ import annotations

import pytest
import torch

from prior_search.models.wavelet import haar_tokens
from prior_search.objectives import pixel_loss, reconstruction_loss
from prior_search.weights import RegularizerWeights


def images(seed: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, 3, 4, 4, generator=generator, dtype=dtype)


def test_the_pixel_loss_is_the_mean_of_absolute_and_of_squared_errors() -> None:
    made, target = images(0), images(1)
    pairs = list(zip(made.flatten().tolist(), target.flatten().tolist(), strict=True))
    by_hand = sum(abs(a - b) + (a - b) ** 2 for a, b in pairs) / len(pairs)
    assert float(pixel_loss(made, target)) == pytest.approx(by_hand, rel=1e-6)
    gray = torch.full((1, 3, 2, 2), 0.5)
    assert float(pixel_loss(gray, gray + 0.1)) == pytest.approx(0.1 + 0.01)
    assert float(pixel_loss(gray, gray)) == 0


def test_squared_errors_of_pixels_and_of_haar_coefficients_are_equal() -> None:
    made, target = images(0), images(1)
    tokens = haar_tokens(made, depth=2) - haar_tokens(target, depth=2)
    torch.testing.assert_close(tokens.square().mean(), (made - target).square().mean())


def test_levels_weigh_as_in_equation_six() -> None:
    target = torch.zeros(1, 3, 2, 2)
    levels = [torch.full_like(target, value) for value in (0.1, 0.2, 0.4)]
    losses = [0.1 + 0.01, 0.2 + 0.04, 0.4 + 0.16]
    weights = RegularizerWeights(kl_weight=0.5)
    loss = reconstruction_loss(levels, target, {"kl": torch.tensor(3.0)}, weights)
    expected = losses[0] / 7 + losses[1] * 2 / 7 + losses[2] * 4 / 7 + 1.5
    assert float(loss.total) == pytest.approx(expected)
    assert [float(o) for o in loss.objectives] == pytest.approx(losses)


def test_images_of_another_shape_are_refused_not_broadcast() -> None:
    with pytest.raises(
        ValueError, match=r"must have one shape, got \[2, 3, 4, 4\] and \[3, 4, 4\]"
    ):
        pixel_loss(images(0), images(1)[0])


def test_gradients_are_finite_where_the_error_is_zero() -> None:
    made = images(0).requires_grad_()
    pixel_loss(made, made.detach()).backward()
    assert made.grad is not None
    assert made.grad.isfinite().all()
