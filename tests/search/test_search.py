from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import qmc

from prior_search.errors import SurrogateFitError
from prior_search.search import (
    Observation,
    Parameter,
    SearchPlan,
    SearchSpace,
    Suggestion,
    TwoStageOptimizer,
)
from prior_search.search.feasibility import MAX_RUNS, PRIOR_LOGIT, PRIOR_SD, Feasibility
from prior_search.search.surrogate import Surrogate
from prior_search.search.targets import TargetScale, good_spread

SPACE = SearchSpace(
    parameters=(
        Parameter(name="kl_weight", low=1e-5, high=1e-1, scale="log"),
        Parameter(name="prediction_weight", low=1e-2, high=1e1, scale="log"),
    )
)
PLAN = SearchPlan(
    stage1_trials=8, stage2_trials=8, confirm_trials=2, num_anchors=3, separated_below=0.0
)


def valley(point: tuple[float, ...], *, is_short: bool) -> float:
    """A skewed valley with a collapse plateau; the short horizon is biased and flatter."""
    x, y = point
    value = 3 + 1.5 * abs(x - 0.35) ** 1.5 + 0.8 * (y - 0.6) ** 2 + (2.0 if x > 0.85 else 0.0)
    return 1.2 + 0.7 * value + 0.2 * math.sin(5 * y) if is_short else value


def run(
    optimizer: TwoStageOptimizer,
    objective: Callable[[tuple[float, ...], bool], float],
    *,
    in_flight: int = 1,
    diverges: Callable[[tuple[float, ...]], bool] = lambda point: False,
) -> list[Suggestion]:
    """Run to the end with several pending, told in a shuffled order."""
    rng = np.random.default_rng(0)
    pending: list[Suggestion] = []
    made: list[Suggestion] = []
    while not optimizer.is_finished:
        while len(pending) < in_flight and (new := optimizer.ask()) is not None:
            pending.append(new)
            made.append(new)
        done = pending.pop(int(rng.integers(len(pending))))
        if diverges(done.point):
            optimizer.tell(Observation(index=done.index, value=None, status="diverged"))
        else:
            value = objective(done.point, done.horizon == "short") + rng.normal(0, 0.03)
            optimizer.tell(Observation(index=done.index, value=value, status="completed"))
    return made


def noisy_valley(point: tuple[float, ...], is_short: bool) -> float:
    return valley(point, is_short=is_short)


def test_encode_and_decode_are_inverse_and_exact_at_the_bounds() -> None:
    assert SPACE.decode((0.0, 1.0)) == {"kl_weight": 1e-5, "prediction_weight": 1e1}
    assert SPACE.decode((0.5, 0.0))["kl_weight"] == pytest.approx(1e-3)
    point = (0.123, 0.987)
    assert SPACE.encode(SPACE.decode(point)) == pytest.approx(point)
    with pytest.raises(ValueError, match=r"kl_weight must be in \[1e-05, 0.1\], got 1"):
        SPACE.encode({"kl_weight": 1.0, "prediction_weight": 1.0})


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        (0.0, 1.0, "needs low > 0 on a log scale"),
        (2.0, 1.0, "low < high"),
        (1.0, math.inf, "finite"),
        (1e-300, 1e300, "too wide a range: from 1e-300 to 1e[+]300"),
    ],
)
def test_a_range_that_cannot_be_searched_is_refused(low: float, high: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Parameter(name="kl_weight", low=low, high=high, scale="log")


def test_rounding_next_to_a_bound_does_not_leave_the_range() -> None:
    low, high = 0.018363303594023925, 0.028841119667780944
    p = Parameter(name="kl_weight", low=low, high=high, scale="log")
    for share in (1.0 - 2.0**-53, 1.0 - 2.0**-52, 2.0**-53, 5e-324):
        assert 0.0 <= p.encode(p.decode(share)) <= 1.0


def test_a_search_follows_its_plan() -> None:
    made = run(TwoStageOptimizer(SPACE, PLAN, seed=1), noisy_valley)
    assert [s.stage for s in made] == ["stage1"] * 8 + ["stage2"] * 8 + ["confirm"] * 2
    assert [s.horizon for s in made] == ["short"] * 8 + ["long"] * 10
    roles = [s.role for s in made]
    assert roles[:11] == ["sobol"] * 8 + ["anchor"] * 3
    assert roles[11] == "posterior_mean"
    assert set(roles[12:16]) <= {"expected_improvement", "posterior_mean"}
    stage1_points = {s.point for s in made[:8]}
    assert all(s.point in stage1_points for s in made if s.role == "anchor")
    for s in made[8:]:
        assert s.predicted_mean is not None
        assert s.predicted_sd is not None
        assert s.predicted_sd > 0


def test_anchors_keep_their_distance() -> None:
    made = run(TwoStageOptimizer(SPACE, PLAN, seed=2), noisy_valley)
    anchors = [s.point for s in made if s.role == "anchor"]
    distances = [math.dist(a, b) for i, a in enumerate(anchors) for b in anchors[:i]]
    assert min(distances) > 0.1 * math.sqrt(2)


def test_confirmation_measures_the_minimizer_where_nothing_was_run_and_repeats_leaders() -> None:
    kinds = set()
    for seed in range(4):
        made = run(TwoStageOptimizer(SPACE, PLAN, seed=seed), noisy_valley)
        runs = [(s.trial, s.replicate) for s in made]
        assert len(set(runs)) == len(runs)
        for s in (s for s in made if s.stage == "confirm"):
            assert s.horizon == "long"
            assert s.point == made[s.trial].point
            kinds.add("repeated" if s.replicate else "new")
            if s.replicate == 0:
                assert (s.trial, s.role) == (s.index, "posterior_mean")
                earlier = [e.point for e in made[: s.index] if e.horizon == "long"]
                assert min(math.dist(s.point, e) for e in earlier) > 0.02 * math.sqrt(2)
    assert kinds == {"new", "repeated"}


def test_confirmation_ends_when_the_best_is_separated_and_confirmed_once() -> None:
    plan = dataclasses.replace(PLAN, confirm_trials=6, separated_below=0.5)
    optimizer = TwoStageOptimizer(SPACE, plan, seed=3)
    made = run(optimizer, noisy_valley)
    confirmations = [s for s in made if s.stage == "confirm"]
    assert 1 <= len(confirmations) < 6
    best = optimizer.recommend()
    assert best.num_runs > 1
    assert optimizer.ask() is None


def test_a_search_that_may_stop_does_so_once_improvement_is_lost_in_the_noise() -> None:
    def stage2(stop_below: float | None) -> int:
        plan = SearchPlan(
            stage1_trials=8, stage2_trials=30, confirm_trials=1, num_anchors=3,
            stop_below=stop_below,
        )  # fmt: skip
        made = run(TwoStageOptimizer(SPACE, plan, seed=3), noisy_valley)
        assert made[-1].stage == "confirm"
        return sum(s.stage == "stage2" for s in made)

    assert stage2(None) == 30
    assert 5 <= stage2(0.3) < 30
    assert stage2(1e-9) == 30


def test_replaying_a_history_reproduces_every_suggestion_bit_for_bit() -> None:
    original = TwoStageOptimizer(SPACE, PLAN, seed=5)
    history: list[tuple[str, object]] = []
    ask, tell = original.ask, original.tell

    def recorded_ask() -> Suggestion | None:
        suggestion = ask()
        if suggestion is not None:
            history.append(("ask", suggestion))
        return suggestion

    def recorded_tell(observation: Observation) -> None:
        tell(observation)
        history.append(("tell", observation))

    original.ask, original.tell = recorded_ask, recorded_tell  # type: ignore[method-assign]
    run(original, noisy_valley, in_flight=3)
    for cut in (4, 14):  # a driver dies after so many suggestions
        resumed = TwoStageOptimizer(SPACE, PLAN, seed=5)
        asked = 0
        for kind, item in history:
            if kind == "tell":
                resumed.tell(item)  # type: ignore[arg-type]
            elif asked < cut:
                resumed.adopt(Suggestion.from_dict(json.loads(json.dumps(item.as_dict()))))  # type: ignore[attr-defined]
                asked += 1
            else:
                torch.manual_seed(asked)  # foreign random state must not matter
                assert resumed.ask() == item
                asked += 1


def test_asking_leaves_the_global_random_state_alone() -> None:
    optimizer = TwoStageOptimizer(SPACE, PLAN, seed=1)
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    run(optimizer, noisy_valley)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_no_answer_is_waited_for_while_work_remains() -> None:
    optimizer = TwoStageOptimizer(SPACE, PLAN, seed=1)
    stage1 = [optimizer.ask() for _ in range(8)]
    assert optimizer.ask() is None  # nothing is known yet
    for s in stage1[:4]:
        assert s is not None
        value = valley(s.point, is_short=True)
        optimizer.tell(Observation(index=s.index, value=value, status="completed"))
    anchor = optimizer.ask()  # half is enough, the other half is still running
    assert anchor is not None
    assert anchor.role == "anchor"
    pending_aware = optimizer.ask()
    assert pending_aware is not None
    assert pending_aware.point != anchor.point


def test_an_answer_that_is_none_is_computed_once_until_something_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    optimizer = TwoStageOptimizer(SPACE, PLAN, seed=1)
    computed: list[Suggestion | None] = []
    compute = optimizer._next

    def note(pending: object) -> Suggestion | None:
        computed.append(compute(()))
        return computed[-1]

    monkeypatch.setattr(optimizer, "_next", note)
    for _ in range(8):
        assert optimizer.ask() is not None
    assert [optimizer.ask() for _ in range(5)] == [None] * 5  # stage 2 waits
    assert computed[8:] == [None]
    optimizer.tell(Observation(index=0, value=1.0, status="completed"))
    assert optimizer.ask() is None
    assert computed[8:] == [None, None]
    optimizer.enqueue({"kl_weight": 1e-3, "prediction_weight": 1.0})
    manual = optimizer.ask()
    assert manual is not None
    assert manual.role == "manual"


def test_what_looks_best_in_short_runs_is_worth_a_long_one() -> None:
    """A short run is no long one: improvement is over what was measured long."""
    plan = SearchPlan(
        stage1_trials=40, stage2_trials=4, confirm_trials=0, num_anchors=0,
        posterior_mean_every=100,
    )  # fmt: skip
    optimizer = TwoStageOptimizer(SPACE, plan, seed=1)
    for _ in range(40):
        s = optimizer.ask()
        assert s is not None
        value = 1.0 + 2.0 * math.dist(s.point, (0.35, 0.6)) ** 2
        optimizer.tell(Observation(index=s.index, value=value, status="completed"))
    optimizer.enqueue(SPACE.decode((0.9, 0.1)))
    far = optimizer.ask()
    assert far is not None
    optimizer.tell(Observation(index=far.index, value=3.0, status="completed"))
    chosen = optimizer.ask()
    assert chosen is not None
    assert chosen.role == "expected_improvement"
    assert math.dist(chosen.point, (0.35, 0.6)) < 0.1
    assert chosen.acquisition is not None
    assert math.exp(chosen.acquisition) > 0.3  # the far run is much worse than what it promises


def test_the_engine_beats_sobol_at_the_same_cost() -> None:
    def narrow(point: tuple[float, ...], is_short: bool) -> float:
        x, y = point
        value = 3 + 8 * abs(x - 0.35) ** 1.5 + 4 * (y - 0.6) ** 2
        return 2 + 0.7 * value + 0.3 * math.sin(5 * y) if is_short else value

    regrets, sobol_regrets = [], []
    for seed in range(3):
        optimizer = TwoStageOptimizer(SPACE, PLAN, seed=seed)
        run(optimizer, narrow, in_flight=2)
        regrets.append(narrow(SPACE.encode(optimizer.recommend().values), False) - 3)
        # 12 long runs cost as much as 8 at a quarter of the horizon and 10 long ones
        points = qmc.Sobol(2, rng=np.random.default_rng(seed)).random(16)[:12]
        sobol_regrets.append(min(narrow(tuple(p), False) for p in points) - 3)  # noiseless
    assert np.median(regrets) < 0.5 * np.median(sobol_regrets)


def test_the_prediction_of_the_recommendation_is_near_the_truth() -> None:
    optimizer = TwoStageOptimizer(SPACE, PLAN, seed=4)
    run(optimizer, noisy_valley)
    best = optimizer.recommend()
    truth = valley(SPACE.encode(best.values), is_short=False)
    assert abs(best.predicted_mean - truth) < 0.1
    mean, sd = optimizer.believed()[best.trial]
    assert (best.predicted_mean, best.predicted_sd) == pytest.approx((mean, 1.25 * sd))
    runs = sum(map(len, optimizer.history.measured_long().values()))
    assert runs == 10
    assert best.high - best.low == pytest.approx(2 * stats.t.ppf(0.975, 5) * 1.25 * sd)
    assert best.predicted_sd < 0.15


def test_diverging_regions_are_left_alone_without_made_up_values() -> None:
    optimizer = TwoStageOptimizer(SPACE, PLAN, seed=6)
    made = run(optimizer, noisy_valley, diverges=lambda point: point[0] > 0.6)
    late = [s for s in made[8:] if s.point[0] > 0.65]
    assert len(late) <= 2
    assert SPACE.encode(optimizer.recommend().values)[0] <= 0.6


def test_where_everything_diverges_the_search_says_so_and_recommends_nothing() -> None:
    optimizer = TwoStageOptimizer(SPACE, PLAN, seed=6)
    made = run(optimizer, noisy_valley, diverges=lambda point: True)
    assert len(made) == PLAN.total
    assert {s.role for s in made} == {"sobol"}
    assert len({s.point for s in made}) == PLAN.total  # nothing is tried twice in vain
    assert not optimizer.has_recommendation
    with pytest.raises(ValueError, match="no run at the long horizon has completed"):
        optimizer.recommend()


def test_an_outcome_is_taken_once_and_only_of_what_was_suggested() -> None:
    optimizer = TwoStageOptimizer(SPACE, PLAN, seed=1)
    optimizer.ask()
    optimizer.tell(Observation(index=0, value=1.0, status="completed"))
    with pytest.raises(ValueError, match="suggestion 0 was told before"):
        optimizer.tell(Observation(index=0, value=1.0, status="completed"))
    with pytest.raises(ValueError, match="suggestion 1 was never made"):
        optimizer.tell(Observation(index=1, value=1.0, status="completed"))
    with pytest.raises(ValueError, match="value must be finite, got nan"):
        Observation(index=0, value=math.nan, status="completed")
    with pytest.raises(ValueError, match=r"status must be one of .*, got 'crashed'"):
        Observation(index=0, value=None, status="crashed")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="index must be an integer, got"):
        Observation(index=0.5, value=None, status="failed")  # type: ignore[arg-type]


def test_horizons_share_what_they_have_in_common() -> None:
    """Short runs alone must tell where long ones are good, also at a different level."""
    x = np.linspace(0, 1, 12)
    points = [[v] for v in x] + [[0.1], [0.9]]
    values = [10 + (v - 0.3) ** 2 for v in x] + [2 + 0.04, 2 + 0.36]
    surrogate = Surrogate(points, [True] * 12 + [False] * 2, values)
    means = [mean for mean, _ in surrogate.predict([[0.3], [0.6], [1.0]])]
    assert means[0] < means[1] < means[2]
    assert means[0] == pytest.approx(2.0, abs=0.15)


def test_a_surrogate_of_values_that_are_no_numbers_is_refused_not_replaced() -> None:
    with pytest.raises(SurrogateFitError, match=r"observations must be finite, got \[nan\]"):
        Surrogate([[0.1], [0.5], [0.9]], [False] * 3, [1.0, math.nan, 2.0])


def test_targets_are_linear_below_the_median_and_compressed_above() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 1000.0]
    scale = TargetScale.of(values, good_spread(values))
    target = scale.forward(np.array(values))
    assert good_spread(values) == pytest.approx(2.0)  # twice the mean of 2, 1, 0
    assert target[:3].tolist() == pytest.approx([-1.0, -0.5, 0.0])
    assert target[4] == pytest.approx(math.log1p(997 / 2))
    assert [scale.backward(t) for t in target] == pytest.approx(values)
    step = 1e-6
    for t in (-0.7, 0.9):
        slope = (scale.backward(t + step) - scale.backward(t - step)) / (2 * step)
        assert scale.slope(t) == pytest.approx(slope, rel=1e-5)


def test_feasibility_is_the_mode_by_hand_for_one_run() -> None:
    """One diverged run: its logit f has f = m + s² (0 - sigmoid(f))."""
    feasibility = Feasibility([[0.5]], [True])
    f = brentq(lambda f: f - PRIOR_LOGIT + PRIOR_SD**2 * expit(f), -20, 20)
    p = expit(f)
    variance = PRIOR_SD**2 - PRIOR_SD**4 / (PRIOR_SD**2 + 1 / (p * (1 - p)))
    expected = expit(f / math.sqrt(1 + math.pi * variance / 8))
    assert float(feasibility.probability(np.array([[0.5]]))[0]) == pytest.approx(expected)


def test_feasibility_forgets_with_distance_and_is_certain_without_a_failure() -> None:
    feasibility = Feasibility([[0.0], [0.1], [0.9]], [True, True, False])
    near, far, beyond = feasibility.probability(np.array([[0.0], [0.9], [50.0]]))
    assert near < 0.35
    assert far > 0.75
    prior = expit(PRIOR_LOGIT / math.sqrt(1 + math.pi * PRIOR_SD**2 / 8))
    assert beyond == pytest.approx(prior)
    assert Feasibility([[0.5]], [False]).probability(np.array([[0.5]]))[0] == 1.0


def test_very_many_runs_tell_of_divergence_what_all_would() -> None:
    points = np.linspace(0.0, 1.0, 4 * MAX_RUNS)[:, None]
    feasibility = Feasibility(points.tolist(), (points[:, 0] > 0.8).tolist())
    assert len(feasibility._points) == MAX_RUNS
    assert np.mean(feasibility._points > 0.8) == pytest.approx(0.2, abs=0.002)
    good, bad = feasibility.probability(np.array([[0.7], [0.9]]))
    assert good > 0.95
    assert bad < 0.05


def test_a_run_that_exploded_without_diverging_ends_no_search() -> None:
    """As one of the first two long runs, it takes their median along."""
    for exploded in (8, 9):  # the first long runs
        optimizer = TwoStageOptimizer(SPACE, PLAN, seed=3)
        while not optimizer.is_finished:
            s = optimizer.ask()
            assert s is not None
            value = valley(s.point, is_short=s.horizon == "short")
            value = 1e12 if s.index == exploded else value
            optimizer.tell(Observation(index=s.index, value=value, status="completed"))
        best = optimizer.recommend()
        assert valley(SPACE.encode(best.values), is_short=False) < 3.5
        assert best.predicted_mean < 5


def test_targets_far_below_a_median_that_is_off_are_compressed_and_come_back() -> None:
    scale = TargetScale(median=5e11, spread=1.0)
    target = scale.forward(np.array([0.0, 5e11 - 2e3, 5e11 - 1e3, 5e11 - 10.0]))
    assert target[0] == pytest.approx(-1e3 - math.log(5e11), rel=1e-6)
    assert target[2:].tolist() == [-1e3, -10.0]
    assert sorted(target) == target.tolist()
    assert [scale.backward(t) for t in target] == pytest.approx(
        [0.0, 5e11 - 2e3, 5e11 - 1e3, 5e11 - 10], abs=1.0
    )
    assert scale.slope(-1e3 - 2.0) == pytest.approx(math.exp(2.0))
