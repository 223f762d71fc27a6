"""Processes of this machine as workers."""

from __future__ import annotations

import os
import selectors
import struct
from collections.abc import Callable
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest

from prior_search.runner import LocalExecutor, WorkerSettings, local
from prior_search.trial import TrialSpec

MakeSpec = Callable[..., TrialSpec]


@pytest.fixture
def settings(tmp_path: Path) -> WorkerSettings:
    """Of rehearsed trials."""
    return WorkerSettings(data="embedded", trials_folder=str(tmp_path), device="cpu")


def test_a_source_with_nothing_to_run_ends_at_once(
    settings: WorkerSettings, list_source: Any
) -> None:
    source = list_source([])
    source.left = 1  # never finished, but nothing to hand out either
    LocalExecutor(settings, num_workers=1).run(source)
    assert source.results == []


def test_a_worker_that_is_ended_as_its_result_comes_gets_no_other_trial(
    settings: WorkerSettings, make_spec: MakeSpec, list_source: Any, monkeypatch: Any
) -> None:
    """A driver that a bucket held up, or a suspended machine, finds both at once."""
    source = list_source([make_spec(trial=k, task="synthetic") for k in range(2)])
    executor = LocalExecutor(settings, num_workers=1)

    def look(now: float) -> list[TrialSpec]:
        [worker] = executor._workers()
        is_first = worker.spec is not None and worker.spec.trial == 0
        return [worker.spec] if is_first and worker.pipe.poll(60) else []

    monkeypatch.setattr(executor._deadlines, "look", look)
    executor.run(source)
    assert [(r.trial, r.status) for r in source.results] == [(0, "completed"), (1, "completed")]


def test_a_worker_that_dies_while_it_is_idle_is_replaced(
    settings: WorkerSettings, make_spec: MakeSpec, list_source: Any
) -> None:
    source = list_source([make_spec(trial=k, task="synthetic") for k in range(2)])
    executor = LocalExecutor(settings, num_workers=2)
    next_trial = source.next_trial
    killed: list[Any] = []

    def kill_first() -> TrialSpec | None:
        if killed:
            return next_trial()
        killed.append(executor._idle[0])
        killed[0].process.kill()
        killed[0].process.join()
        return None

    source.next_trial = kill_first
    executor.run(source)
    assert [r.status for r in source.results] == ["completed"] * 2
    assert killed[0].name not in {r.worker for r in source.results}


def test_zero_workers_are_refused(settings: WorkerSettings) -> None:
    with pytest.raises(ValueError, match="num_workers must be >= 1, got 0"):
        LocalExecutor(settings, num_workers=0)


class Ended:
    """A process that is no more."""

    exitcode = -9

    def join(self) -> None:
        """It has ended."""


def test_a_message_that_its_workers_end_cut_short_is_a_lost_attempt(
    settings: WorkerSettings, make_spec: MakeSpec, list_source: Any, monkeypatch: Any
) -> None:
    executor, source = LocalExecutor(settings, num_workers=1), list_source([])
    worker = object.__new__(local._Worker)
    worker.pipe, theirs = Pipe()
    worker.process, worker.overdue_after = Ended(), None  # type: ignore[assignment]
    worker.spec = make_spec(task="synthetic")
    source.specs = {0: worker.spec}
    os.write(theirs.fileno(), struct.pack("!i", 100) + b"cut")
    theirs.close()
    monkeypatch.setattr(executor, "_start_worker", lambda: None)
    with selectors.DefaultSelector() as executor._pipes:
        executor._pipes.register(worker.pipe, selectors.EVENT_READ, worker)
        executor._listen(source)
    assert [(r.trial, r.status) for r in source.results] == [(0, "lost")]
