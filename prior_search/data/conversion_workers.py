"""Processes that make shards: they end with the process that started them, however it ends."""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Generator, Iterator
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event

from prior_search.data.shard_job import ShardJob, ShardReport, make_shard
from prior_search.errors import PriorSearchError

POLL_SECONDS = 0.5  # between looks at the number of frames done
KEPT = "finished shards are kept; the same command goes on"

_stop: Event
_frames_done: Synchronized[int]


class _StoppedError(Exception):
    """The conversion was interrupted while this worker was busy."""


def run_jobs(
    jobs: list[ShardJob], workers: int, progress: Callable[[int], None]
) -> Generator[ShardReport, None, None]:
    """Make shards, in this process if there is one worker; yields each report when it is there.

    Args:
        jobs: what to make.
        workers: processes.
        progress: called with the number of frames done.

    Raises:
        PriorSearchError: a disk failed or a worker died.
        KeyboardInterrupt: after all workers have stopped.
    """
    try:
        yield from (_one_by_one if workers == 1 else _in_parallel)(jobs, workers, progress)
    except BrokenProcessPool as error:
        raise PriorSearchError(
            f"a conversion worker died, perhaps for memory; give fewer --workers ({KEPT})"
        ) from error
    except OSError as error:
        raise PriorSearchError(f"the conversion stopped: {error} ({KEPT})") from error


def _one_by_one(
    jobs: list[ShardJob], workers: int, progress: Callable[[int], None]
) -> Generator[ShardReport, None, None]:
    done = 0

    def instance_done(frames: int) -> None:
        nonlocal done
        done += frames
        progress(done)

    for job in jobs:
        yield make_shard(job, instance_done)


def _in_parallel(
    jobs: list[ShardJob], workers: int, progress: Callable[[int], None]
) -> Generator[ShardReport, None, None]:
    context = multiprocessing.get_context("spawn")  # threads of the parent do not survive a fork
    stop, frames_done = context.Event(), context.Value("q", 0)
    waiting = iter(jobs)
    with (
        _hidden_main(),
        concurrent.futures.ProcessPoolExecutor(
            workers, mp_context=context, initializer=_start_worker, initargs=(stop, frames_done)
        ) as pool,
    ):
        try:
            running = {pool.submit(_make, job) for job in islice(waiting, 2 * workers)}
            while running:
                ended, running = concurrent.futures.wait(
                    running, POLL_SECONDS, concurrent.futures.FIRST_COMPLETED
                )
                running |= {pool.submit(_make, job) for job in islice(waiting, len(ended))}
                progress(frames_done.value)
                for future in ended:
                    yield future.result()
        finally:
            stop.set()  # else leaving the pool waits until its shards are finished
            pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def _hidden_main() -> Iterator[None]:
    """Start processes that do not import the program again, which they need nothing of.

    The command line brings optimizer, tracking and plots along: 4 s and 440 MB per worker.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _start_worker(stop: Event, frames_done: Synchronized[int]) -> None:
    global _stop, _frames_done  # a pool has no other way to hand these over
    _stop, _frames_done = stop, frames_done
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed parent closes no queue: without this its workers would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _make(job: ShardJob) -> ShardReport:
    return make_shard(job, _instance_done)


def _instance_done(frames: int) -> None:
    with _frames_done.get_lock():
        _frames_done.value += frames
    if _stop.is_set():
        raise _StoppedError
