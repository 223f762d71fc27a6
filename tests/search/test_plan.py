from __future__ import annotations

import pytest

from prior_search.search import SearchPlan


@pytest.mark.parametrize("budget", [3.0, 16.0, 24.0, 32.0, 100.0])
@pytest.mark.parametrize("short_cost", [1 / 8, 1 / 6, 1 / 4, 1.0])
def test_a_plan_spends_its_budget_and_no_more(budget: float, short_cost: float) -> None:
    plan = SearchPlan.for_budget(budget, short_cost, num_workers=4)
    cost = plan.stage1_trials * short_cost + plan.stage2_trials + plan.confirm_trials
    assert budget - short_cost < cost <= budget + 1e-9


def test_a_plan_has_the_shares_asked_for() -> None:
    plan = SearchPlan.for_budget(
        24.0, 0.25, num_workers=4, stage1_share=0.25, confirm_share=0.2, num_anchors=3
    )
    assert plan.stage1_trials == 24  # 6 of 24 long runs, at a quarter each
    assert plan.confirm_trials == round(0.2 * 18)
    assert plan.stage2_trials == 18 - plan.confirm_trials
    assert plan.num_anchors == 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((1.4, 0.25, 1), "budget must pay for a long run and two short ones, so be >= 1.5"),
        ((24.0, 0.0, 1), r"short_cost in \(0, 1\]"),
        ((24.0, 0.25, 0), "num_workers >= 1"),
    ],
)
def test_a_budget_that_makes_no_plan_is_refused(
    given: tuple[float, float, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        SearchPlan.for_budget(*given)


def test_a_limit_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="stop_below must be >= 0, got -1"):
        SearchPlan(
            stage1_trials=2, stage2_trials=2, confirm_trials=0, num_anchors=0, stop_below=-1.0
        )


def test_a_count_that_is_no_integer_is_refused() -> None:
    with pytest.raises(TypeError, match=r"stage2_trials must be an integer, got 2\.5"):
        SearchPlan(
            stage1_trials=2,
            stage2_trials=2.5,  # type: ignore[arg-type]
            confirm_trials=0,
            num_anchors=0,
        )


def test_many_workers_leave_half_of_the_budget_to_long_runs() -> None:
    plan = SearchPlan.for_budget(24.0, 1.0, num_workers=64)
    assert plan.stage1_trials == 12
    assert plan.stage2_trials + plan.confirm_trials == 12
    assert SearchPlan.for_budget(24.0, 0.25, num_workers=32).stage1_trials == 32
