from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest

from prior_search import cli
from prior_search.errors import RecordError, RequestError
from prior_search.event_log import read_events
from prior_search.report import draw_weights, export_best, read_export, trial_rows, write_parquet
from prior_search.report.bundle import write_report
from prior_search.search import Recommendation
from prior_search.study import Study
from prior_search.study_search import derive_seed
from prior_search.trial import MetricPoint, TrialSpec
from tests import studies
from tests.studies import FACTS, REQUEST, make_study, open_study, outcome

close_studies = studies.close_studies  # a fixture, for every test here


def suggestions(study: Study) -> list[dict[str, Any]]:
    return [e["suggestion"] for e in study.events if e["event"] == "trial_suggested"]


def finish(study: Study, in_flight: int = 2) -> None:
    """Run the study to its end with ``in_flight`` workers, first come first served."""
    running: list[TrialSpec] = []
    while not study.is_finished:
        while len(running) < in_flight and (spec := study.next_trial()) is not None:
            study.record_start(spec, "worker")
            running.append(spec)
        done = running.pop(0)
        study.record_point(done, MetricPoint(step=1, metrics={"objective": 5.0}))
        study.record(outcome(done))


def test_a_study_spends_its_plan_on_every_search(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s")
    finish(study)
    rows = trial_rows(study.events)
    for bottleneck in ("prior", "td"):
        own = [row.spec for row in rows if row.spec.search == bottleneck]
        assert [s.stage for s in own] == ["stage1"] * 4 + ["stage2"] * 3 + ["confirm"]
        assert [s.horizon for s in own] == [25] * 4 + [100] * 4
    assert len({row.spec.label for row in rows}) == len(rows) == 16
    seeds = {b: [row.spec.seed for row in rows if row.spec.search == b] for b in ("prior", "td")}
    assert len(set(seeds["td"])) == 8
    assert (
        seeds["prior"][:7] == seeds["td"][:7]
    )  # paired; each confirms a configuration of its own
    assert all(
        (row.spec.weights.prediction_weight > 0) == (row.spec.search == "prior") for row in rows
    )


def test_bottlenecks_with_the_same_weights_start_from_the_same_points(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s", bottlenecks=("td", "itd"))
    first = [spec for _ in range(8) if (spec := study.next_trial()) is not None]
    points = {b: [s.weights for s in first if s.bottleneck == b] for b in ("td", "itd")}
    assert points["td"] == points["itd"]
    assert len(set(points["td"])) == 4


def test_searches_progress_together(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s")
    first = [study.next_trial() for _ in range(4)]
    assert sorted(s.search for s in first if s is not None) == ["prior", "prior", "td", "td"]


def test_a_suggestion_is_in_the_log_before_it_is_handed_out(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s")
    spec = study.next_trial()
    assert spec is not None
    last = read_events(tmp_path / "s" / "events.jsonl")[-1]
    assert last["event"] == "trial_suggested"
    assert TrialSpec.from_dict(last["spec"]) == spec


@pytest.mark.parametrize("cut", [3, 9, 17, 26, 34, 45, 52])
def test_a_study_killed_at_any_event_makes_the_same_suggestions_once_resumed(
    tmp_path: Path, cut: int, recovered: Any
) -> None:
    whole = make_study(tmp_path / "whole")
    finish(whole, in_flight=1)
    assert cut < len(whole.events)
    folder = tmp_path / "cut"
    Study.create(folder, REQUEST, FACTS)
    lines = (tmp_path / "whole" / "events.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "events.jsonl").write_bytes(b"".join(lines[:cut]) + lines[cut][:7])
    started = time.monotonic()
    resumed = open_study(folder)
    resumed.begin(FACTS)
    recovered(f"event log cut in its line {cut + 1}, read again", time.monotonic() - started)
    finish(resumed, in_flight=1)
    assert suggestions(resumed) == suggestions(whole)
    completed = [e for e in resumed.events if e["event"] == "trial_ended"]
    runs = [(e["result"]["trial"], e["result"]["replicate"]) for e in completed]
    assert len(runs) == len(set(runs)) == 16  # none lost, none twice


def test_runs_of_a_dead_driver_come_again_one_attempt_later(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s")
    first, second = study.next_trial(), study.next_trial()
    assert first is not None
    assert second is not None
    study.record(outcome(second))
    study.close()
    resumed = open_study(tmp_path / "s")
    resumed.begin(FACTS)
    assert resumed.next_trial() == first.retry()


def test_a_lost_trial_is_tried_three_more_times_and_failing_code_once(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s")
    for status, attempts in (("lost", 4), ("failed", 2)):
        spec = study.next_trial()
        assert spec is not None
        for attempt in range(attempts):
            assert spec.attempt == attempt
            key = spec.key[:2]
            study.record(outcome(spec, status, error="gone"))
            again = study.next_trial()
            assert again is not None
            is_retried = again.key[:2] == key
            assert is_retried == (attempt < attempts - 1)
            spec = again
        study.record(outcome(spec))


def test_a_late_result_of_a_lost_attempt_is_taken_once_and_cancels_the_retry(
    tmp_path: Path,
) -> None:
    study = make_study(tmp_path / "s")
    spec = study.next_trial()
    assert spec is not None
    study.record(outcome(spec, "lost", error="gone"))
    study.record(outcome(spec))
    study.record(outcome(spec))
    kinds = [e["event"] for e in study.events]
    assert kinds.count("late_result") == 1
    following = study.next_trial()
    assert following is not None
    assert following.key[:2] != spec.key[:2]


def test_a_result_that_was_never_asked_for_is_refused(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s")
    spec = study.next_trial()
    assert spec is not None
    with pytest.raises(RecordError, match="never handed out"):
        study.record(outcome(spec, attempt=5))
    with pytest.raises(RecordError, match="never handed out"):
        study.record(outcome(spec, trial=99))


def test_diverged_and_stopped_trials_are_kept_apart(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s")
    diverged, stopped = study.next_trial(), study.next_trial()
    assert diverged is not None
    assert stopped is not None
    study.record(outcome(diverged, "diverged"))
    study.record(outcome(stopped, "stopped"))
    study.close()
    resumed = open_study(tmp_path / "s")
    resumed.begin(FACTS)
    assert resumed.next_trial() == stopped.retry()


def test_a_search_in_which_every_trial_fails_ends_without_a_recommendation(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s", bottlenecks=("td",))
    while not study.is_finished:
        spec = study.next_trial()
        assert spec is not None
        study.record(outcome(spec, "failed", error="boom"))
    assert study.finish() == {"td": None}
    with pytest.raises(RequestError, match="no completed trial at the full horizon to export"):
        export_best(study, tmp_path / "best")


def test_a_search_of_which_one_long_trial_is_left_recommends_it_without_an_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = make_study(tmp_path / "s", bottlenecks=("td",))
    while not study.is_finished:
        spec = study.next_trial()
        assert spec is not None
        study.record(outcome(spec, "completed" if spec.key[:2] == (5, 0) else "diverged"))
    best = study.finish()["td"]
    assert best is not None
    assert (best.trial, best.predicted_sd) == (5, math.inf)
    assert study.events[-2]["recommendation"]["predicted_sd"] is None
    assert Recommendation.from_dict(study.events[-2]["recommendation"]) == best
    assert "predicted_sd" not in read_export(export_best(study, tmp_path / "best")[0]).evidence
    assert "-inf" not in write_report(study, tmp_path / "report").read_text()
    study.close()
    monkeypatch.chdir(tmp_path)
    assert cli.main(["best", str(tmp_path / "s")]) == 0
    assert "± unknown" in capsys.readouterr().out


def test_two_drivers_cannot_run_one_study(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s")
    with pytest.raises(RequestError, match="another process is running"):
        open_study(tmp_path / "s")
    looking = Study(tmp_path / "s", read_only=True)  # while the driver runs
    assert looking.events == study.events
    looking.close()
    study.close()
    open_study(tmp_path / "s").close()


def test_a_folder_without_a_study_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no study in"):
        open_study(tmp_path)


def test_the_export_holds_what_the_final_training_needs_and_comes_back_equal(
    tmp_path: Path,
) -> None:
    study = make_study(tmp_path / "s")
    finish(study)
    study.finish()
    paths = export_best(study, tmp_path / "best")
    assert [p.name for p in paths] == ["prior.toml", "td.toml"]
    found = read_export(paths[1])
    best = study.recommend("td")
    assert found.trial == best.trial
    assert found.weights.as_dict()["kl_weight"] == best.values["kl_weight"]
    assert (found.steps, found.data_fingerprint, found.settings) == (100, "abc", {"kappa": 0.5})
    found.write(tmp_path / "again.toml")
    assert read_export(tmp_path / "again.toml") == found


def test_recommendations_and_parquet_can_be_rebuilt_from_the_log(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    study = make_study(tmp_path / "s")
    finish(study)
    before = study.finish()
    study.close()
    again = open_study(tmp_path / "s")
    assert again.is_finished
    assert again.finish() == before
    write_parquet(again.events, tmp_path / "trials.parquet")
    table = pq.read_table(tmp_path / "trials.parquet").to_pydict()
    assert len(table["label"]) == 16
    assert min(v for v in table["objective"]) > 4
    assert set(table["state"]) == {"completed"}


def test_the_picture_has_a_panel_per_weight_and_survives_failed_trials(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s")
    spec = study.next_trial()
    assert spec is not None
    study.record(outcome(spec, "diverged"))
    finish(study)
    study.finish()
    draw_weights(study.events, tmp_path / "weights.svg")
    drawn = (tmp_path / "weights.svg").read_text()
    assert drawn.count("<!-- kl_weight -->") == 2
    assert drawn.count("<!-- prediction_weight -->") == 1


def test_seeds_depend_on_all_parts_and_nothing_else() -> None:
    assert derive_seed(0, "prior", 1, 0) == derive_seed(0, "prior", 1, 0)
    assert len({derive_seed(a, b, 1) for a in range(10) for b in ("prior", "td")}) == 20
