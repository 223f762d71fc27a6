"""Data-parallel training on one machine: this process is worker 0, helper processes the others.

A helper ends when its standard input does, and so with the process that started it, however that
ends.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import distributed as dist

from prior_search.data import open_tracks
from prior_search.errors import WorkerLostError
from prior_search.runner.group_worker import READY, GroupSettings, join, serve
from prior_search.storage.checkpoint import Checkpoint
from prior_search.training import fit
from prior_search.trial import MetricPoint, TrialSpec

STOP_SECONDS = 5.0  # that a helper gets to end by itself


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
            join(settings, 0, meeting)
        except BaseException:
            self.close()
            raise

    def _start(self, rank: int, meeting: str) -> subprocess.Popen[str]:
        helper = subprocess.Popen(
            [sys.executable, "-c", f"from {serve.__module__} import serve; serve()"],
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
