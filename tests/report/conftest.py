"""A study with everything in it that can happen, run without training."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prior_search.report import write_report
from prior_search.space_tables import Budget
from prior_search.study import Study
from prior_search.trial import MetricPoint, TrialSpec
from tests.studies import REQUEST, outcome

HOSTILE = "<script>document.title='taken'</script><img src=x onerror=alert(1)>"


def end(study: Study, spec: TrialSpec, status: Any, error: str | None = None) -> None:
    study.record(
        outcome(
            spec,
            status,
            metrics={"information_nats": 10 * math.log(2.0)},
            steps=spec.horizon if status == "completed" else 7,
            wall_seconds=2.0,
            worker="host:1",
            error=error,
        )
    )


def run_trials(study: Study, number: int) -> None:
    """Trial 1 diverges, the first attempt at trial 2 is lost with a hostile message."""
    for _ in range(number):
        spec = study.next_trial()
        if spec is None:
            return
        study.record_start(spec, "worker")
        study.record_point(spec, MetricPoint(step=10, metrics={"objective": 5.5}))
        if spec.trial == 2 and spec.attempt == 0:
            end(study, spec, "lost", HOSTILE)
        elif spec.trial == 1:
            end(study, spec, "diverged", "loss is nan at step 7")
        else:
            end(study, spec, "completed")


def make_study(folder: Path, number: int) -> Study:
    facts = {"versions": {"python": HOSTILE}, "data_fingerprint": "abc"}
    request = dataclasses.replace(
        REQUEST,
        name=f"study {HOSTILE}",
        data=HOSTILE,
        budget=Budget(
            stage1_trials=6, stage2_trials=8, confirm_trials=1, anchors=5, short_horizon=0.25
        ),
    )
    Study.create(folder, request, facts)
    (folder / "env.lock").write_text(f"{HOSTILE}==1\n")
    study = Study(folder)
    study.begin(facts)
    run_trials(study, number)
    if study.is_finished:
        study.finish()
    return study


@pytest.fixture(scope="session")
def hostile() -> str:
    """Text that would run if any of it were put into a page as it is."""
    return HOSTILE


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """Two searches, one diverged run, one lost attempt, hostile names."""
    study = make_study(tmp_path_factory.mktemp("finished") / "study", 1000)
    yield study
    study.close()


@pytest.fixture(scope="session")
def report_folder(finished_study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the finished study."""
    folder = tmp_path_factory.mktemp("report")
    write_report(finished_study, folder)
    return folder


@pytest.fixture
def unfinished_study(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Study]:
    """The same after as many runs as the test's parameter says."""
    study = make_study(tmp_path / "study", request.param)
    yield study
    study.close()


@pytest.fixture(scope="session")
def run_outcomes() -> Any:
    """Runs trials of a study without training; see ``run_trials``."""
    return run_trials
