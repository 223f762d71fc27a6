from __future__ import annotations

import itertools
import math

import pytest
import torch

from prior_search.objectives import (
    contrastive_loss,
    level_loss,
    level_weights,
    nt_xent,
    weighted_penalty,
)
from prior_search.weights import RegularizerWeights


def nt_xent_in_loops(h: torch.Tensor, temperature: float) -> float:
    """Eq. 9 as printed."""
    count = len(h)

    def similarity(i: int, j: int) -> float:
        return float(h[i] @ h[j] / (h[i].norm() * h[j].norm()))

    total = 0.0
    for i in range(count):
        partner = (i + count // 2) % count
        others = sum(math.exp(similarity(i, j) / temperature) for j in range(count) if j != i)
        total -= math.log(math.exp(similarity(i, partner) / temperature) / others)
    return total / count


def test_nt_xent_agrees_with_the_equation_in_loops() -> None:
    h = torch.randn(10, 4, generator=torch.Generator().manual_seed(0))
    for temperature in (0.1, 0.5, 2.0):
        loss = nt_xent(h, temperature=temperature)
        assert float(loss) == pytest.approx(nt_xent_in_loops(h, temperature), rel=1e-5)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[1, 0], [0, 1], [1, 0], [0, 1]], 0.23954476622188414),
        ([[1, 0], [0, 1], [0.6, 0.8], [0.8, 0.6]], 1.270713757056894),
        ([[5, 0], [0, 2], [0.6, 0.8], [0.8, 0.6]], 1.270713757056894),  # lengths do not matter
        ([[1, 1]] * 4, math.log(3)),
    ],
)
def test_nt_xent_has_the_values_of_the_specification(
    rows: list[list[float]], expected: float
) -> None:
    assert float(
        nt_xent(torch.tensor(rows, dtype=torch.float32), temperature=0.5)
    ) == pytest.approx(expected, rel=1e-6)


def test_collapsed_descriptors_are_at_chance() -> None:
    for pairs in (2, 8, 256):
        loss = nt_xent(torch.ones(2 * pairs, 3), temperature=0.1)
        assert float(loss) == pytest.approx(math.log(2 * pairs - 1), rel=1e-5)


def test_gradients_are_finite_at_a_tiny_temperature() -> None:
    h = torch.randn(8, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    nt_xent(h, temperature=1e-3).backward()
    assert h.grad is not None
    assert h.grad.isfinite().all()


def test_bad_batches_and_temperatures_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must be \[2B, D\] with B >= 1, got \[3, 2\]"):
        nt_xent(torch.zeros(3, 2), temperature=0.5)
    with pytest.raises(ValueError, match="temperature must be > 0, got -1"):
        nt_xent(torch.zeros(4, 2), temperature=-1.0)


def test_level_weights_have_the_values_of_the_specification() -> None:
    assert level_weights(1) == (1.0,)
    assert level_weights(3) == pytest.approx((1 / 7, 2 / 7, 4 / 7))
    assert level_weights(7) == pytest.approx([2**level / 127 for level in range(7)])
    assert sum(level_weights(5)) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="num_levels must be >= 1, got 0"):
        level_weights(0)


def test_one_level_is_the_plain_objective() -> None:
    h = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    loss = contrastive_loss([h], {"kl": torch.tensor(3.0)}, RegularizerWeights(), temperature=0.2)
    assert float(loss.total) == pytest.approx(float(nt_xent(h, temperature=0.2)))


def test_the_total_adds_weighted_levels_and_weighted_terms() -> None:
    generator = torch.Generator().manual_seed(0)
    h = [torch.randn(6, 4, generator=generator) for _ in range(2)]
    weights = RegularizerWeights(kl_weight=0.5, prediction_weight=2.0)
    terms = {"kl": torch.tensor(3.0), "prediction": torch.tensor(0.25)}
    loss = contrastive_loss(h, terms, weights, temperature=0.2)
    coarse, fine = (float(nt_xent(x, temperature=0.2)) for x in h)
    assert float(loss.total) == pytest.approx(coarse / 3 + 2 * fine / 3 + 1.5 + 0.5, rel=1e-6)


def test_a_positive_weight_without_its_term_is_refused() -> None:
    with pytest.raises(ValueError, match=r"weights without a term: \['commitment'\]"):
        weighted_penalty({"kl": torch.tensor(1.0)}, RegularizerWeights(commitment_weight=0.1))


def test_a_term_that_no_weight_belongs_to_is_refused() -> None:
    with pytest.raises(ValueError, match=r"terms without a weight: \['sparsity'\]"):
        weighted_penalty({"sparsity": torch.tensor(1.0)}, RegularizerWeights())


@pytest.mark.parametrize("temperature", [1e-4, 0.1, 1e4])
@pytest.mark.parametrize("kind", ["identical", "zero", "huge", "opposite"])
def test_gradients_are_finite_for_degenerate_descriptors(kind: str, temperature: float) -> None:
    rows = {
        "identical": torch.ones(6, 4),
        "zero": torch.zeros(6, 4),
        "huge": 1e18 * torch.randn(6, 4, generator=torch.Generator().manual_seed(0)),
        "opposite": torch.cat([torch.ones(3, 4), -torch.ones(3, 4)]),
    }
    h = rows[kind].requires_grad_()
    loss = nt_xent(h, temperature=temperature)
    loss.backward()
    assert loss.isfinite()
    assert h.grad is not None
    assert h.grad.isfinite().all()


def test_a_single_pair_has_nothing_to_be_told_apart_from() -> None:
    h = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    assert float(nt_xent(h, temperature=0.1)) == 0.0


def test_the_loss_does_not_depend_on_the_order_of_pairs_or_views() -> None:
    h = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
    expected = float(nt_xent(h, temperature=0.3))
    order = torch.randperm(6, generator=torch.Generator().manual_seed(1))
    shuffled = torch.cat([h[:6][order], h[6:][order]])
    swapped = torch.cat([h[6:], h[:6]])
    for same in (shuffled, swapped):
        assert float(nt_xent(same, temperature=0.3)) == pytest.approx(expected, rel=1e-5)


def test_level_weights_agree_with_equation_six_in_loops() -> None:
    for num_levels in range(1, 8):
        z = sum(2.0**-k for k in range(num_levels))
        expected = [2.0 ** -(num_levels - 1 - level) / z for level in range(num_levels)]
        assert level_weights(num_levels) == pytest.approx(expected)
        doubles = [b / a for a, b in itertools.pairwise(level_weights(num_levels))]
        assert doubles == pytest.approx([2.0] * (num_levels - 1))


def test_levels_of_one_two_and_four_weigh_to_three() -> None:
    objectives = [torch.tensor(v) for v in (1.0, 2.0, 4.0)]
    total = level_loss(objectives, {"kl": torch.tensor(9.0)}, RegularizerWeights()).total
    assert float(total) == pytest.approx(3.0)
