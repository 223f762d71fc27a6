"""What a worker does with one trial, the same under every executor."""

from __future__ import annotations

import functools
import logging
import os
import socket
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from prior_search.data import ObjectTracks, open_tracks
from prior_search.device import resolve_device
from prior_search.errors import StorageError, TrialDivergedError, WorkerLostError
from prior_search.model_evaluation import evaluate_beside
from prior_search.model_file import MODEL_NAME
from prior_search.redaction import redact
from prior_search.runner import gpu_memory
from prior_search.runner.group_worker import GroupSettings
from prior_search.runner.worker_group import WorkerGroup
from prior_search.storage.checkpoint import Checkpoint, disk_fault
from prior_search.synthetic import rehearse
from prior_search.training import fit
from prior_search.trial import MetricPoint, Status, TrialResult, TrialSpec

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """Where and how trials run; nothing here changes what they compute.

    Attributes:
        data: object tracks, or a rehearsal file: a path that every worker can read, or an s3://
            address.
        trials_folder: holds a folder per training run, for checkpoints and models.
        device: ``auto``, ``cpu`` or ``cuda``.
        num_threads: torch threads of one process.
        num_workers: processes on this machine that share the batches of one trial.
        checkpoint_seconds: time between checkpoints.
        trial_seconds: that an attempt may take; None derives them from the trials before it.
        gpu_share: part of a CUDA device's memory that a trial may take; None does not limit it.
    """

    data: str
    trials_folder: str
    device: str = "auto"
    num_threads: int = 1
    num_workers: int = 1
    checkpoint_seconds: float = 60.0
    trial_seconds: float | None = None
    gpu_share: float | None = None


@functools.lru_cache(maxsize=2)
def _tracks(path: str) -> ObjectTracks:
    """Opened once per process; the files are memory-mapped."""
    return open_tracks(path)


def worker_name() -> str:
    """Host and process of this worker."""
    return f"{socket.gethostname()}:{os.getpid()}"


class TrialRun:
    """One attempt, advanced from point to point.

    Args:
        settings: where and how.
        spec: what.
    """

    def __init__(self, settings: WorkerSettings, spec: TrialSpec) -> None:
        self.spec = spec
        self._settings = settings
        self._started = time.monotonic()
        self._last: MetricPoint | None = None
        self._points: Iterator[MetricPoint] | None = None

    def advance(self) -> MetricPoint | TrialResult:
        """Train to the next point; a ``TrialResult`` once there is none."""
        try:
            if self._points is None:
                self._points = self._begin()
            point = next(self._points, None)
        except TrialDivergedError as error:
            return self._result("diverged", error=str(error))
        except WorkerLostError as error:
            return self._result("lost", error=str(error))
        except Exception as error:  # noqa: BLE001  whatever a trial raises is recorded
            if (fault := machine_fault(error)) is not None:
                return self._result("lost", error=f"{self.spec.label}: {fault}")
            trace = redact("".join(traceback.format_exception(error)))
            logger.error("trial %s failed: %s", self.spec.label, trace)
            text = " ".join(f"{type(error).__name__}: {error}".split())
            return self._result("failed", error=f"{self.spec.label}: {text}")
        if point is None:
            return self._result("completed")
        self._last = point
        return point

    def _begin(self) -> Iterator[MetricPoint]:
        settings = self._settings
        torch.set_num_threads(settings.num_threads)
        checkpoint = Checkpoint.of_run(
            settings.trials_folder, self.spec.label, settings.checkpoint_seconds
        )
        if self.spec.task == "synthetic":
            yield from rehearse(self.spec, settings.data, checkpoint=checkpoint)
            return
        if self.spec.stage == "evaluation":
            model = checkpoint.path.with_name(MODEL_NAME)
            yield evaluate_beside(model, _tracks(settings.data), device=settings.device)
            return
        if settings.num_workers > 1:
            yield from self._on_several_workers(checkpoint)
            return
        points = fit(
            self.spec, _tracks(settings.data), device=settings.device, checkpoint=checkpoint
        )
        is_shared = resolve_device(settings.device).type == "cuda" and settings.gpu_share
        yield from self._on_shared_gpu(points) if is_shared else points

    def _on_shared_gpu(self, points: Iterator[MetricPoint]) -> Iterator[MetricPoint]:
        """Train within the share of the device's memory; the last point says what was needed."""
        assert self._settings.gpu_share is not None  # asked before
        gpu_memory.claim(self._settings.gpu_share)
        for point in points:
            yield MetricPoint(
                step=point.step,
                metrics={**point.metrics, gpu_memory.SHARE_METRIC: gpu_memory.measured_share()},
            )

    def _on_several_workers(self, checkpoint: Checkpoint) -> Iterator[MetricPoint]:
        settings = self._settings
        shared = GroupSettings(
            num_workers=settings.num_workers,
            data=settings.data,
            device=settings.device,
            num_threads=settings.num_threads,
        )
        with WorkerGroup(shared) as group:
            checkpoint.fetch()  # for all of them
            yield from group.fit(self.spec, checkpoint)

    def _result(self, status: Status, error: str | None = None) -> TrialResult:
        metrics = {} if self._last is None else dict(self._last.metrics)
        objective = metrics.pop("objective", None)
        return TrialResult(
            trial=self.spec.trial,
            replicate=self.spec.replicate,
            attempt=self.spec.attempt,
            status=status,
            objective=objective if status == "completed" else None,
            metrics=metrics,
            steps=0 if self._last is None else self._last.step,
            wall_seconds=time.monotonic() - self._started,
            worker=worker_name(),
            error=error,
            study=self.spec.study,
            search=self.spec.search,
        )


def machine_fault(error: Exception) -> str | None:
    """What the machine had against a trial, which is no fault of its code; None for the rest."""
    if isinstance(error, StorageError):
        return str(error)
    is_cpu_allocator = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or is_cpu_allocator:
        told = " ".join(str(error).split())
        return f"out of memory on {socket.gethostname()}: {told}"
    refused = disk_fault(error)
    return None if refused is None else f"a disk of {socket.gethostname()} refused: {refused}"


def lost(spec: TrialSpec, reason: str) -> TrialResult:
    """The result of an attempt whose worker went away."""
    return TrialResult.without_value(spec, "lost", reason)
