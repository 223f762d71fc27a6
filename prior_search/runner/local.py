"""Trials on this machine without Ray: processes that are kept and reused between trials."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from prior_search.runner.deadline import Deadlines, overdue_result
from prior_search.runner.gpu_memory import is_leaking
from prior_search.runner.source import TrialSource
from prior_search.runner.worker import TrialRun, WorkerSettings, lost, worker_name
from prior_search.trial import MetricPoint, TrialSpec

STOP_SECONDS = 5.0  # that a worker gets to end by itself
WATCH_SECONDS = 60.0  # at the longest between two looks at the deadlines


def _serve(pipe: Connection) -> None:
    """Run trials as they come; the body of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver decides what Ctrl-C means
    threading.Thread(target=_end_with_driver, daemon=True).start()
    pipe.send(worker_name())
    while (job := pipe.recv()) is not None:
        run = TrialRun(*job)
        while isinstance(answer := run.advance(), MetricPoint):
            pipe.send(answer)
        pipe.send(answer)
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
        self.name: str | None = None  # known once it is up
        self.spec: TrialSpec | None = None
        self.overdue_after: float | None = None  # seconds, once the driver has ended it

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

    def run(self, source: TrialSource) -> None:
        """Run until the source is finished, or has nothing left to wait for.

        Raises:
            KeyboardInterrupt: after all workers have ended; nothing is recorded of their trials.
        """
        workers = [_Worker() for _ in range(self._num_workers)]
        try:
            while not source.is_finished:
                self._hand_out(source, workers)
                if all(w.spec is None and w.name is not None for w in workers):
                    return  # nothing to run and nothing to wait for
                self._listen(source, workers)
                self._end_overdue(workers)
        finally:
            for worker in workers:
                worker.stop()

    def _hand_out(self, source: TrialSource, workers: list[_Worker]) -> None:
        for worker in workers:
            if worker.spec is None and worker.name is not None:
                spec = source.next_trial()
                if spec is None:
                    return
                worker.spec = spec
                source.record_start(spec, worker.name)
                self._deadlines.begin(spec, time.monotonic())
                try:
                    worker.pipe.send((self._settings_of(spec), spec))
                except BrokenPipeError:
                    return  # the process is gone; listening will notice and record the loss

    def _listen(self, source: TrialSource, workers: list[_Worker]) -> None:
        """Wait for a message or a deadline and deal with all messages that are there."""
        seconds = min(WATCH_SECONDS, self._deadlines.remaining(time.monotonic()))
        ready = wait([w.pipe for w in workers], timeout=seconds)
        for number, worker in enumerate(workers):
            if worker.pipe not in ready:
                continue
            try:
                message = worker.pipe.recv()
            except (EOFError, ConnectionResetError):
                workers[number] = _Worker()
                self._record_end(source, worker)
                continue
            self._take(source, worker, message)

    def _record_end(self, source: TrialSource, worker: _Worker) -> None:
        """Record what the end of a process means for the trial that it ran."""
        worker.process.join()
        worker.pipe.close()
        spec, code = worker.spec, worker.process.exitcode
        if spec is None:
            return
        self._deadlines.end(spec)
        if worker.overdue_after is not None:
            source.record(overdue_result(spec, worker.overdue_after))
        else:
            source.record(lost(spec, f"worker process ended with code {code}"))

    def _end_overdue(self, workers: list[_Worker]) -> None:
        """End the processes of trials that have had their time; listening notices the end."""
        overdue = self._deadlines.overdue(time.monotonic())
        for worker in workers:
            if worker.spec in overdue and worker.overdue_after is None:
                worker.overdue_after = self._deadlines.limit(worker.spec.horizon)
                worker.process.kill()

    def _take(self, source: TrialSource, worker: _Worker, message: object) -> None:
        if isinstance(message, str):
            worker.name = message
            return
        assert worker.spec is not None  # the rest is about its trial
        if isinstance(message, MetricPoint):
            self._deadlines.progress(worker.spec, message.step, time.monotonic())
            source.record_point(worker.spec, message)
        else:
            self._deadlines.end(worker.spec)
            worker.spec = None
            source.record(message)  # type: ignore[arg-type]  # all that a worker sends besides
