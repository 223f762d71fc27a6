"""Executors by name, and settings of the workers of rehearsed studies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prior_search.runner import LocalExecutor, WorkerSettings


def settings(folder: Path, data: Path | str, **changes: Any) -> WorkerSettings:
    """Of workers that write a checkpoint at every step."""
    fields: dict[str, Any] = {
        "data": str(data),
        "trials_folder": str(folder / "trials"),
        "device": "cpu",
        "checkpoint_seconds": 0.0,
    }
    return WorkerSettings(**(fields | changes))


def executor(
    kind: str, worker: WorkerSettings, num_workers: int = 2, settings_of: Any = None
) -> Any:
    """Workers as processes of this machine (``local``) or on Ray."""
    if kind == "local":
        return LocalExecutor(worker, num_workers=num_workers, settings_of=settings_of)
    from prior_search.runner.tune import TuneExecutor

    return TuneExecutor(worker, max_concurrent=num_workers, settings_of=settings_of)
