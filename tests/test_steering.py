from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from prior_search.commands.steering import read_steering
from prior_search.errors import RequestError
from prior_search.report import export_best
from prior_search.steering import Steering
from prior_search.study import Study
from prior_search.trial import TrialSpec
from tests import studies

MANUAL = {"kl_weight": 3e-4, "prediction_weight": 2.0}
close_studies = studies.close_studies  # a fixture, for every test here


def make_study(storage: Path, name: str) -> Study:
    return studies.make_study(storage / name, name=name)


def reopened(study: Study) -> Study:
    study.close()
    return studies.open_study(study.folder)


def run(study: Study, trials: int = 1000) -> list[TrialSpec]:
    """Trials one after another."""
    done: list[TrialSpec] = []
    while len(done) < trials and (spec := study.next_trial()) is not None:
        study.record(studies.outcome(spec))
        done.append(spec)
    return done


def flags(**given: list[str]) -> argparse.Namespace:
    return argparse.Namespace(**{"enqueue": [], "fix": [], "warm_start": []} | given)


def changes(study: Study, **given: list[str]) -> list[Steering]:
    return read_steering(flags(**given), study.request, study.folder.parent)


def steer(study: Study, **given: list[str]) -> None:
    for change in changes(study, **given):
        study.steer(change)


def steered(study: Study) -> list[dict[str, Any]]:
    return [event for event in study.events if event["event"] == "search_steered"]


def test_enqueued_weights_run_next_at_the_full_horizon_and_once(tmp_path: Path) -> None:
    study = make_study(tmp_path, "s")
    text = "kl_weight=3e-4,prediction_weight=2"
    steer(study, enqueue=[text])
    study = reopened(study)
    steer(study, enqueue=[text])  # the same command resumes the study
    assert len(steered(study)) == 1
    own = [spec for spec in run(study) if spec.search == "prior"]
    assert own[0].role == "manual"
    assert own[0].horizon == 100
    assert {name: getattr(own[0].weights, name) for name in MANUAL} == MANUAL
    assert [spec.role for spec in own].count("manual") == 1


def test_an_exported_file_is_enqueued_for_its_bottleneck(tmp_path: Path) -> None:
    first = make_study(tmp_path, "first")
    run(first)
    first.finish()
    export_best(first, tmp_path / "best")
    (path,) = (tmp_path / "best").glob("*td*.toml")
    (change,) = changes(make_study(tmp_path, "second"), enqueue=[str(path)])
    assert (change.search, change.kind) == ("td", "enqueue")
    assert change.change == dict(first.recommend("td").values)


def test_a_fixed_weight_is_held_after_a_restart_and_let_go_on_demand(tmp_path: Path) -> None:
    study = make_study(tmp_path, "s")
    run(study, 6)
    steer(study, fix=["kl_weight=1e-3"])
    study = reopened(study)
    steer(study, fix=["kl_weight=1e-3"])
    assert [event["search"] for event in steered(study)] == ["prior", "td"]
    held = run(study, 4)
    assert {spec.weights.kl_weight for spec in held} == {1e-3}
    steer(study, fix=["kl_weight=free"])
    assert len(steered(study)) == 4
    steer(study, fix=["kl_weight=1e-3"])  # held again: the last word counts, not the first
    assert len(steered(study)) == 6


def test_a_steered_study_that_is_replayed_goes_on_bit_for_bit(tmp_path: Path) -> None:
    def suggested(is_cut: bool) -> list[dict[str, Any]]:
        storage = tmp_path / str(is_cut)
        source = make_study(storage, "source")
        run(source, 10)
        study = make_study(storage, "s")
        steer(study, warm_start=["source"], fix=["prediction_weight=2"])
        for trials in (5, 3):
            run(study, trials)
            if is_cut:
                study = reopened(study)
        steer(study, fix=["prediction_weight=free"], enqueue=["kl_weight=1e-2"])
        if is_cut:
            study = reopened(study)
        run(study)
        return [e["suggestion"] for e in study.events if e["event"] == "trial_suggested"]

    whole = suggested(is_cut=False)
    assert suggested(is_cut=True) == whole
    assert len(whole) == 16


def test_trials_of_another_study_are_learned_from_and_count_once(tmp_path: Path) -> None:
    source = make_study(tmp_path, "source")
    run(source, 10)
    study = make_study(tmp_path, "s")
    steer(study, warm_start=["source"])
    known = len(study.optimizer("prior").history.past)
    assert known == sum(e["event"] == "trial_ended" for e in source.events) / 2 == 5
    run(source, 2)
    steer(study, warm_start=["source"])  # it has gone on; its first trials would count twice
    assert len(study.optimizer("prior").history.past) == known
    run(study, 3)


def test_a_finished_study_is_not_steered(tmp_path: Path) -> None:
    study = make_study(tmp_path, "s")
    steer(study, fix=["kl_weight=1e-3"])
    run(study)
    before = len(study.events)
    steer(study, fix=["kl_weight=1e-3"])  # known already
    with pytest.raises(ValueError, match="the study is finished; fix comes too late"):
        steer(study, fix=["kl_weight=1e-4"])
    assert len(study.events) == before


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"fix": ["kl_wieght=1"]}, r"--fix kl_wieght=1: no search tunes that weight \(prior: kl"),
        ({"fix": ["kl_weight"]}, "--fix must be NAME=VALUE, got 'kl_weight'"),
        ({"fix": ["kl_weight=much"]}, "--fix kl_weight must be a number, got 'much'"),
        ({"fix": ["kl_weight=9"]}, r"search 'prior': kl_weight must be in \[1e-05, 0.1\], got 9"),
        ({"enqueue": ["prediction_weight=1"]}, "give each weight of a search once"),
        ({"enqueue": ["kl_weight=nan"]}, r"must be in \[1e-05, 0.1\], got nan"),
        ({"enqueue": [f"kl_weight=1e-{k}" for k in (2, 3, 4, 5)]}, "all 3 runs of stage 2"),
        ({"enqueue": ["/nowhere.toml"]}, "cannot read /nowhere.toml"),
        ({"warm_start": ["nowhere"]}, "no study 'nowhere'"),
        ({"warm_start": ["s"]}, "that is this study"),
        ({"warm_start": ["empty"]}, "that study has no finished trial of prior, td"),
    ],
)
def test_what_a_search_cannot_take_is_refused(
    given: dict[str, list[str]], message: str, tmp_path: Path
) -> None:
    make_study(tmp_path, "empty")
    with pytest.raises(RequestError, match=message):
        changes(make_study(tmp_path, "s"), **given)
