"""``prior-search final``: exported configurations trained with new seeds."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from prior_search.commands.parsers.flags import default_storage
from prior_search.commands.places import MIRROR_SECONDS, check_writable, executor, to_all
from prior_search.commands.shell import interrupted, show_next, shown
from prior_search.commands.training_data import prepare_data
from prior_search.default_weights import default_weights
from prior_search.environment import versions
from prior_search.errors import RequestError
from prior_search.final_training import FinalTraining
from prior_search.mlflow_log import MirrorThread
from prior_search.model_file import MODEL_NAME
from prior_search.models import DEFAULT_SETTINGS
from prior_search.progress import ProgressView
from prior_search.report import Export, read_export
from prior_search.storage.origin import address_of, is_remote
from prior_search.storage.working_copy import local_file, publish
from prior_search.tasks import PRESETS_OF, make_task
from prior_search.toml_input import choice
from prior_search.trial import BOTTLENECKS, OBJECTIVES, TRAINED_TASKS, Bottleneck, Family, Task

DEFAULT_FLAGS = ("family", "bottleneck", "task", "preset", "seed")


def run(options: argparse.Namespace) -> int:
    """Train every configuration with K seeds; prints mean and interval; 3 if nothing succeeded."""
    console = Console()
    code, models = 0, list[str]()
    for export_file, parent, data in _configurations(console, options):
        _check_workers(export_file, options.num_workers)
        name = f"{export_file.bottleneck}-t{export_file.trial:04d}"
        folder = check_writable(options.out or parent, "--out") / name
        code = max(code, _train_final(console, export_file, folder, data, options))
        models += _models(folder)
    if code == 0:
        show_next(console, f"evaluate {' '.join(models)}")
    return code


def _models(folder: Path) -> list[str]:
    """The models of a configuration, as a shell takes them: it knows no files in a bucket."""
    if not is_remote(address_of(folder)):
        return [f"{shown(folder)}/trials/*"]
    return [shown(path.parent) for path in sorted(folder.glob(f"trials/*/{MODEL_NAME}"))]


def _configurations(
    console: Console, options: argparse.Namespace
) -> Iterator[tuple[Export, Path, str]]:
    """What to train, the folder of its results if none is given, and its data."""
    if options.defaults:
        yield from _default_configurations(console, options)
        return
    given = [f"--{name}" for name in DEFAULT_FLAGS if getattr(options, name) is not None]
    if given:
        raise RequestError(f"{', '.join(given)} go with --defaults; an export has its own")
    if not options.exports:
        raise RequestError("give files made by prior-search export, or --defaults --family F")
    for place in options.exports:
        path = place if isinstance(place, Path) else local_file(place)
        export_file = read_export(path)
        if export_file.task not in TRAINED_TASKS:
            raise RequestError(f"{path} is of a rehearsal ({export_file.task}): nothing to train")
        data, fingerprint = prepare_data(
            console, options.data or export_file.data, export_file.task, export_file.preset
        )
        if fingerprint != export_file.data_fingerprint:
            raise RequestError(
                f"{path} was tuned on data with fingerprint {export_file.data_fingerprint}, "
                f"but this data has {fingerprint}"
            )
        yield export_file, path.resolve().parent.parent / "final", data


def _default_configurations(
    console: Console, options: argparse.Namespace
) -> Iterator[tuple[Export, Path, str]]:
    if options.exports or options.family is None:
        raise RequestError("--defaults takes no exports, but needs --family")
    family: Family = options.family
    task: Task = options.task or "contrastive"
    preset = choice("preset", options.preset or "tiny", tuple(PRESETS_OF[task]), "--preset")
    data, fingerprint = prepare_data(console, options.data or "embedded", task, preset)
    study = f"defaults-{family}-{task}-{preset}"
    chosen: tuple[Bottleneck, ...] = BOTTLENECKS
    if options.bottleneck not in (None, "all"):
        chosen = (options.bottleneck,)
    for bottleneck in chosen:
        export_file = Export(
            study=study,
            trial=0,
            task=task,
            family=family,
            bottleneck=bottleneck,
            preset=preset,
            steps=make_task(task, preset).preset.steps,
            weights=default_weights(task, family, bottleneck),
            settings=DEFAULT_SETTINGS[family],
            data=options.data or "embedded",
            data_fingerprint=fingerprint,
            study_seed=options.seed or 0,
            seeds_used=[],
            evidence={},
            versions=versions(),
        )
        if options.out is None:
            storage = check_writable(default_storage(), "PRIOR_SEARCH_STORAGE")
            yield export_file, storage / study / "final", data
        else:
            yield export_file, Path(), data


def _check_workers(export_file: Export, num_workers: int) -> None:
    frames = make_task(export_file.task, export_file.preset).frames_per_batch
    if frames % num_workers:
        raise RequestError(
            f"--num-workers must divide the {frames} images of a batch at preset "
            f"{export_file.preset!r}, got {num_workers}"
        )


def _train_final(
    console: Console, export_file: Export, folder: Path, data: str, options: argparse.Namespace
) -> int:
    mirror = MirrorThread(folder, options.tracking_uri)
    view: list[ProgressView] = []
    training = FinalTraining(
        export_file,
        folder,
        num_seeds=options.seeds,
        steps=options.steps,
        listener=to_all(mirror, view),
    )
    try:
        steps = sum(spec.horizon for spec in training.specs)
        with ProgressView(console, options.seeds, steps) as shown:
            shown.replay(training.events)
            view.append(shown)
            if not training.is_finished:
                workers = options.num_workers
                executor(options, data, folder / "trials", num_workers=workers).run(training)
        metrics = training.write_metrics()
        publish(folder)
    except KeyboardInterrupt:
        return interrupted(console, "seeds")
    finally:
        mirror.close(timeout=MIRROR_SECONDS)
        training.close()
    return _show_final(console, export_file, folder, metrics)


def _show_final(
    console: Console, export_file: Export, folder: Path, metrics: dict[str, Any]
) -> int:
    if metrics["completed"] == 0:
        console.print(f"no seed of {folder.name} succeeded; see {folder / 'events.jsonl'}")
        return 3
    objective = metrics["metrics"]["objective"]
    interval = ""
    if objective["low"] is not None:
        interval = f", 95 % interval {objective['low']:.4f} to {objective['high']:.4f}"
    console.print(
        f"{folder.name}: {OBJECTIVES[export_file.task]} {objective['mean']:.4f}{interval} "
        f"({metrics['completed']} of {metrics['seeds']} seeds); models and metrics in "
        f"{address_of(folder)}",
        soft_wrap=True,
    )
    return 0
