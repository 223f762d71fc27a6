from __future__ import annotations

import numpy as np
import pytest

from prior_search.search import (
    Observation,
    Parameter,
    SearchPlan,
    SearchSpace,
    TwoStageOptimizer,
    acquisition,
)
from prior_search.search.acquisition import Cube, log_centrality, maximize_improvement
from prior_search.search.feasibility import Feasibility
from prior_search.search.surrogate import LONG, Surrogate

INNER = [[0.3, 0.3], [0.3, 0.7], [0.7, 0.3], [0.7, 0.7], [0.5, 0.5]]


def test_an_optimum_is_expected_inside_and_not_excluded_at_a_bound() -> None:
    points = np.array([[0.5, 0.5], [0.25, 0.5], [0.0, 0.5], [1.0, 0.0]])
    in_the_middle = [0.0, np.log(0.75), np.log(0.04), 2 * np.log(0.04)]
    assert log_centrality(points, np.array([0.5, 0.5])) == pytest.approx(in_the_middle)
    # where the best point is as far out, going there costs nothing
    at_a_bound = [0.0, 0.0, 0.0, np.log(0.04)]
    assert log_centrality(points, np.array([0.0, 0.5])) == pytest.approx(at_a_bound)


def test_improvement_is_sought_inside_where_it_is_about_as_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = [0.6, 1.0, 1.0, 1.2, 0.9]  # lower to the left and below
    surrogate = Surrogate(INNER, [LONG] * len(INNER), values)
    feasibility = Feasibility(INNER, [False] * len(INNER))

    def sought(held: dict[int, float]) -> tuple[np.ndarray, float]:
        cube = Cube(2, np.random.default_rng(0), held)
        point, value = maximize_improvement(surrogate, feasibility, INNER, [[0.4, 0.4]], cube)
        return np.array(point), value

    inside, improvement = sought({})
    with monkeypatch.context() as patch:
        patch.setattr(acquisition, "CENTRALITY", 0.0)
        outside, most = sought({})
        plain = sought(dict(enumerate(inside)))[1]
    assert np.abs(outside - 0.5).max() > 0.45  # where the model knows least
    assert np.abs(inside - 0.5).max() < 0.4
    assert improvement == pytest.approx(plain)  # the value is that of improvement alone
    assert improvement < most


@pytest.mark.parametrize("corner", [(0.0, 0.0), (1.0, 0.0), (0.0, 0.5)])
def test_an_optimum_at_a_bound_is_found_all_the_same(corner: tuple[float, float]) -> None:
    space = SearchSpace(
        parameters=tuple(Parameter(name=n, low=0.0, high=1.0, scale="linear") for n in "ab")
    )
    optimizer = TwoStageOptimizer(space, SearchPlan.for_budget(16.0, 0.25), seed=3)
    rng = np.random.default_rng(0)
    while not optimizer.is_finished:
        suggestion = optimizer.ask()
        assert suggestion is not None
        value = float(2.0 * np.abs(np.subtract(suggestion.point, corner)).sum())
        noisy = value + 0.02 * rng.normal()
        optimizer.tell(Observation(index=suggestion.index, value=noisy, status="completed"))
    best = space.encode(optimizer.recommend().values)
    assert np.abs(np.subtract(best, corner)).max() < 0.05
