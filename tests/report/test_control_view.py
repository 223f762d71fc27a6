from __future__ import annotations

from typing import Any

import pytest

from prior_search.report.control_view import (
    Tuned,
    judge_difference,
    objectives_by_seed,
    tuned_in,
    weight_moves,
)
from prior_search.trial import TrialResult
from prior_search.weights import RegularizerWeights

ARMS = ("itd", "td")
CLEAR = {"itd": {1: 4.00, 2: 4.11, 3: 3.92}, "td": {1: 4.50, 2: 4.60, 3: 4.43}}


def shifted(by: float) -> dict[str, dict[int, float]]:
    """``CLEAR`` with ITD moved."""
    return {"itd": {s: v + by for s, v in CLEAR["itd"].items()}, "td": CLEAR["td"]}


@pytest.mark.parametrize(
    ("matched", "verdict"),
    [
        (CLEAR, "holds"),
        (shifted(0.2), "holds"),
        (shifted(1.0), "does not hold"),
        (shifted(0.495), "not decidable"),
        ({"itd": {1: 4.0}, "td": {1: 4.5}}, "not decidable"),
        ({"itd": {1: 4.0, 2: 4.1}, "td": {3: 4.5, 4: 4.6}}, "not decidable"),
        ({}, "not decidable"),
    ],
)
def test_a_difference_survives_if_it_is_clear_and_has_the_same_sign(
    matched: Any, verdict: str
) -> None:
    assert judge_difference(ARMS, CLEAR, matched, "here").verdict == verdict


def test_what_was_not_measured_is_said_and_decides_nothing() -> None:
    judged = judge_difference(ARMS, {}, CLEAR, "here")
    assert judged.verdict == "not decidable"
    assert judged.evidence[0].startswith("ITD - TD, common weights, here: -0.5")
    assert judged.evidence[1].startswith("not measured: final trainings of the tuned weights")


def test_moves_are_from_the_own_search_to_the_common_weights() -> None:
    events = [
        {"event": "study_created"},
        {"event": "driver_started", "tuned": {
            "td": {"study": "s", "values": {"kl_weight": 0.1}, "predicted_mean": 4.0,
                   "predicted_sd": 0.1},
            "itd": {"study": "s", "values": {"kl_weight": 1e-3}, "predicted_mean": 4.0,
                    "predicted_sd": 0.1},
        }},
        {"event": "driver_started", "tuned": {}},
    ]  # fmt: skip
    tuned = tuned_in(events)
    assert tuned["td"] == Tuned(
        study="s", values={"kl_weight": 0.1}, predicted_mean=4.0, predicted_sd=0.1
    )
    moves = weight_moves("gaussian", tuned, {"kl_weight": 0.01})
    assert [(m.bottleneck, m.arrow) for m in moves] == [("td", "↓"), ("itd", "↑")]
    assert weight_moves("gaussian", tuned_in([]), {"kl_weight": 0.01}) == []


def test_only_runs_with_the_weights_and_the_horizon_asked_for_count(make_spec: Any) -> None:
    wanted = RegularizerWeights(kl_weight=1e-3)
    specs = [
        make_spec(trial=0, bottleneck="td", weights=wanted, horizon=100, seed=7),
        make_spec(trial=0, replicate=1, bottleneck="td", weights=wanted, horizon=100, seed=8),
        make_spec(trial=1, bottleneck="td", weights=wanted, horizon=25, seed=9),
        make_spec(
            trial=2, bottleneck="td", weights=RegularizerWeights(kl_weight=1e-2), horizon=100
        ),
        make_spec(trial=3, bottleneck="itd", weights=wanted, horizon=100),
    ]
    events: list[dict[str, Any]] = []
    for spec in specs:
        suggestion = {"predicted_mean": None, "predicted_sd": None}
        events.append(
            {"event": "trial_suggested", "spec": spec.as_dict(), "suggestion": suggestion}
        )
    for spec, status in zip(specs, ("completed", "diverged", *["completed"] * 3), strict=True):
        result = TrialResult(
            trial=spec.trial, replicate=spec.replicate, attempt=0, status=status,  # type: ignore[arg-type]
            objective=4.0 + spec.trial if status == "completed" else None,
        )  # fmt: skip
        events.append({"event": "trial_ended", "result": result.as_dict()})
    found = objectives_by_seed(events, {"td": {"kl_weight": 1e-3}}, 100)
    assert found == {"td": {7: 4.0}}
