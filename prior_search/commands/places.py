"""Where a command reads, writes and runs: storage, executor, listeners."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prior_search.errors import RequestError, StorageError
from prior_search.event_log import Event, holds_campaign, holds_study
from prior_search.mlflow_log import MirrorThread
from prior_search.progress import ProgressView
from prior_search.storage.origin import address_of, below, is_remote
from prior_search.storage.working_copy import open_storage, refresh, working_folder
from prior_search.trial import TrialSpec

if TYPE_CHECKING:
    from prior_search.runner import WorkerSettings

MIRROR_SECONDS = 60.0  # how long the end of a command waits for the tracking server
EARLY_MIRROR_SECONDS = 5.0  # and one that stops before its end: the next one sends the rest


def check_writable(folder: Path | str, flag: str) -> Path:
    """The folder that ``flag`` names, made and resolved; refused if it cannot be written to.

    For an address in a bucket it is the folder of this machine that stands for it; what is put
    there is sent by ``publish``, and event logs by themselves.
    """
    if not isinstance(folder, Path):
        return open_storage(folder, flag)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RequestError(f"{flag} {folder} cannot be written: {error}") from error
    return folder.resolve()


def study_folder(options: argparse.Namespace) -> Path:
    """The folder of the study that was named, by path or by name."""
    return find_study(options.study, options.storage_path)


def find_study(name: str, storage: Path | str) -> Path:
    """The folder of a study given by path or address, or by name within the storage.

    What is in a bucket is brought to this machine first.
    """
    places = [name] if is_remote(name) else [str(Path(name).resolve()), below(str(storage), name)]
    for place in places:
        try:
            folder = working_folder(place) if is_remote(place) else Path(place)
            refresh(folder)
        except StorageError as error:
            raise RequestError(f"cannot look for study {name!r}: {error}") from error
        if holds_study(folder):
            return folder.resolve()
    looked = " and ".join(p if is_remote(p) else str(Path(p).resolve()) for p in places)
    raise RequestError(f"no study {name!r}: looked in {looked}{_others(storage)}")


def _others(storage: Path | str) -> str:
    """The studies of a folder, to choose from; those of a bucket would have to be fetched."""
    if not isinstance(storage, Path) or not storage.is_dir():
        return ""
    names = sorted(path.name for path in storage.iterdir() if holds_study(path))
    return f"; there {'are' if len(names) > 1 else 'is'} {', '.join(names)}" if names else ""


def find_campaign(name: str, storage: Path | str) -> Path | None:
    """The folder of a campaign, by path or by name within the storage; None if it is none."""
    for place in (name, below(str(storage), name)):
        if not is_remote(place) and holds_campaign(Path(place)):
            return Path(place).resolve()
    return None


def check_device(device: str) -> None:
    """Refuse a device that this machine lacks; on a cluster the workers may have what it lacks."""
    from prior_search.device import resolve_device

    if os.environ.get("RAY_ADDRESS") or os.environ.get("PRIOR_SEARCH_AUTOSCALING"):
        return
    try:
        resolve_device(device)
    except ValueError as error:
        raise RequestError(f"--device: {error}") from error


def executor(
    options: argparse.Namespace,
    data: str,
    trials_folder: Path,
    *,
    num_workers: int = 1,
    locate: Callable[[TrialSpec, WorkerSettings], WorkerSettings] | None = None,
) -> Any:
    """The executor that the flags ask for; Ray is imported only if it is wanted.

    Args:
        options: the flags.
        data: where the workers find the set.
        trials_folder: for checkpoints and models.
        num_workers: processes that share a trial.
        locate: changes the settings of single trials.
    """
    from prior_search.runner import LocalExecutor, WorkerSettings

    settings = WorkerSettings(
        data=data,
        trials_folder=address_of(trials_folder),
        device=options.device,
        num_threads=max(1, int(options.cpus_per_trial)),
        num_workers=num_workers,
        trial_seconds=options.trial_timeout,
        gpu_share=options.gpus_per_trial,
    )
    settings_of = None if locate is None else (lambda spec: locate(spec, settings))
    if options.executor == "local":
        cores = len(os.sched_getaffinity(0))
        fitting = max(1, int(cores / max(options.cpus_per_trial * num_workers, 1e-9)))
        slots = options.max_concurrent_trials or fitting
        return LocalExecutor(settings, num_workers=slots, settings_of=settings_of)
    from prior_search.runner.tune import TuneExecutor

    return TuneExecutor(
        settings,
        max_concurrent=options.max_concurrent_trials,
        cpus_per_trial=options.cpus_per_trial,
        gpus_per_trial=options.gpus_per_trial,
        settings_of=settings_of,
    )


def to_all(mirror: MirrorThread, views: list[ProgressView]) -> Callable[[Event], None]:
    """A listener for the mirror and for whatever is shown at the moment."""

    def listen(event: Event) -> None:
        mirror.put(event)
        for view in views:
            view.on_event(event)

    return listen
