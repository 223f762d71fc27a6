"""What a user may change while a search runs, and the record of it."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from prior_search.search import (
    Observation,
    Parameter,
    PastRun,
    SearchPlan,
    SearchSpace,
    Suggestion,
    TwoStageOptimizer,
    from_record,
    to_record,
)

PLAN = SearchPlan(stage1_trials=6, stage2_trials=8, confirm_trials=2, num_anchors=2)


def space(low: float = 1e-4, high: float = 1.0) -> SearchSpace:
    return SearchSpace(
        parameters=(
            Parameter(name="kl_weight", low=low, high=high, scale="log"),
            Parameter(name="prediction_weight", low=0.0, high=1.0, scale="linear"),
        )
    )


def objective(suggestion: Suggestion) -> float:
    """Lowest at kl_weight 1e-2 and prediction_weight 0.3, with noise that its index decides."""
    x, y = np.log10(suggestion.values["kl_weight"]), suggestion.values["prediction_weight"]
    value = 3.0 + 0.3 * (x + 2.0) ** 2 + 2.0 * (y - 0.3) ** 2
    noise = 0.02 * np.random.default_rng(suggestion.index).normal()
    return float(value + noise + (0.3 * y if suggestion.horizon == "short" else 0.0))


def step(optimizer: TwoStageOptimizer) -> Suggestion:
    suggestion = optimizer.ask()
    assert suggestion is not None
    value = objective(suggestion)
    optimizer.tell(Observation(index=suggestion.index, value=value, status="completed"))
    return suggestion


def finish(optimizer: TwoStageOptimizer) -> list[Suggestion]:
    made = []
    while not optimizer.is_finished:
        made.append(step(optimizer))
    return made


def test_an_enqueued_configuration_runs_next_and_long_and_counts() -> None:
    optimizer = TwoStageOptimizer(space(), PLAN, seed=1)
    step(optimizer)
    values = {"kl_weight": 0.0123, "prediction_weight": 0.25}
    optimizer.enqueue(values)
    manual = step(optimizer)
    assert (manual.role, manual.horizon, dict(manual.values)) == ("manual", "long", values)
    made = finish(optimizer)
    assert sum(s.stage == "stage1" for s in made) == PLAN.stage1_trials - 1
    assert sum(s.stage == "stage2" for s in made) == PLAN.stage2_trials - 1
    assert sum(s.role == "anchor" for s in made) == PLAN.num_anchors


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kl_weight": 0.1}, "values must be given for kl_weight, prediction_weight"),
        ({"kl_weight": 2.0, "prediction_weight": 0.1}, r"kl_weight must be in \[0.0001, 1.0\]"),
        (
            {"kl_weight": "1e-3", "prediction_weight": 0.1},
            "kl_weight must be a number, got '1e-3'",
        ),
    ],
)
def test_a_configuration_that_cannot_run_is_refused_and_cannot_be_pending(
    values: dict[str, float], message: str
) -> None:
    optimizer = TwoStageOptimizer(space(), PLAN, seed=1)
    with pytest.raises(ValueError, match=message):
        optimizer.enqueue(values)
    with pytest.raises(ValueError, match=message):
        optimizer.ask(pending=[values])


def test_no_more_is_enqueued_than_stage_2_has_runs() -> None:
    optimizer = TwoStageOptimizer(space(), PLAN, seed=1)
    for _ in range(PLAN.stage2_trials):
        optimizer.enqueue({"kl_weight": 0.1, "prediction_weight": 0.1})
    with pytest.raises(ValueError, match="all 8 runs of stage 2 are taken"):
        optimizer.enqueue({"kl_weight": 0.1, "prediction_weight": 0.1})


def test_a_fixed_weight_is_held_in_all_that_follows_and_in_the_recommendation() -> None:
    optimizer = TwoStageOptimizer(space(), PLAN, seed=2)
    for _ in range(8):
        step(optimizer)
    optimizer.fix("prediction_weight", 0.7)
    made = finish(optimizer)
    assert {s.values["prediction_weight"] for s in made if s.replicate == 0} == {0.7}
    assert optimizer.recommend().values["prediction_weight"] == 0.7
    optimizer.fix("prediction_weight", None)
    assert optimizer.recommend().values["prediction_weight"] != 0.7  # measured before, and better
    with pytest.raises(ValueError, match="unknown weight 'kl'; expected kl_weight, predict"):
        optimizer.fix("kl", 0.1)
    with pytest.raises(ValueError, match="prediction_weight must be in"):
        optimizer.fix("prediction_weight", 1.5)


def test_a_moved_space_keeps_old_runs_as_evidence_and_recommends_inside() -> None:
    optimizer = TwoStageOptimizer(space(low=1e-4, high=1.0), PLAN, seed=3)
    for _ in range(9):
        step(optimizer)
    before = len(optimizer.history.evidence())
    optimizer.change_space(space(low=5e-2, high=10.0))  # the optimum, 1e-2, is outside now
    assert len(optimizer.history.evidence()) == before
    made = finish(optimizer)
    assert all(5e-2 <= s.values["kl_weight"] <= 10.0 for s in made)
    best = optimizer.recommend()
    assert 5e-2 <= best.values["kl_weight"] < 0.2
    assert any("kl_weight" in w and "low end 0.05" in w for w in best.warnings)


def test_a_space_of_other_parameters_is_refused() -> None:
    other = SearchSpace(parameters=space().parameters[:1])
    with pytest.raises(ValueError, match="a space can change its ranges, not its parameters"):
        TwoStageOptimizer(space(), PLAN, seed=1).change_space(other)


def test_a_space_without_the_fixed_value_is_refused_and_changes_nothing() -> None:
    optimizer = TwoStageOptimizer(space(), PLAN, seed=1)
    optimizer.fix("kl_weight", 0.5)
    with pytest.raises(ValueError, match=r"kl_weight must be in \[0.0001, 0.1\], got 0.5"):
        optimizer.change_space(space(high=0.1))
    assert optimizer.space == space()


def test_another_study_tells_where_to_look_though_its_level_differs() -> None:
    other = TwoStageOptimizer(space(), PLAN, seed=4)
    finish(other)
    shifted = [
        PastRun(study=r.study, values=r.values, horizon=r.horizon, value=7.0 + (r.value or 0.0))
        for r in other.history.as_past_runs("other")
    ]
    small = SearchPlan(stage1_trials=2, stage2_trials=4, confirm_trials=0, num_anchors=1)

    def error(runs: list[PastRun]) -> float:
        optimizer = TwoStageOptimizer(space(), small, seed=5)
        optimizer.warm_start(runs)
        finish(optimizer)
        best = optimizer.recommend()
        assert best.predicted_mean < 5  # at the level of this study, not at that of the other
        point = optimizer.space.encode(best.values)
        return float(np.hypot(point[0] - 0.5, point[1] - 0.3))

    assert error(shifted) < 0.12
    assert error(shifted) < error([])


def test_a_past_run_that_lacks_a_weight_is_refused() -> None:
    run = PastRun(study="old", values={"kl_weight": 0.1}, horizon="long", value=1.0)
    with pytest.raises(ValueError, match="a run of 'old' lacks prediction_weight"):
        TwoStageOptimizer(space(), PLAN, seed=1).warm_start([run])


def test_a_past_run_of_values_that_are_no_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match=r"values must be finite, got {'kl_weight': nan}"):
        PastRun(study="old", values={"kl_weight": math.nan}, horizon="long", value=1.0)
    with pytest.raises(ValueError, match="got inf; give None if the run diverged"):
        PastRun(study="old", values={"kl_weight": 0.1}, horizon="long", value=math.inf)


def test_a_record_with_every_kind_of_change_goes_on_bit_for_bit() -> None:
    optimizer = TwoStageOptimizer(space(), PLAN, seed=6)
    past = PastRun(
        study="old",
        values={"kl_weight": 0.02, "prediction_weight": 0.4},
        horizon="long",
        value=1.0,
    )
    optimizer.warm_start([past])
    for k in range(12):
        if k == 7:
            optimizer.enqueue({"kl_weight": 0.02, "prediction_weight": 0.4})
        if k == 9:
            optimizer.change_space(space(low=1e-3))
        if k == 10:
            optimizer.fix("prediction_weight", 0.2)
        if k == 11:
            optimizer.fix("prediction_weight", None)
        again = from_record(json.loads(json.dumps(to_record(optimizer))))
        assert again.ask() == step(optimizer)
    assert again.space == optimizer.space


def test_points_that_run_elsewhere_are_kept_away_from() -> None:
    optimizer = TwoStageOptimizer(space(), PLAN, seed=8)
    while (alone := from_record(to_record(optimizer)).ask()) is not None:
        if alone.role == "expected_improvement":
            break
        step(optimizer)
    assert alone is not None
    assert not optimizer.is_finished  # looks ahead, and knows of nothing elsewhere
    beside = optimizer.ask(pending=[alone.values])
    assert beside is not None
    assert np.linalg.norm(np.subtract(beside.point, alone.point)) > 0.02


def test_runs_without_a_place_in_the_new_space_are_no_runs_to_fit_to() -> None:
    """None of the values is positive, so that a log range has no place for them."""
    before = SearchSpace(parameters=(Parameter(name="w", low=-1.0, high=0.0, scale="linear"),))
    after = SearchSpace(parameters=(Parameter(name="w", low=0.1, high=1.0, scale="log"),))
    optimizer = TwoStageOptimizer(before, PLAN, seed=1)

    def tell_next() -> None:
        s = optimizer.ask()
        assert s is not None
        value = s.values["w"] ** 2
        optimizer.tell(Observation(index=s.index, value=value, status="completed"))

    for _ in range(PLAN.stage1_trials + 1):
        tell_next()
    optimizer.change_space(after)
    while not optimizer.is_finished:
        tell_next()
    assert 0.1 <= optimizer.recommend().values["w"] < 0.4


def test_anchors_keep_their_distance_in_the_space_as_it_is() -> None:
    plan = SearchPlan(stage1_trials=12, stage2_trials=8, confirm_trials=0, num_anchors=6)
    optimizer = TwoStageOptimizer(space(low=1e-4), plan, seed=2)
    for _ in range(15):
        step(optimizer)
    optimizer.change_space(space(low=1e-8))
    anchors = [s for s in (step(optimizer) for _ in range(3)) if s.role == "anchor"]
    earlier = [s for s in optimizer.history.suggestions[:15] if s.role == "anchor"]
    assert anchors
    assert earlier
    points = [optimizer.history.point(s.index) for s in (*earlier, *anchors)]
    for k, new in enumerate(points[len(earlier) :], start=len(earlier)):
        assert min(np.linalg.norm(np.subtract(new, p)) for p in points[:k]) > 0.1 * np.sqrt(2)


@pytest.mark.parametrize("kind", ["fix", "change_space"])
def test_a_search_that_has_stopped_goes_on_where_it_has_not_looked(kind: str) -> None:
    plan = SearchPlan(
        stage1_trials=6, stage2_trials=30, confirm_trials=0, num_anchors=2, stop_below=0.5
    )
    optimizer = TwoStageOptimizer(space(), plan, seed=2)
    assert len(finish(optimizer)) < plan.total - 5
    if kind == "fix":
        optimizer.fix("prediction_weight", 0.9)
    else:
        optimizer.change_space(space(low=0.3))
    assert not optimizer.is_finished
    assert from_record(to_record(optimizer)).ask() == step(optimizer)
    assert len(finish(optimizer)) >= 1  # and stops again
    assert optimizer.history.made("stage2") < plan.stage2_trials


@pytest.mark.parametrize("kind", ["fix", "change_space"])
def test_improvement_is_over_what_could_be_recommended(kind: str) -> None:
    plan = SearchPlan(stage1_trials=6, stage2_trials=20, confirm_trials=0, num_anchors=2)
    optimizer = TwoStageOptimizer(space(), plan, seed=2)
    for _ in range(16):
        step(optimizer)
    if kind == "fix":
        optimizer.fix("prediction_weight", 0.9)  # 0.7 above the lowest value
    else:
        optimizer.change_space(space(low=0.2))  # 0.5 above it
    made = [step(optimizer) for _ in range(4)]
    sought = [s.acquisition for s in made[1:] if s.acquisition is not None]
    assert max(sought) > -6.0


def test_the_same_configuration_again_is_one_more_seed_of_it() -> None:
    optimizer = TwoStageOptimizer(space(), PLAN, seed=1)
    mine = {"kl_weight": 1e-2, "prediction_weight": 0.3}
    for _ in range(3):
        optimizer.enqueue(mine)
    made = [step(optimizer) for _ in range(3)]
    assert [s.trial for s in made] == [0, 0, 0]
    assert [s.replicate for s in made] == [0, 1, 2]
    assert len(optimizer.history.measured_long()[0]) == 3
    assert optimizer.recommend().values == mine
    assert optimizer.recommend().num_runs == 3


def test_with_every_weight_fixed_all_long_runs_are_of_one_configuration() -> None:
    optimizer = TwoStageOptimizer(space(), PLAN, seed=1)
    optimizer.fix("kl_weight", 1e-2)
    optimizer.fix("prediction_weight", 0.3)
    long = [s for s in finish(optimizer) if s.horizon == "long"]
    assert {s.trial for s in long} == {long[0].index}
    assert [s.replicate for s in long] == list(range(len(long)))
    assert optimizer.recommend().num_runs == len(long)


def test_what_was_given_or_handed_out_can_be_changed_without_changing_the_search() -> None:
    optimizer = TwoStageOptimizer(space(), PLAN, seed=1)
    values = {"kl_weight": 1e-2, "prediction_weight": 0.5}
    past = PastRun(study="x", values=values, horizon="long", value=3.1)
    optimizer.warm_start(run for run in [past])
    optimizer.enqueue(values)
    for _ in range(9):
        step(optimizer)
    record = json.dumps(to_record(optimizer))
    handed_out = to_record(optimizer)
    for changed in (values, past.values, handed_out["changes"][1][1]):
        changed["kl_weight"] = 7.0
    suggestion = optimizer.ask()
    assert suggestion is not None
    suggestion.values["kl_weight"] = 7.0  # type: ignore[index]  # it is a dictionary all the same
    again = from_record(json.loads(record))
    again.ask()
    assert to_record(again) == to_record(optimizer)


@pytest.mark.parametrize("measures", [True, False])
def test_a_weight_that_is_fixed_last_is_held_in_what_is_confirmed(measures: bool) -> None:
    """Also where the surrogate's minimizer is next to a configuration without that value."""
    optimizer = TwoStageOptimizer(space(), PLAN, seed=1)
    for _ in range(PLAN.stage1_trials + PLAN.stage2_trials):
        if measures:
            step(optimizer)
            continue
        suggestion = optimizer.ask()
        assert suggestion is not None
        long = suggestion.horizon == "long"  # two runs are too few to fit to
        value = 3.0 if long and suggestion.index < PLAN.stage1_trials + 2 else None
        status = "failed" if value is None else "completed"
        optimizer.tell(Observation(index=suggestion.index, value=value, status=status))
    best = optimizer.recommend().values["prediction_weight"]
    optimizer.fix("prediction_weight", best + 1e-3)
    made = [step(optimizer) for _ in range(PLAN.confirm_trials)]
    assert {s.values["prediction_weight"] for s in made} == {best + 1e-3}


def test_numbers_of_numpy_make_a_record_that_goes_on_bit_for_bit() -> None:
    plan = SearchPlan(
        stage1_trials=np.int64(6),  # type: ignore[arg-type]
        stage2_trials=8, confirm_trials=2, num_anchors=2,
    )  # fmt: skip
    numpys = space(np.float32(1e-4), np.int64(1))  # type: ignore[arg-type]
    optimizer = TwoStageOptimizer(numpys, plan, seed=np.int64(4))  # type: ignore[arg-type]
    values = {"kl_weight": np.float32(0.1), "prediction_weight": np.float32(0.3)}
    past = PastRun(study="x", values=values, horizon="long", value=np.float32(3.1))
    optimizer.warm_start([past])
    optimizer.enqueue(values)
    optimizer.fix("prediction_weight", np.float32(0.7))
    for _ in range(9):
        suggestion = optimizer.ask()
        assert suggestion is not None
        index, value = np.int64(suggestion.index), np.float32(objective(suggestion))
        optimizer.tell(Observation(index=index, value=value, status="completed"))  # type: ignore[arg-type]
    again = from_record(json.loads(json.dumps(to_record(optimizer))))
    assert again.ask() == optimizer.ask()


@pytest.mark.parametrize("seed", [None, 1.5, -1])
def test_a_seed_that_is_none_is_refused(seed: object) -> None:
    with pytest.raises(ValueError, match="seed must be an integer >= 0, got"):
        TwoStageOptimizer(space(), PLAN, seed=seed)  # type: ignore[arg-type]
