from __future__ import annotations

import math

import pytest
import torch

from prior_search.bottlenecks.masking import (
    drop_probabilities,
    independent_drop_mask,
    tail_cutoff,
    tail_drop_mask,
)


def test_drop_probabilities_have_the_values_of_the_specification() -> None:
    expected = [0, 0.333333, 0.528321, 0.666667, 0.773976, 0.861654, 0.935785]
    assert drop_probabilities(7).tolist() == pytest.approx(expected, abs=1e-6)
    expected = [0, 0.142857, 0.226423, 0.285714, 0.331704, 0.369280, 0.401051]
    assert drop_probabilities(127)[:7].tolist() == pytest.approx(expected, abs=1e-6)


def test_cutoffs_have_the_values_by_hand_and_stay_within_the_tokens() -> None:
    u = torch.tensor([0.0, math.log(2) - 1e-5, math.log(2) + 1e-5, math.log(7.9), math.log(8)])
    assert tail_cutoff(u / math.log(8), 7).tolist() == [1, 1, 2, 7, 7]
    assert float(tail_cutoff(torch.tensor(1.0), 127)) == 127


@pytest.mark.parametrize("draw", [tail_drop_mask, independent_drop_mask])
def test_both_maskings_have_the_marginal_rate_of_equation_two(draw: object) -> None:
    count = 200_000
    mask = draw(count, 7, generator=torch.Generator().manual_seed(0))  # type: ignore[operator]
    p = drop_probabilities(7)
    five_sigma = 5 * (p * (1 - p) / count).sqrt()
    assert ((mask.float().mean(0) - p).abs() <= five_sigma).all()


def test_the_first_token_is_never_masked() -> None:
    for draw in (tail_drop_mask, independent_drop_mask):
        assert not draw(10_000, 15, generator=torch.Generator().manual_seed(0))[:, 0].any()


def test_tail_dropping_masks_a_suffix_and_independent_dropping_leaves_gaps() -> None:
    def has_gap(mask: torch.Tensor) -> torch.Tensor:
        return (mask[:, :-1] & ~mask[:, 1:]).any(1)

    generator = torch.Generator().manual_seed(0)
    assert not has_gap(tail_drop_mask(5_000, 15, generator=generator)).any()
    assert has_gap(independent_drop_mask(5_000, 15, generator=generator)).float().mean() > 0.9


def test_no_token_is_refused() -> None:
    with pytest.raises(ValueError, match="num_tokens must be >= 1, got 0"):
        drop_probabilities(0)
    with pytest.raises(ValueError, match="num_tokens must be >= 1, got 0"):
        tail_drop_mask(4, 0, generator=None)


def test_tail_dropping_agrees_with_equation_one_in_loops() -> None:
    mask = tail_drop_mask(50, 7, generator=torch.Generator().manual_seed(0))
    uniform = torch.rand(50, 1, generator=torch.Generator().manual_seed(0))[:, 0]
    for row, r in zip(mask.tolist(), uniform.tolist(), strict=True):
        cutoff = math.floor(math.exp(r * math.log(8)))
        assert row == [i >= cutoff for i in range(7)]


def test_cutoffs_have_the_probabilities_by_hand() -> None:
    uniform = torch.linspace(0, 1, 200_001)[:-1] + 2.5e-6
    cutoff = tail_cutoff(uniform, 3)
    shares = [float((cutoff == c).double().mean()) for c in (1, 2, 3)]
    assert shares == pytest.approx([0.5, 0.29248125, 0.20751875], abs=1e-5)


@pytest.mark.parametrize(("num_tokens", "kept"), [(3, 1.70751875), (127, 25.69118256)])
def test_the_expected_number_of_kept_tokens_is_that_of_the_specification(
    num_tokens: int, kept: float
) -> None:
    assert num_tokens - float(drop_probabilities(num_tokens).sum()) == pytest.approx(kept)
