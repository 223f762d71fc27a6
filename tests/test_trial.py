from __future__ import annotations

import json

import pytest

from prior_search.trial import MetricPoint, TrialResult, TrialSpec
from prior_search.weights import WEIGHT_NAMES, RegularizerWeights


def make_spec() -> TrialSpec:
    return TrialSpec(
        study="s",
        search="prior",
        trial=42,
        replicate=2,
        stage="stage2",
        role="anchor",
        bottleneck="prior",
        family="gaussian",
        preset="tiny",
        weights=RegularizerWeights(kl_weight=1 / 3, prediction_weight=1e-5),
        settings={"kappa": 0.5},
        horizon=200,
        seed=2**62 + 1,
    )


def test_a_specification_survives_json_exactly() -> None:
    spec = make_spec()
    assert TrialSpec.from_dict(json.loads(json.dumps(spec.as_dict()))) == spec


def test_a_result_and_a_point_survive_json_exactly() -> None:
    result = TrialResult(
        trial=1, replicate=0, attempt=3, status="completed", objective=0.1, metrics={"kl": 1 / 7}
    )
    assert TrialResult.from_dict(json.loads(json.dumps(result.as_dict()))) == result
    point = MetricPoint(step=5, metrics={"objective": 1 / 3})
    assert MetricPoint.from_dict(json.loads(json.dumps(point.as_dict()))) == point


def test_a_retry_is_the_same_run_one_attempt_later() -> None:
    again = make_spec().retry()
    assert again.key == (42, 2, 1)
    assert again.seed == make_spec().seed
    assert again.label == make_spec().label == "t0042-r2"


def test_an_objective_belongs_to_a_completed_trial_only() -> None:
    with pytest.raises(ValueError, match="exactly when status is 'completed'"):
        TrialResult(trial=0, replicate=0, attempt=0, status="diverged", objective=1.0)
    with pytest.raises(ValueError, match="exactly when status is 'completed'"):
        TrialResult(trial=0, replicate=0, attempt=0, status="completed")


@pytest.mark.parametrize("value", [-1e-9, float("nan"), float("inf")])
@pytest.mark.parametrize("name", WEIGHT_NAMES)
def test_a_weight_is_finite_and_not_negative(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be finite and >= 0"):
        RegularizerWeights.from_mapping({name: value})


def test_a_misspelt_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown weight 'kl_wieght'; expected one of"):
        RegularizerWeights.from_mapping({"kl_wieght": 1.0})
