from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from prior_search.search import Observation, over_arms


def arm(value: float | None = None, status: Any = "completed", index: int = 4) -> Observation:
    return Observation(index=index, value=value, status=status)


def test_the_objective_is_the_mean_over_the_arms() -> None:
    assert over_arms([arm(3.0), arm(4.5)]) == arm(3.75)  # by hand
    values = np.random.default_rng(0).normal(4.0, 1.0, 7).tolist()
    found = over_arms([arm(v) for v in values]).value
    assert found is not None
    assert math.isclose(found, sum(values) / 7, rel_tol=1e-15)


def test_one_arm_is_the_plain_search_bit_for_bit() -> None:
    for value in (0.1, 3.0000000000000004, 1e-300, 1e300):
        assert over_arms([arm(value)]) == arm(value)
    for status in ("diverged", "failed"):
        assert over_arms([arm(status=status)]) == arm(status=status)


def test_the_order_of_the_arms_does_not_matter() -> None:
    outcomes = [arm(0.1), arm(0.2), arm(0.3)]
    assert len({over_arms(order).value for order in itertools.permutations(outcomes)}) == 1


@pytest.mark.parametrize(
    ("others", "told"),
    [
        (["completed", "diverged"], "diverged"),
        (["completed", "failed"], "failed"),
        (["failed", "diverged"], "diverged"),
        (["diverged", "failed"], "diverged"),
    ],
)
def test_an_arm_without_a_value_leaves_the_suggestion_without_one(
    others: list[str], told: str
) -> None:
    arms = [arm(3.0 if status == "completed" else None, status) for status in others]
    assert over_arms(arms) == arm(status=told)


def test_arms_of_different_suggestions_are_refused() -> None:
    with pytest.raises(ValueError, match=r"arms must be of one suggestion, got those of \[4, 5\]"):
        over_arms([arm(3.0), arm(3.0, index=5)])
    with pytest.raises(ValueError, match="at least one arm"):
        over_arms([])
