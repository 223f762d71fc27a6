"""Data-parallel training on one machine: this process is worker 0, helper processes the others.

They meet through a file and talk over the loopback interface, with gloo on CPUs and NCCL on CUDA
devices. A helper ends when its standard input does, and so with the process that started it,
however that ends.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed as dist

from prior_search.data import open_tracks
from prior_search.device import resolve_device
from prior_search.errors import TrialDivergedError, WorkerLostError
from prior_search.storage.checkpoint import Checkpoint
from prior_search.training import fit
from prior_search.trial import MetricPoint, TrialSpec

logger = logging.getLogger(__name__)

READY = "ready"
TIMEOUT = timedelta(minutes=30)  # of one exchange; worker 0 may write a checkpoint meanwhile
STOP_SECONDS = 5.0  # that a helper gets to end by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSettings:
    """What all workers of a group know.

    Attributes:
        num_workers: K, at least 2.
        data: the set of frames, as ``open_tracks`` takes it.
        device: ``auto``, ``cpu`` or ``cuda``; on CUDA worker r takes device r.
        num_threads: torch threads of each worker.
    """

    num_workers: int
    data: str
    device: str
    num_threads: int

    def __post_init__(self) -> None:
        if self.num_workers < 2:
            raise ValueError(f"num_workers must be >= 2, got {self.num_workers}")


class WorkerGroup:
    """A process group of this process and its helpers, as a context.

    Args:
        settings: for all workers.

    Raises:
        WorkerLostError: a helper ended before it was ready.
    """

    def __init__(self, settings: GroupSettings) -> None:
        self._settings = settings
        self._scratch = tempfile.TemporaryDirectory(prefix="prior-search-workers-")
        meeting = str(Path(self._scratch.name) / "meeting")
        self.helpers = [self._start(rank, meeting) for rank in range(1, settings.num_workers)]
        try:
            for helper in self.helpers:
                assert helper.stdout is not None
                if helper.stdout.readline().strip() != READY:
                    raise WorkerLostError("a data-parallel worker ended before it was ready")
            _join(settings, 0, meeting)
        except BaseException:
            self.close()
            raise

    def _start(self, rank: int, meeting: str) -> subprocess.Popen[str]:
        helper = subprocess.Popen(
            [sys.executable, "-c", f"from {__name__} import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )
        _send(helper, {"rank": rank, "meeting": meeting} | dataclasses.asdict(self._settings))
        return helper

    def fit(self, spec: TrialSpec, checkpoint: Checkpoint | None = None) -> Iterator[MetricPoint]:
        """``training.fit`` on all workers; the points and files are those of worker 0.

        Raises:
            WorkerLostError: a helper went away.
            TrialDivergedError: as ``training.fit``.
        """
        task = {
            "spec": spec.as_dict(),
            "checkpoint": None if checkpoint is None else str(checkpoint.path),
        }
        try:
            for helper in self.helpers:
                _send(helper, task)
            yield from fit(
                spec,
                open_tracks(self._settings.data),
                device=self._settings.device,
                checkpoint=checkpoint,
            )
        except (RuntimeError, BrokenPipeError) as error:  # gloo and NCCL raise no narrower one
            codes = self._ended()
            if not codes:
                raise
            raise WorkerLostError(f"data-parallel workers ended with codes {codes}") from error

    def _ended(self) -> list[int]:
        """Exit codes of helpers that are gone; a broken exchange is seen before that, so wait."""
        codes = []
        for helper in self.helpers:
            try:
                codes.append(helper.wait(STOP_SECONDS / len(self.helpers)))
            except subprocess.TimeoutExpired:
                continue
        return codes

    def close(self) -> None:
        """End the helpers and leave the process group."""
        for helper in self.helpers:
            assert helper.stdin is not None
            assert helper.stdout is not None
            with contextlib.suppress(BrokenPipeError):  # it is gone already
                helper.stdin.close()
            try:
                helper.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                helper.kill()
                helper.wait()
            helper.stdout.close()
        if dist.is_initialized():
            dist.destroy_process_group()
        self._scratch.cleanup()

    def __enter__(self) -> WorkerGroup:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _send(helper: subprocess.Popen[str], message: dict[str, Any]) -> None:
    assert helper.stdin is not None
    helper.stdin.write(json.dumps(message) + "\n")
    helper.stdin.flush()


def _join(settings: GroupSettings, rank: int, meeting: str) -> None:
    """Enter the process group as worker ``rank``; returns when all are there."""
    is_cuda = resolve_device(settings.device).type == "cuda"
    if is_cuda:
        if torch.cuda.device_count() < settings.num_workers:
            raise ValueError(
                f"{settings.num_workers} workers need a CUDA device each, "
                f"this process sees {torch.cuda.device_count()}"
            )
        torch.cuda.set_device(rank)
    loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    for variable in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        os.environ[variable] = loopback
    dist.init_process_group(
        "nccl" if is_cuda else "gloo",
        init_method=Path(meeting).as_uri(),
        rank=rank,
        world_size=settings.num_workers,
        timeout=TIMEOUT,
    )


def serve() -> None:
    """The body of a helper process: join, then train whatever comes in on standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started it decides
    tasks: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_read_tasks, args=(tasks,), daemon=True).start()
    first = tasks.get()
    rank, meeting = first.pop("rank"), first.pop("meeting")
    settings = GroupSettings(**first)
    torch.set_num_threads(settings.num_threads)
    tracks = open_tracks(settings.data)
    sys.stdout.write(READY + "\n")
    sys.stdout.flush()
    _join(settings, rank, meeting)
    while True:
        task = tasks.get()
        path = task["checkpoint"]
        points = fit(
            TrialSpec.from_dict(task["spec"]),
            tracks,
            device=settings.device,
            checkpoint=None if path is None else Path(path),
        )
        with contextlib.suppress(TrialDivergedError):  # worker 0 reports it
            for _ in points:
                pass


def _read_tasks(tasks: queue.SimpleQueue[dict[str, Any]]) -> None:
    """Pass lines of standard input on; end this process with them, whatever it waits for."""
    for line in sys.stdin:
        tasks.put(json.loads(line))
    os._exit(0)
