from __future__ import annotations

from collections.abc import Callable

import pytest

from prior_search.search import (
    Observation,
    Parameter,
    PastRun,
    SearchPlan,
    SearchSpace,
    TwoStageOptimizer,
)
from prior_search.search.history import History

PLAN = SearchPlan(stage1_trials=4, stage2_trials=6, confirm_trials=0, num_anchors=1)


def space(low: float = 1e-3) -> SearchSpace:
    return SearchSpace(parameters=(Parameter(name="w", low=low, high=1.0, scale="log"),))


@pytest.fixture
def history() -> History:
    """Five runs told and one under way."""
    optimizer = TwoStageOptimizer(space(), PLAN, seed=0)
    for _ in range(5):
        s = optimizer.ask()
        assert s is not None
        optimizer.tell(
            Observation(index=s.index, value=(s.point[0] - 0.3) ** 2, status="completed")
        )
    optimizer.ask()
    return optimizer.history


def add(history: History) -> None:
    optimizer = TwoStageOptimizer(space(), PLAN, seed=0)
    optimizer.history = optimizer._stages.history = history
    assert optimizer.ask() is not None


CHANGES: dict[str, Callable[[History], None]] = {
    "add": add,
    "tell": lambda h: h.tell(Observation(index=5, value=0.2, status="completed")),
    "move_to": lambda h: h.move_to(space(low=1e-4)),
    "remember": lambda h: h.remember(
        [PastRun(study="other", values={"w": 0.1}, horizon="long", value=0.1)]
    ),
}


def test_the_surrogate_is_fitted_once_while_nothing_changes(history: History) -> None:
    assert history.fit() is history.fit()


@pytest.mark.parametrize("change", CHANGES)
def test_a_fit_is_of_what_is_known_now(history: History, change: str) -> None:
    before = history.fit()
    CHANGES[change](history)
    after = history.fit()
    assert after is not before
    again = history._fit()  # anew
    grid = [[x / 10] for x in range(11)]
    assert after[0].predict(grid) == again[0].predict(grid)


def test_stages_are_counted_as_suggestions_are_made_and_told(history: History) -> None:
    assert (history.made("stage1"), history.made("stage2"), history.made("confirm")) == (4, 2, 0)
    assert (history.num_told("stage1"), history.num_told("stage2")) == (4, 1)
