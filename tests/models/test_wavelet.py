from __future__ import annotations

import math

import pytest
import torch

from prior_search.models.wavelet import (
    haar_images,
    haar_step,
    haar_tokens,
    inverse_haar_step,
)


def random_images(side: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(side)
    return torch.rand(2, 3, side, side, generator=generator, dtype=torch.float64)


def test_four_pixels_have_the_coefficients_by_hand() -> None:
    block = torch.tensor([[1.0, 2.0], [3.0, 4.0]])[None, None]
    assert haar_step(block).flatten().tolist() == [5.0, -1.0, -2.0, 0.0]
    assert inverse_haar_step(haar_step(block)).equal(block)


def test_one_step_is_the_matrix_product_of_the_textbook() -> None:
    images = random_images(8)
    haar = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64) / math.sqrt(2)
    bands = haar_step(images)
    for row in range(4):
        for column in range(4):
            block = images[:, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            expected = (haar @ block @ haar.T).flatten(2)
            torch.testing.assert_close(bands[:, :, :, row, column], expected)


@pytest.mark.parametrize(("side", "depth"), [(8, 1), (16, 2), (32, 3), (8, 3)])
def test_tokens_give_the_image_back_and_keep_its_energy(side: int, depth: int) -> None:
    images = random_images(side)
    tokens = haar_tokens(images, depth=depth)
    assert tokens.shape == (2, (side // 2**depth) ** 2, 3 * 4**depth)
    torch.testing.assert_close(haar_images(tokens, depth=depth), images, rtol=0, atol=1e-14)
    torch.testing.assert_close(tokens.square().sum(), images.square().sum())


def test_a_token_depends_on_its_own_block_alone() -> None:
    images = random_images(16)
    before = haar_tokens(images, depth=2)
    images[:, :, 4:8, 8:12] += 1.0  # row 1, column 2 of a grid of 4
    changed = (haar_tokens(images, depth=2) != before).any(-1)[0]
    assert changed.nonzero().flatten().tolist() == [6]


def test_the_coarsest_coefficients_come_first_and_are_scaled_means() -> None:
    images = random_images(16)
    means = images.unfold(2, 8, 8).unfold(3, 8, 8).mean((-2, -1)).flatten(2)  # [B, 3, 4]
    torch.testing.assert_close(haar_tokens(images, depth=3)[..., :3], 8 * means.transpose(1, 2))


def test_a_gray_image_has_no_details() -> None:
    tokens = haar_tokens(torch.full((1, 3, 8, 8), 0.25), depth=2)
    assert tokens[..., :3].unique().tolist() == [1.0]
    assert tokens[..., 3:].abs().max() == 0


def test_sizes_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must be multiples of 8, got \[12, 12\]"):
        haar_tokens(torch.zeros(1, 3, 12, 12), depth=3)
    with pytest.raises(ValueError, match=r"must be even, got \[3, 4\]"):
        haar_step(torch.zeros(1, 1, 3, 4))
    with pytest.raises(ValueError, match="depth must be >= 1, got 0"):
        haar_tokens(torch.zeros(1, 3, 8, 8), depth=0)
    with pytest.raises(ValueError, match=r"tokens must be \[B, side\^2, 48\], got \[1, 3, 48\]"):
        haar_images(torch.zeros(1, 3, 48), depth=2)
