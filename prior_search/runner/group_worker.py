"""What every worker of a group does: meet the others, and, as a helper, train what comes in.

Workers meet through a file and talk over the loopback interface, with gloo on CPUs and NCCL on
CUDA devices.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import sys
import threading
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed as dist

from prior_search.data import open_tracks
from prior_search.device import resolve_device
from prior_search.errors import TrialDivergedError
from prior_search.training import fit
from prior_search.trial import TrialSpec

READY = "ready"
TIMEOUT = timedelta(minutes=30)  # of one exchange; worker 0 may write a checkpoint meanwhile


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


def join(settings: GroupSettings, rank: int, meeting: str) -> None:
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
    join(settings, rank, meeting)
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
