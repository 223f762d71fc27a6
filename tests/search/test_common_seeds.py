from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from prior_search.search import Observation, SearchPlan, Suggestion, TwoStageOptimizer
from prior_search.search.leaders import Leaders
from prior_search.search.record import from_record, to_record
from prior_search.search.surrogate import LONG, SHORT, Surrogate, in_common
from tests.search.test_search import SPACE, valley

PLAN = SearchPlan(
    stage1_trials=8,
    stage2_trials=8,
    confirm_trials=4,
    num_anchors=2,
    separated_below=0.0,
    common_seeds=3,
)
OF_SEED = (0.9, -1.1, 0.2, 1.4, -0.5, 0.7)  # far more than the weights do near the optimum


def search(optimizer: TwoStageOptimizer, *, count: int = 100) -> list[Suggestion]:
    """So many runs, one at a time, each moved by its seed and by noise of its own."""
    history = optimizer.history
    while len(history.suggestions) < count and (suggestion := optimizer.ask()) is not None:
        value = valley(suggestion.point, is_short=suggestion.horizon == "short")
        value += OF_SEED[suggestion.seed_index or 0]
        value += 0.1 * np.random.default_rng(suggestion.index).normal()
        optimizer.tell(Observation(index=suggestion.index, value=value, status="completed"))
    return history.suggestions


def test_seeds_are_given_in_turn() -> None:
    made = search(TwoStageOptimizer(SPACE, PLAN, seed=0))
    first = [s.seed_index for s in made if s.replicate == 0]
    turns = [first[k : k + 3] for k in range(0, 15, 3)]
    assert all(set(turn) == {0, 1, 2} for turn in turns)
    assert len(set(map(tuple, turns))) > 1  # or seeds would go with places, as Sobol points do


def test_a_configuration_gets_each_common_seed_once_and_then_new_ones() -> None:
    optimizer = TwoStageOptimizer(SPACE, PLAN, seed=0)
    for _ in range(5):
        optimizer.enqueue({"kl_weight": 1e-3, "prediction_weight": 1.0})
    seeds = [s.seed_index for s in search(optimizer, count=5)]
    assert sorted(seeds[:3]) == [0, 1, 2]  # type: ignore[type-var]
    assert seeds[3:] == [3, 4]


def test_without_common_seeds_every_run_has_its_own() -> None:
    made = search(TwoStageOptimizer(SPACE, dataclasses.replace(PLAN, common_seeds=0), seed=0))
    assert {s.seed_index for s in made} == {None}


def test_what_seeds_do_does_not_hide_what_weights_do() -> None:
    for seed in range(3):
        optimizer = TwoStageOptimizer(SPACE, PLAN, seed=seed)
        search(optimizer)
        best = SPACE.encode(optimizer.recommend().values)
        assert valley(best, is_short=False) < 3.15  # the lowest is 3; seeds differ by 2.5
        share = optimizer.history.fit()[0].seed_share
        assert share is not None
        assert share > 0.8


def test_seeds_that_do_nothing_have_no_share() -> None:
    rng = np.random.default_rng(0)
    points = rng.random((60, 2))
    values = 4 * ((points - 0.4) ** 2).sum(1) + 0.2 * rng.normal(size=60)
    arguments = (points.tolist(), [LONG] * 60, values.tolist())
    share = Surrogate(*arguments, seeds=[k % 4 for k in range(60)]).seed_share
    assert share is not None
    assert share < 0.2
    assert Surrogate(*arguments).seed_share is None
    assert Surrogate(*arguments, seeds=[None] * 60).seed_share is None


def test_seeds_in_common_by_hand() -> None:
    s = np.array([LONG, LONG, LONG, LONG, SHORT, SHORT])
    expected = np.diag([1.0, 1.0, 1.0, 0.0, 1.0, 1.0])  # the fourth has a seed of its own
    expected[1, 2] = expected[2, 1] = 1.0
    expected[4, 5] = expected[5, 4] = 1.0  # short runs, which have none in common with long ones
    np.testing.assert_array_equal(in_common(s, [0, 1, 1, None, 1, 1]), expected)


def test_a_record_goes_on_bit_for_bit() -> None:
    optimizer, whole = (TwoStageOptimizer(SPACE, PLAN, seed=4) for _ in range(2))
    search(whole)
    search(optimizer, count=11)
    again = from_record(json.loads(json.dumps(to_record(optimizer))))
    search(again)
    assert again.history.suggestions == whole.history.suggestions


@pytest.mark.parametrize("index", [0, 1])
def test_a_seed_moves_no_prediction(index: int) -> None:
    """The objective that is predicted is the mean over seeds, not that of one of them."""
    rng = np.random.default_rng(index)
    points = rng.random((40, 1))
    seeds = [k % 4 for k in range(40)]
    offsets = np.array([0.6, -0.6, 0.3, -0.3])
    values = 1 + 3 * (points[:, 0] - 0.5) ** 2 + offsets[seeds]
    surrogate = Surrogate(points.tolist(), [LONG] * 40, values.tolist(), seeds=seeds)
    mean, sd = surrogate.predict([[0.5]])[0]
    assert mean == pytest.approx(1.0, abs=0.15)
    assert sd > 0.1  # four seeds do not tell the mean over all of them well


def test_an_uncertain_level_makes_no_worse_configuration_a_leader() -> None:
    optimizer = TwoStageOptimizer(SPACE, PLAN, seed=0)
    good, other, worse = (0.35, 0.6), (0.36, 0.6), (0.35, 0.05)
    for point in (good, good, good, other, other, other, worse):
        optimizer.enqueue(SPACE.decode(point))
    search(optimizer, count=7 + PLAN.stage1_trials)
    leaders = Leaders(optimizer.history, {})
    assert leaders.trials == [0, 3, 6]
    mean, sd = leaders.believed[leaders.best]
    assert leaders.believed[6][0] < mean + sd  # three seeds say little of all seeds
    assert leaders.least_run() in (0, 3)  # but that the last is worse, run once as it is
