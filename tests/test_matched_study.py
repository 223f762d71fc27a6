"""A study whose suggestions are trained once per arm."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from prior_search.errors import RequestError
from prior_search.event_log import read_events
from prior_search.report import (
    by_suggestion,
    draw_weights,
    export_best,
    read_export,
    trial_rows,
    write_report,
)
from prior_search.request import StudyRequest
from prior_search.space_tables import WeightRange
from prior_search.study import Study
from prior_search.study_search import PastTraining
from prior_search.trial import TrialResult, TrialSpec
from tests import studies
from tests.studies import FACTS, REQUEST, open_study

close_studies = studies.close_studies  # a fixture, for every test here
BEST = {"prior": -3.0, "itd": -3.5, "td": -2.5}  # log10 of the best weight of each bottleneck


def make_request(*, matched: bool = True) -> StudyRequest:
    return dataclasses.replace(
        REQUEST,
        name="control" if matched else "tuned",
        bottlenecks=("itd", "td"),
        ranges=REQUEST.ranges[:1],
        matched=matched,
    )


def make_study(folder: Path, *, matched: bool = True) -> Study:
    Study.create(folder, make_request(matched=matched), FACTS)
    return open_study(folder)


def outcome(spec: TrialSpec, status: Any = "completed") -> TrialResult:
    value = own_value(spec) if status == "completed" else None
    return studies.outcome(spec, status, objective=value, wall_seconds=2.0)


def own_value(spec: TrialSpec) -> float:
    """Of what is trained alone."""
    return studies.value_of(spec, BEST[spec.bottleneck])


def finish(study: Study) -> list[TrialSpec]:
    """Run to the end, one at a time; what was trained."""
    trained = []
    while not study.is_finished:
        spec = study.next_trial()
        assert spec is not None
        study.record_start(spec, "worker")
        study.record(outcome(spec))
        trained.append(spec)
    return trained


def of_kind(study: Study, kind: str) -> list[dict[str, Any]]:
    return [event for event in study.events if event["event"] == kind]


def trainings(study: Study) -> list[PastTraining]:
    specs = {e["trial"]: TrialSpec.from_dict(e["spec"]) for e in of_kind(study, "trial_suggested")
             if e["replicate"] == 0}  # fmt: skip
    results = [TrialResult.from_dict(e["result"]) for e in of_kind(study, "trial_ended")]
    return [
        PastTraining(spec=specs[r.trial], result=r, source=f"tuned t{r.trial:04d}")
        for r in results
        if r.replicate == 0
    ]


def test_every_suggestion_is_trained_once_per_arm_with_one_seed(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s")
    trained = finish(study)
    assert len(trained) == 16
    for itd, td in zip(trained[::2], trained[1::2], strict=True):
        assert (itd.bottleneck, td.bottleneck) == ("itd", "td")
        assert (itd.weights, itd.seed, itd.horizon) == (td.weights, td.seed, td.horizon)
        assert (itd.trial + 1, itd.replicate) == (td.trial, td.replicate)
        assert (itd.search, td.arm_name) == ("control", "control/td")
    assert len({spec.label for spec in trained}) == 16


def test_the_optimizer_is_told_the_mean_over_the_arms(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s")
    itd, td = study.next_trial(), study.next_trial()
    assert itd is not None
    assert td is not None
    study.record(outcome(td))
    assert not study.optimizer("control").history.observations  # half of it is no outcome
    study.record(outcome(itd))
    told = study.optimizer("control").history.observations[0]
    assert told.value == pytest.approx((own_value(itd) + own_value(td)) / 2, rel=1e-15)


@pytest.mark.parametrize(("status", "attempts"), [("diverged", 1), ("failed", 2), ("lost", 4)])
def test_an_arm_without_a_value_counts_for_the_suggestion(
    tmp_path: Path, status: str, attempts: int
) -> None:
    study = make_study(tmp_path / "s")
    bad, good = study.next_trial(), study.next_trial()
    assert bad is not None
    assert good is not None
    study.record(outcome(good))
    for attempt in range(attempts):
        assert bad is not None
        assert (bad.trial, bad.attempt) == (0, attempt)
        study.record(outcome(bad, status))
        bad = study.next_trial()
    told = study.optimizer("control").history.observations[0]
    assert told.status == ("diverged" if status == "diverged" else "failed")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The log of a control that was never interrupted, by line."""
    folder = tmp_path_factory.mktemp("whole") / "s"
    study = make_study(folder)
    finish(study)
    study.close()
    return (folder / "events.jsonl").read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize("cut", [2, 3, 4, 5, 6, 7, 29, 31, 44])
def test_a_driver_killed_between_the_arms_loses_nothing(
    tmp_path: Path, whole: list[bytes], cut: int
) -> None:
    folder = tmp_path / "s"
    Study.create(folder, make_request(), FACTS)
    (folder / "events.jsonl").write_bytes(b"".join(whole[:cut]) + whole[cut][:7])
    study = open_study(folder)
    study.begin(FACTS)
    finish(study)
    suggested = [(e["trial"], e["suggestion"]) for e in of_kind(study, "trial_suggested")]
    (tmp_path / "whole.jsonl").write_bytes(b"".join(whole))
    assert suggested == [
        (e["trial"], e["suggestion"])
        for e in read_events(tmp_path / "whole.jsonl")
        if e["event"] == "trial_suggested"
    ]
    runs = Counter((e["result"]["trial"], e["result"]["replicate"])
                   for e in of_kind(study, "trial_ended"))  # fmt: skip
    assert len(runs) == 16
    assert set(runs.values()) == {1}


def test_a_control_is_read_back_with_its_arms_and_recommends_the_middle(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s")
    finish(study)
    found = study.finish()["control"]
    study.close()
    again = open_study(tmp_path / "s")
    assert again.is_finished
    assert again.finish() == {"control": found}
    assert found is not None
    assert found.trial % 2 == 0  # the first arm's
    assert -3.8 < math.log10(found.values["kl_weight"]) < -2.2


def test_stage_one_of_both_searches_is_taken_over_and_nothing_else_changes(
    tmp_path: Path,
) -> None:
    tuned = make_study(tmp_path / "tuned", matched=False)
    finish(tuned)
    alone = make_study(tmp_path / "alone")
    finish(alone)
    study = make_study(tmp_path / "s")
    study.reuse(trainings(tuned))
    study.begin(FACTS)
    trained = finish(study)
    assert not [spec for spec in trained if spec.stage == "stage1"]
    reused = [e for e in of_kind(study, "trial_ended") if "reused" in e]
    assert [e["result"]["trial"] for e in reused][:8] == list(range(8))
    assert all(e["result"]["wall_seconds"] == 0 for e in reused)
    sources = [p.source for p in trainings(tuned) if p.spec.stage == "stage1"]
    assert {e["reused"] for e in reused} >= set(sources)
    suggested = [e["suggestion"] for e in of_kind(study, "trial_suggested")]
    assert suggested == [e["suggestion"] for e in of_kind(alone, "trial_suggested")]


def test_a_training_that_differs_in_anything_is_not_taken_over(tmp_path: Path) -> None:
    tuned = make_study(tmp_path / "tuned", matched=False)
    finish(tuned)
    study = make_study(tmp_path / "s")
    changed = {"horizon": 26, "seed": 1, "settings": {"kappa": 1.0}, "preset": "small",
               "family": "ema_vq", "task": "reconstruction"}  # fmt: skip
    for name, value in changed.items():
        study.reuse(
            PastTraining(
                spec=TrialSpec.from_dict(past.spec.as_dict() | {name: value}),
                result=past.result,
                source=past.source,
            )
            for past in trainings(tuned)
        )
    study.begin(FACTS)
    assert study.next_trial() is not None
    assert not of_kind(study, "trial_ended")


def test_a_failed_training_is_no_result_to_take_over(tmp_path: Path) -> None:
    tuned = make_study(tmp_path / "tuned", matched=False)
    while (spec := tuned.next_trial()) is not None:
        tuned.record(outcome(spec, "failed"))
    study = make_study(tmp_path / "s")
    study.reuse(trainings(tuned))
    study.begin(FACTS)
    assert study.next_trial() is not None


def test_the_request_says_whether_it_is_matched_and_older_ones_are_not(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    for matched in (True, False):
        request = make_request(matched=matched)
        request.write(path)
        assert StudyRequest.read(path) == request
    path.write_text(path.read_text().replace("matched = false\n", ""))
    assert not StudyRequest.read(path).matched
    make_request(matched=False).write(path)
    path.write_text(path.read_text().replace("matched = false", "matched = 1"))
    with pytest.raises(RequestError, match="matched must be true or false, got 1"):
        StudyRequest.read(path)


def test_arms_that_search_different_weights_are_refused(tmp_path: Path) -> None:
    request = make_request()
    own = WeightRange(name="prediction_weight", low=0.1, high=1, scale="log", only=("prior",))
    apart = dataclasses.replace(
        request, bottlenecks=("prior", "td"), ranges=(*request.ranges, own)
    )
    apart.write(tmp_path / "study.toml")
    with pytest.raises(RequestError, match="prior and td must search the same weights"):
        StudyRequest.read(tmp_path / "study.toml")
    dataclasses.replace(apart, matched=False).write(tmp_path / "study.toml")
    StudyRequest.read(tmp_path / "study.toml")  # each on its own is fine


def test_both_arms_are_exported_with_the_common_weights(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s")
    finish(study)
    best = study.recommend("control")
    paths = export_best(study, tmp_path / "best")
    assert [path.name for path in paths] == ["itd.toml", "td.toml"]
    itd, td = map(read_export, paths)
    assert (itd.bottleneck, td.bottleneck) == ("itd", "td")
    assert itd.weights == td.weights
    assert itd.weights.kl_weight == best.values["kl_weight"]
    assert (itd.trial, td.trial) == (best.trial, best.trial + 1)
    assert itd.seeds_used == td.seeds_used
    for export in (itd, td):
        rows = [row for row in trial_rows(study.events) if row.spec.trial == export.trial]
        assert export.evidence["measured"] == [row.objective for row in rows]
        assert {row.spec.bottleneck for row in rows} == {export.bottleneck}


def test_a_row_by_suggestion_has_what_the_optimizer_was_told(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s")
    first, second = study.next_trial(), study.next_trial()
    assert first is not None
    assert second is not None
    study.record(outcome(first))
    (half,) = by_suggestion(trial_rows(study.events))
    assert (half.state, half.objective) == ("pending", None)
    study.record(outcome(second, "diverged"))
    (row,) = by_suggestion(trial_rows(study.events))
    assert (row.state, row.objective, row.wall_seconds) == ("diverged", None, 4.0)
    finish(study)
    told = study.optimizer("control").history.observations
    rows = by_suggestion(trial_rows(study.events))
    assert [row.objective for row in rows] == [told[k].value for k in range(8)]
    assert {row.spec.bottleneck for row in rows} == {"itd"}


def test_the_report_shows_one_search_and_the_runs_of_both_arms(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s")
    finish(study)
    study.finish()
    page = write_report(study, tmp_path / "report").read_text()
    assert 'id="search-control"' in page
    assert page.count("<td>control/itd</td>") == page.count("<td>control/td</td>") == 8
    draw_weights(study.events, tmp_path / "weights.svg")
    assert (tmp_path / "weights.svg").read_text().count("<!-- kl_weight -->") == 1
