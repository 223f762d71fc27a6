"""Trials on this machine without Ray: processes that are kept and reused between trials."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import selectors
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from prior_search.runner.deadline import WATCH_SECONDS, Deadlines, overdue_result
from prior_search.runner.gpu_memory import is_leaking
from prior_search.runner.message import Teller, take
from prior_search.runner.source import TrialSource
from prior_search.runner.worker import TrialRun, WorkerSettings, lost, worker_name
from prior_search.trial import TrialSpec

STOP_SECONDS = 5.0  # that a worker gets to end by itself


def _serve(pipe: Connection) -> None:
    """Run trials as they come; the body of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver decides what Ctrl-C means
    threading.Thread(target=_end_with_driver, daemon=True).start()
    pipe.send(worker_name())
    settings: WorkerSettings | None = None
    while (job := pipe.recv()) is not None:
        settings = job["settings"] or settings
        assert settings is not None  # the first job brings them
        teller = Teller(TrialRun(settings, TrialSpec.from_dict(job["spec"])))
        while (message := teller.message())["result"] is None:
            pipe.send(message)
        pipe.send(message)
        if is_leaking():
            return  # the driver starts another process in the place of this one


def _end_with_driver() -> None:
    """A driver that is killed cannot end its workers; the next one trains the same trials."""
    driver = multiprocessing.parent_process()
    assert driver is not None  # this is a child
    driver.join()
    os._exit(1)


class _Worker:
    """A process, the pipe to it, and the trial that it runs."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")  # fork is not safe with torch's threads
        self.pipe, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self.name = ""  # known once it is up
        self.spec: TrialSpec | None = None
        self.settings: WorkerSettings | None = None  # that it has
        self.overdue_after: float | None = None  # seconds, once the driver has ended it

    def send(self, spec: TrialSpec, settings: WorkerSettings) -> None:
        """Hand a trial to the process, as plain data, and settings that it does not have yet."""
        news = None if settings == self.settings else settings
        self.settings = settings
        with contextlib.suppress(BrokenPipeError):  # who listens hears of the end
            self.pipe.send({"settings": news, "spec": spec.as_dict()})

    def stop(self) -> None:
        """End the process, with a running trial or without."""
        if self.spec is None and self.process.is_alive():
            try:
                self.pipe.send(None)
                self.process.join(STOP_SECONDS)
            except BrokenPipeError:
                pass  # it has ended between the question and the message
        if self.process.is_alive():
            self.process.terminate()
        self.process.join()
        self.pipe.close()


class LocalExecutor:
    """Runs a source's trials in worker processes, asking whenever one is free.

    Args:
        settings: for the workers.
        num_workers: trials at a time.
        settings_of: of one trial, where they differ between trials; None for ``settings``.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        num_workers: int,
        settings_of: Callable[[TrialSpec], WorkerSettings] | None = None,
    ) -> None:
        if num_workers < 1:
            raise ValueError(f"num_workers must be >= 1, got {num_workers}")
        self._settings_of = settings_of or (lambda _: settings)
        self._num_workers = num_workers
        self._deadlines = Deadlines(settings.trial_seconds)
        self._pipes: selectors.BaseSelector  # to the workers, while they run
        self._idle: deque[_Worker] = deque()

    def run(self, source: TrialSource) -> None:
        """Run until the source is finished, or has nothing left to wait for.

        Raises:
            KeyboardInterrupt: after all workers have ended; nothing is recorded of their trials.
        """
        with selectors.DefaultSelector() as self._pipes:
            self._idle.clear()
            gc.freeze()  # what was imported stays; scanning it took a fifth of a driver's time
            try:
                for _ in range(self._num_workers):
                    self._start_worker()
                while not source.is_finished:
                    self._hand_out(source)
                    if len(self._idle) == self._num_workers:
                        return  # nothing to run and nothing to wait for
                    self._listen(source)
                    self._end_overdue()
            finally:
                gc.unfreeze()
                for worker in self._workers():
                    worker.stop()

    def _start_worker(self) -> None:
        worker = _Worker()
        self._pipes.register(worker.pipe, selectors.EVENT_READ, worker)

    def _workers(self) -> list[_Worker]:
        return [key.data for key in self._pipes.get_map().values()]

    def _hand_out(self, source: TrialSource) -> None:
        while self._idle:
            spec = source.next_trial()
            if spec is None:
                return
            worker = self._idle.popleft()
            worker.spec = spec
            source.record_start(spec, worker.name)
            self._deadlines.begin(spec, time.monotonic())
            worker.send(spec, self._settings_of(spec))

    def _listen(self, source: TrialSource) -> None:
        """Wait for a message or a look at the deadlines; take one message of each that has any."""
        for key, _ in self._pipes.select(WATCH_SECONDS):
            worker = key.data
            try:
                message = worker.pipe.recv()
            except (EOFError, OSError):  # an end in the middle of a message is a plain OSError
                self._pipes.unregister(worker.pipe)
                self._start_worker()
                self._record_end(source, worker)
                continue
            self._take(source, worker, message)

    def _record_end(self, source: TrialSource, worker: _Worker) -> None:
        """Record what the end of a process means for the trial that it ran."""
        worker.process.join()
        worker.pipe.close()
        spec, code = worker.spec, worker.process.exitcode
        if spec is None:
            if worker in self._idle:
                self._idle.remove(worker)
            return
        self._deadlines.end(spec)
        if worker.overdue_after is not None:
            source.record(overdue_result(spec, worker.overdue_after))
        else:
            source.record(lost(spec, f"worker process ended with code {code}"))

    def _end_overdue(self) -> None:
        """End the processes of trials that have had their time; listening notices the end."""
        overdue = self._deadlines.look(time.monotonic())
        for worker in self._workers() if overdue else ():
            if worker.spec in overdue and worker.overdue_after is None:
                worker.overdue_after = self._deadlines.limit(worker.spec.horizon)
                worker.process.kill()

    def _take(self, source: TrialSource, worker: _Worker, message: Any) -> None:
        if isinstance(message, str):
            worker.name = message
            self._idle.append(worker)
            return
        assert worker.spec is not None  # the rest is about its trial
        result = take(message, worker.spec, source, self._deadlines)
        if result is not None:
            worker.spec = None
            if worker.overdue_after is None:  # else the result came as its process was ended
                self._idle.append(worker)
            source.record(result)
