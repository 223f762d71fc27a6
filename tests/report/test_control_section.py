"""The control's section: which trainings count, and how page and figures show them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from prior_search.report import write_report
from prior_search.report.comparison_charts import WeightMove
from prior_search.report.control_charts import difference_chart, moves_chart
from prior_search.report.control_section import control_section, mean_of
from prior_search.request import StudyRequest
from prior_search.study import Study
from prior_search.trial import Bottleneck, TrialResult
from prior_search.weights import RegularizerWeights

NOTHING = {"predicted_mean": None, "predicted_sd": None}
COMMON = {"kl_weight": 0.01}
TUNED = {
    "itd": {"study": "tuned", "values": {"kl_weight": 1e-3}, "predicted_mean": 4.0,
            "predicted_sd": 0.1},
    "td": {"study": "tuned", "values": {"kl_weight": 0.1}, "predicted_mean": 4.5,
           "predicted_sd": 0.1},
}  # fmt: skip


@pytest.fixture
def matched_request(finished_study: Study) -> StudyRequest:
    """Over ITD and TD, with one weight and 100 steps."""
    given = finished_study.request
    return dataclasses.replace(
        given, name="control", bottlenecks=("itd", "td"), matched=True, ranges=given.ranges[:1]
    )


def write_final(
    study: Path, make_spec: Any, arm: Bottleneck, kl: float, objectives: dict[int, float]
) -> None:
    """A final training's log in the folder of a study, which gets a first event as well."""
    events: list[dict[str, Any]] = []
    for replicate, (seed, objective) in enumerate(objectives.items()):
        spec = make_spec(
            bottleneck=arm, weights=RegularizerWeights(kl_weight=kl), stage="final",
            horizon=100, seed=seed, replicate=replicate,
        )  # fmt: skip
        result = TrialResult(
            trial=0, replicate=replicate, attempt=0, status="completed", objective=objective
        )
        suggested = {"spec": spec.as_dict(), "suggestion": NOTHING, "event": "trial_suggested"}
        events += [suggested, {"event": "trial_ended", "result": result.as_dict()}]
    log = study / "final" / arm / "events.jsonl"
    log.parent.mkdir(parents=True)
    lines = (json.dumps({"seq": k, "time": 0.0, **e}) + "\n" for k, e in enumerate(events))
    log.write_text("".join(lines))
    (study / "events.jsonl").write_text('{"seq": 0, "event": "study_created"}\n')


def test_final_trainings_beside_the_control_are_what_is_judged(
    tmp_path: Path, make_spec: Any, matched_request: StudyRequest
) -> None:
    for study, itd, td in (("tuned", 1e-3, 0.1), ("control", 0.01, 0.01)):
        write_final(tmp_path / study, make_spec, "itd", itd, {1: 4.00, 2: 4.11, 3: 3.92})
        write_final(tmp_path / study, make_spec, "td", td, {1: 4.50, 2: 4.60, 3: 4.43})
    events = [{"event": "driver_started", "tuned": TUNED}]
    found = control_section(matched_request, events, tmp_path / "control", COMMON)
    assert found.judged.verdict == "holds"
    assert [m.arrow for m in found.moves] == ["↑", "↓"]
    assert [mean_of(arm.common_finals) for arm in found.arms] == [
        "4.0100 (3 seeds)",
        "4.5100 (3 seeds)",
    ]
    assert [arm.common for arm in found.arms] == [{}, {}]  # the search itself trained nothing
    assert len(found.records()) == 12
    assert [chart.name for chart in found.charts] == ["control-moves", "control-difference"]

    elsewhere = control_section(
        matched_request, events, tmp_path / "control", COMMON, [tmp_path / "nowhere"]
    )
    assert elsewhere.judged.verdict == "not decidable"
    assert "not measured: final trainings of the tuned weights" in elsewhere.judged.evidence[-1]


def test_a_move_goes_from_the_tuned_to_the_common_value_with_its_factor() -> None:
    moves = [
        WeightMove(
            family="gaussian", bottleneck="td", weight="kl_weight", tuned=0.1, matched=0.01
        ),
        WeightMove(
            family="gaussian", bottleneck="itd", weight="kl_weight", tuned=2.0, matched=2.0
        ),
    ]
    chart = moves_chart(moves)
    assert chart.y.ticks == ((1.0, "TD kl"), (0.0, "ITD kl"))
    line, tuned, common, words = chart.layers[:4]
    assert line.x == (0.1, 0.01)  # type: ignore[union-attr]
    assert (tuned.x, common.x) == ((0.1,), (0.01,))  # type: ignore[union-attr]
    assert words.text == "↓ 10-fold"  # type: ignore[union-attr]
    assert chart.layers[7].text == "="  # type: ignore[union-attr]


def test_a_difference_is_shown_for_every_seed_with_its_interval() -> None:
    shown = {"each tuned": {1: -0.5, 2: -0.4, 3: -0.6}, "common weights": {}}
    seeds, mean = difference_chart(("itd", "td"), shown, "loss").layers[1:]
    assert seeds.y == (-0.5, -0.4, -0.6)  # type: ignore[union-attr]
    assert mean.y == pytest.approx((-0.5,))  # type: ignore[union-attr]
    assert -0.6 <= mean.low[0] < -0.5 < mean.high[0] <= -0.4  # type: ignore[union-attr]


def test_the_page_of_a_control_has_its_section_and_that_of_a_search_none(
    tmp_path: Path, matched_request: StudyRequest, report_folder: Path, run_outcomes: Any
) -> None:
    facts = {"versions": {}, "data_fingerprint": "abc"}
    Study.create(tmp_path / "control", matched_request, facts)
    study = Study(tmp_path / "control")
    study.begin(facts | {"tuned": TUNED})
    run_outcomes(study, 1000)
    study.finish()
    page = write_report(study, tmp_path / "report").read_text()
    study.close()
    assert 'href="#control"' in page
    assert "Not decidable." in page
    assert "not measured: final trainings of the tuned weights of both bottlenecks" in page
    for file in ("figures/control-moves.svg", "figures/control-moves.png", "tables/control.csv"):
        assert (tmp_path / "report" / file).exists()
    assert 'id="control"' not in (report_folder / "index.html").read_text()
