"""Both executors, with trials of a few steps, one of which waits for the others."""

from __future__ import annotations

import dataclasses
import os
import resource
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from prior_search.runner import TrialRun, WorkerSettings
from prior_search.trial import MetricPoint, TrialResult, TrialSpec
from prior_search.weights import RegularizerWeights
from tests.integration.executors import executor

MakeSpec = Callable[..., TrialSpec]


@pytest.fixture
def settings(tracks_path: Path, tmp_path: Path) -> WorkerSettings:
    return WorkerSettings(data=str(tracks_path), trials_folder=str(tmp_path), device="cpu")


def test_a_run_reports_points_and_then_its_result(
    settings: WorkerSettings, make_spec: MakeSpec
) -> None:
    run = TrialRun(settings, make_spec())
    answers = [run.advance() for _ in range(5)]
    assert [a.step for a in answers[:4] if isinstance(a, MetricPoint)] == [1, 2, 3, 4]
    result = answers[4]
    assert not isinstance(result, MetricPoint)
    assert (result.status, result.steps) == ("completed", 4)
    assert isinstance(answers[3], MetricPoint)
    assert result.objective == answers[3].metrics["objective"]


def test_code_that_fails_is_a_result_with_the_trial_and_the_reason(
    settings: WorkerSettings, make_spec: MakeSpec
) -> None:
    result = TrialRun(settings, make_spec(trial=7, settings={"kapa": 1.0})).advance()
    assert not isinstance(result, MetricPoint)
    assert result.status == "failed"
    assert result.error is not None
    assert result.error.startswith("t0007: ValueError: unknown settings ['kapa']")


def test_a_trial_that_runs_out_of_memory_is_lost_and_says_so(
    tmp_path: Path, make_spec: MakeSpec
) -> None:
    data = tmp_path / "rehearsal.toml"
    data.write_text('step_seconds = 0.0\n[[faults]]\ntrial = 0\nkind = "fill_memory"\n')
    worker = WorkerSettings(data=str(data), trials_folder=str(tmp_path), device="cpu")
    before = resource.getrlimit(resource.RLIMIT_AS)
    room = psutil.Process().memory_info().vms + (400 << 20)  # for six of its 64 MB
    resource.setrlimit(resource.RLIMIT_AS, (room, before[1]))
    try:
        run = TrialRun(worker, make_spec(task="synthetic"))
        while isinstance(result := run.advance(), MetricPoint):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert result.status == "lost"
    assert result.error is not None
    assert result.error.startswith(f"t0000: out of memory on {socket.gethostname()}: Unable to")


def test_a_divergence_is_a_result_of_its_own(
    settings: WorkerSettings, make_spec: MakeSpec
) -> None:
    spec = make_spec(weights=RegularizerWeights(kl_weight=3e38))
    result = TrialRun(settings, spec).advance()
    assert not isinstance(result, MetricPoint)
    assert result.status == "diverged"
    assert result.objective is None


@pytest.fixture(
    scope="module",
    params=[
        "local",
        pytest.param("ray", marks=[pytest.mark.ray, pytest.mark.filterwarnings("ignore")]),
    ],
)
def kind(request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of an executor; one Ray serves all of the tests below."""
    if request.param == "local":
        yield "local"
        return
    from prior_search.runner.ray_cluster import joined

    with joined():
        yield "ray"


@pytest.fixture(scope="module")
def finished(
    kind: str,
    tracks_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    make_spec: MakeSpec,
    list_source: Any,
) -> Any:
    """What a source was told of six trials, the first of which ends after all others.

    It reads its rehearsal from a pipe, and nothing is written there before they have ended.
    """
    folder = tmp_path_factory.mktemp(kind)
    pipe = folder / "rehearsal.toml"
    os.mkfifo(pipe)
    trials = WorkerSettings(data=str(tracks_path), trials_folder=str(folder), device="cpu")
    waiting = dataclasses.replace(trials, data=str(pipe))
    specs = [make_spec(trial=k) for k in range(6)]
    specs[0] = make_spec(trial=0, task="synthetic")
    specs[2] = make_spec(trial=2, settings={"kapa": 1.0})
    specs[4] = make_spec(trial=4, weights=RegularizerWeights(kl_weight=3e38))
    source = list_source(specs)
    record = source.record

    def record_and_release(result: TrialResult) -> None:
        record(result)
        if source.left == 1:
            pipe.write_text("step_seconds = 0.0")

    source.record = record_and_release
    executor(kind, trials, 2, lambda spec: waiting if spec.trial == 0 else trials).run(source)
    return source


def test_every_trial_ends_once_and_processes_are_reused(finished: Any) -> None:
    assert len(finished.results) == 6
    assert {r.trial: r.status for r in finished.results} == {
        0: "completed",
        1: "completed",
        2: "failed",
        3: "completed",
        4: "diverged",
        5: "completed",
    }
    assert len({r.worker for r in finished.results}) <= 2
    assert len(finished.points) == 16


def test_a_free_worker_gets_the_next_trial_while_another_still_runs(finished: Any) -> None:
    assert [trial for what, trial in finished.notes if what == "end"] == [1, 2, 3, 4, 5, 0]
    assert finished.notes.index(("start", 5)) < finished.notes.index(("end", 0))


@pytest.mark.faults
def test_a_killed_worker_costs_an_attempt_and_the_rest_goes_on(
    kind: str, settings: WorkerSettings, make_spec: MakeSpec, list_source: Any
) -> None:
    source = list_source(
        [make_spec(trial=0, horizon=80), *(make_spec(trial=k) for k in (1, 2, 3))]
    )
    killed: list[int] = []

    def kill(spec: TrialSpec) -> None:
        """Kill the worker of the long trial at its first point."""
        if spec.trial == 0 and not killed:
            killed.extend(_worker_pids(kind, source))
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    source.on_point = kill
    executor(kind, settings, 1).run(source)
    statuses = [(r.trial, r.attempt, r.status) for r in source.results]
    assert killed
    assert (0, 0, "lost") in statuses
    assert (0, 1, "completed") in statuses
    assert len(statuses) == 5


def _worker_pids(kind: str, source: Any) -> list[int]:
    """Processes that run trials now."""
    if kind == "local":
        return [int(source.workers[0].rpartition(":")[2])]
    import psutil

    children = psutil.Process().children(recursive=True)
    return [p.pid for p in children if "TrialActor" in " ".join(p.cmdline())]


def test_ctrl_c_ends_the_run_without_results_for_what_was_running(
    kind: str, settings: WorkerSettings, make_spec: MakeSpec, list_source: Any
) -> None:
    rehearsal = dataclasses.replace(settings, data="embedded")
    source = list_source([make_spec(task="synthetic", horizon=1_000_000)])
    record_start = source.record_start

    def interrupt_soon(spec: TrialSpec, worker: str) -> None:
        record_start(spec, worker)
        threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()

    source.record_start = interrupt_soon
    with pytest.raises(KeyboardInterrupt):
        executor(kind, rehearsal, 1).run(source)
    assert source.results == []
