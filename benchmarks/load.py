"""How a study of many trials behaves: resuming it, looking at it, and the driver's own time.

    python benchmarks/load.py --trials 10000

Writes the record of a finished study with so many trials, then measures in fresh states: resuming
(``Study`` replays the log), the rows of ``status``, ``trials.parquet``, the report, and memory.
Then a driver's time for one stage-1 trial (suggestion, start, four points, result, all in the
log), from which the share follows that 64 concurrent one-second trials would take of it without
an executor (``load_workers.py`` has real ones), for one suggestion of the surrogate, and for
sending ``--mirrored`` trials to MLflow. Times are processor seconds where that is said: other
processes of the machine do not count.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from prior_search.event_log import EventLog, read_events
from prior_search.report import trial_rows, write_parquet, write_report
from prior_search.request import StudyRequest
from prior_search.search import Suggestion
from prior_search.space_tables import Budget, WeightRange
from prior_search.study import Study
from prior_search.trial import MetricPoint, TrialResult, TrialSpec
from prior_search.weights import RegularizerWeights

FACTS = {"versions": {}, "data_fingerprint": "load"}


def make_request(stage1: int, stage2: int) -> StudyRequest:
    return StudyRequest(
        name="load",
        family="gaussian",
        bottlenecks=("td",),
        task="synthetic",
        preset="tiny",
        steps=40,
        seed=0,
        data="embedded",
        ranges=(WeightRange(name="kl_weight", low=1e-5, high=0.1, scale="log", only=("td",)),),
        settings={"kappa": 0.5},
        budget=Budget(
            stage1_trials=stage1, stage2_trials=stage2, confirm_trials=0, anchors=1,
            short_horizon=0.5,
        ),
    )  # fmt: skip


def result_of(spec: TrialSpec) -> TrialResult:
    value = 1.0 + (spec.seed % 1000) / 1000
    return TrialResult(
        trial=spec.trial, replicate=0, attempt=0, status="completed", objective=value
    )


def write_record(folder: Path, trials: int) -> None:
    """The log of a finished study, written as its driver would, but without a surrogate."""
    Study.create(folder, make_request(trials // 2, trials - trials // 2), FACTS)
    points = np.random.default_rng(0).random(trials)
    with EventLog(folder / "events.jsonl") as log:
        for number, x in enumerate(points):
            is_short = number < trials // 2
            stage, horizon = ("stage1", 20) if is_short else ("stage2", 40)
            values = {"kl_weight": float(10 ** (4 * x - 5))}
            suggestion = Suggestion(
                index=number, trial=number, stage=stage, role="sobol",  # type: ignore[arg-type]
                horizon="short" if is_short else "long", point=(float(x),), values=values,
                rng_key=number,
            )  # fmt: skip
            spec = TrialSpec(
                study="load", search="td", trial=number, stage=stage, role="sobol",  # type: ignore[arg-type]
                task="synthetic", bottleneck="td", family="gaussian", preset="tiny",
                weights=RegularizerWeights(**values), settings={"kappa": 0.5}, horizon=horizon,
                seed=number,
            )  # fmt: skip
            data = {"search": "td", "trial": number, "replicate": 0}
            told = {"suggestion": suggestion.as_dict(), "spec": spec.as_dict()}
            log.append("trial_suggested", data | told)
            log.append("trial_started", {"search": "td", "key": [number, 0, 0], "worker": "w"})
            for step in (5, 10, 15, 20):
                metrics = {"step": step, "metrics": {"objective": 1.0}}
                log.append("metric_point", {"search": "td", "key": [number, 0, 0], **metrics})
            log.append("trial_ended", {"search": "td", "result": result_of(spec).as_dict()})


def timed(name: str, action: Callable[[], object]) -> None:
    wall, processor = time.perf_counter(), time.process_time()
    action()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    print(f"{name:42s} {processor:8.2f} s of processor, {wall:8.2f} s of wall clock")


def measure_record(trials: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "study"
        timed(f"writing {trials} trials", lambda: write_record(folder, trials))
        studies: list[Study] = []
        timed("resuming", lambda: studies.append(Study(folder)))
        study = studies[0]
        timed("rows of status", lambda: trial_rows(study.events))
        timed("trials.parquet", lambda: write_parquet(study.events, folder / "trials.parquet"))
        timed("the report, with its figures", lambda: write_report(study, folder / "report"))
        study.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{'memory at its peak, torch included':42s} {peak:8.0f} MB")


def measure_mirror(trials: int) -> None:
    """Sending a record to an MLflow store in sqlite, as a thread of the driver does."""
    from prior_search.mlflow_log import MlflowMirror

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "study"
        write_record(folder, trials)
        events = read_events(folder / "events.jsonl")
        mirror = MlflowMirror(folder)
        mirror.apply(events[:1])  # makes the tables
        timed(f"MLflow mirror of {trials} trials", lambda: mirror.apply(events))


def run_trial(study: Study) -> None:
    spec = study.next_trial()
    assert spec is not None
    study.record_start(spec, "worker")
    for step in (5, 10, 15, 20):
        study.record_point(spec, MetricPoint(step=step, metrics={"objective": 1.0}))
    study.record(result_of(spec))


def measure_driver(trials: int = 512) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "study"
        Study.create(folder, make_request(trials, 100), FACTS)
        study = Study(folder)
        started, processor = time.perf_counter(), time.process_time()
        for _ in range(trials):
            run_trial(study)
        wall = (time.perf_counter() - started) / trials
        processor = (time.process_time() - processor) / trials
        print(
            f"a stage-1 trial of the driver: {1000 * processor:.2f} ms of processor, "
            f"{1000 * wall:.2f} ms of wall clock"
        )
        print(
            f"share of 64 concurrent one-second trials: {6400 * processor:.1f} % of processor, "
            f"{6400 * wall:.1f} % of wall clock"
        )
        timed(f"a suggestion of the surrogate at n={trials}", lambda: run_trial(study))
        study.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--mirrored", type=int, default=1_000, help="trials sent to MLflow")
    options = parser.parse_args()
    measure_record(options.trials)
    measure_driver()
    measure_mirror(options.mirrored)


if __name__ == "__main__":
    main()
