from __future__ import annotations

import math

import pytest
import torch

from prior_search.evaluation import information_by_budget
from prior_search.tokens import CategoricalTokens, EmaVqTokens, GaussianTokens


def test_information_is_the_sum_of_usage_over_the_prefix_in_bits() -> None:
    nats = [0.3, 0.0, 1.2, 0.7, 0.05, 0.4, 0.9]
    found = information_by_budget(torch.tensor(nats, dtype=torch.float64), (1, 3, 7))
    assert found == pytest.approx({k: sum(nats[:k]) / math.log(2) for k in (1, 3, 7)})


def test_information_never_falls_with_the_budget() -> None:
    nats = torch.rand(127, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    nats[nats < 0.5] = 0.0
    bits = list(information_by_budget(nats, (1, 3, 7, 15, 31, 63, 127)).values())
    assert bits == sorted(bits)


def test_a_gaussian_token_of_unit_mean_carries_half_a_nat() -> None:
    family = GaussianTokens(num_groups=1, num_channels=1, kappa=5.0).eval()  # no free bits here
    with torch.no_grad():
        family.statistics.weight[0] = torch.tensor([[1.0, 0.0]])
        family.statistics.bias.zero_()
    usage = family.usage_accumulator()
    usage.add(family(torch.tensor([[[1.0]], [[-1.0]]]), mask=None, generator=None).usage)
    assert information_by_budget(usage.nats(), (1,))[1] == pytest.approx(0.7213475204444817)


def test_marginals_are_pooled_over_the_set_and_not_averaged_over_batches() -> None:
    """Every batch holds one class only, so that the mean over batches would be zero."""
    for family, batches in (
        (
            CategoricalTokens(num_groups=1, num_channels=4, temperature=1.0),
            [{"probabilities": torch.eye(4)[k].expand(5, 1, 4)} for k in range(4)],
        ),
        (
            EmaVqTokens(num_groups=1, num_channels=2, num_states=4, decay=0.9),
            [{"codes": torch.full((5, 1), k)} for k in range(4)],
        ),
    ):
        usage = family.usage_accumulator()
        for batch in batches:
            usage.add(batch)
        assert information_by_budget(usage.nats(), (1,))[1] == pytest.approx(2.0)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("usage", "budgets", "message"),
    [
        ([0.1, 0.2], (1, 3), r"budgets must be from 1 to 2, got \[3\]"),
        ([0.1, 0.2], (0,), r"budgets must be from 1 to 2, got \[0\]"),
        ([0.1, -0.2], (1,), "usage must be finite and >= 0"),
        ([0.1, math.nan], (1,), "usage must be finite and >= 0"),
    ],
)
def test_wrong_budgets_and_usages_are_refused(
    usage: list[float], budgets: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        information_by_budget(torch.tensor(usage), budgets)
