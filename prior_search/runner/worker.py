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
from pathlib import Path

import torch

from prior_search.data import ObjectTracks, open_tracks
from prior_search.errors import TrialDivergedError, WorkerLostError
from prior_search.model_evaluation import evaluate_beside
from prior_search.redaction import redact
from prior_search.runner.worker_group import GroupSettings, WorkerGroup
from prior_search.synthetic import rehearse
from prior_search.training import MODEL_NAME, fit
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
    """

    data: str
    trials_folder: str
    device: str = "auto"
    num_threads: int = 1
    num_workers: int = 1
    checkpoint_seconds: float = 60.0
    trial_seconds: float | None = None


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
        path = Path(settings.trials_folder) / self.spec.label / "checkpoint.safetensors"
        seconds = settings.checkpoint_seconds
        if self.spec.task == "synthetic":
            yield from rehearse(
                self.spec, settings.data, checkpoint=path, checkpoint_seconds=seconds
            )
            return
        if self.spec.stage == "evaluation":
            model = path.with_name(MODEL_NAME)
            yield evaluate_beside(model, _tracks(settings.data), device=settings.device)
            return
        if settings.num_workers > 1:
            yield from self._on_several_workers(path)
            return
        yield from fit(
            self.spec,
            _tracks(settings.data),
            device=settings.device,
            checkpoint=path,
            checkpoint_seconds=seconds,
        )

    def _on_several_workers(self, checkpoint: Path) -> Iterator[MetricPoint]:
        settings = self._settings
        shared = GroupSettings(
            num_workers=settings.num_workers,
            data=settings.data,
            device=settings.device,
            num_threads=settings.num_threads,
        )
        with WorkerGroup(shared) as group:
            yield from group.fit(self.spec, checkpoint, settings.checkpoint_seconds)

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


def lost(spec: TrialSpec, reason: str) -> TrialResult:
    """The result of an attempt whose worker went away."""
    return TrialResult.without_value(spec, "lost", reason)
