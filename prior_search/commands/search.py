"""``prior-search search``: from flags to a finished study."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from prior_search.commands.best import show_result
from prior_search.commands.dry_run import dry_run
from prior_search.commands.opening import open_or_create
from prior_search.commands.places import (
    EARLY_MIRROR_SECONDS,
    MIRROR_SECONDS,
    check_device,
    check_writable,
    executor,
    to_all,
)
from prior_search.commands.shell import interrupted, program, shown
from prior_search.commands.steering import make_changes, read_steering
from prior_search.commands.training_data import prepare_data
from prior_search.environment import versions
from prior_search.errors import RequestError
from prior_search.mlflow_log import MirrorThread
from prior_search.progress import ProgressView
from prior_search.redaction import has_password
from prior_search.report import draw_weights, export_best, write_parquet, write_report
from prior_search.request import StudyRequest, resolve
from prior_search.shipped import space_file
from prior_search.steering import Steering
from prior_search.storage.origin import address_of
from prior_search.storage.working_copy import publish
from prior_search.study import Study
from prior_search.study_search import PastTraining
from prior_search.toml_input import choice, read_space
from prior_search.trial import BOTTLENECKS, Bottleneck, Task


def run(options: argparse.Namespace) -> int:
    """Tune the weights of one family; 0 done, 3 no trial succeeded, 130 interrupted."""
    console = Console()
    chosen = BOTTLENECKS if options.bottleneck == "all" else (options.bottleneck,)
    request = read_request(options, chosen)
    storage = check_writable(options.storage_path, "--storage-path")
    folder, changes = storage / request.name, read_steering(options, request, storage)
    if options.dry_run:
        return dry_run(console, request, options)
    data, fingerprint = prepare_data(console, request.data, request.task, request.preset)
    facts = {"versions": versions(), "data_fingerprint": fingerprint}
    open_or_create(folder, request, options.resume, facts)
    code = run_study(console, folder, data, options, facts, changes=changes)
    if code != 0:
        return code
    return show_result(console, folder)


def read_request(
    options: argparse.Namespace, bottlenecks: Sequence[Bottleneck], *, matched: bool = False
) -> StudyRequest:
    """The request that the flags make, checked as far as this machine can."""
    from prior_search.models import PRESETS
    from prior_search.tasks import PRESETS_OF

    choices = tuple(PRESETS_OF.get(options.task, PRESETS))  # a synthetic trial needs none of them
    preset = choice("preset", options.preset, choices, "--preset")
    path = space_file(options.family, options.task, options.spaces)
    overrides = list(options.overrides)
    for stage in ("stage1_trials", "stage2_trials"):
        if getattr(options, stage) is not None:
            overrides.append(f"budget.{stage}={getattr(options, stage)}")
    usual = f"{options.family}-{options.task}-{preset}" + ("-control" if matched else "")
    name = options.name or usual
    if not name.replace("-", "").replace("_", "").isalnum():
        raise RequestError(f"--name must be letters, digits, '-' and '_', got {name!r}")
    if has_password(options.data):
        raise RequestError(
            "--data must not hold a password: the study keeps it; give credentials "
            "in the environment"
        )
    check_device(options.device)
    space = read_space(path, overrides)
    return resolve(
        space,
        where=str(path),
        family=options.family,
        bottlenecks=bottlenecks,
        matched=matched,
        name=name,
        task=options.task,
        preset=preset,
        steps=options.steps or _default_steps(options.task, preset),
        seed=options.seed,
        data=options.data,
    )


def _default_steps(task: Task, preset: str) -> int:
    from prior_search.synthetic import DEFAULT_STEPS
    from prior_search.tasks import make_task

    return DEFAULT_STEPS if task == "synthetic" else make_task(task, preset).preset.steps


def run_study(
    console: Console,
    folder: Path,
    data: str,
    options: argparse.Namespace,
    facts: dict[str, Any],
    past: Sequence[PastTraining] = (),
    changes: Sequence[Steering] = (),
) -> int:
    """Run a study to its end and write its views; 0, or 130 if interrupted.

    Args:
        console: where progress is shown.
        folder: of a study that exists.
        data: where the workers find the set.
        options: flags that say where trials run.
        facts: for the driver's first event.
        past: trainings to take over.
        changes: by the user, to be made before it goes on.
    """
    view: list[ProgressView] = []
    mirror = MirrorThread(folder, options.tracking_uri)
    study = Study(folder, listener=to_all(mirror, view))
    mirror.put_all(study.events)
    patience = EARLY_MIRROR_SECONDS
    try:
        make_changes(study, changes)
        if not study.is_finished:
            _show_start(console, study, folder)
            with _progress(console, study.request) as shown:
                shown.replay(study.events)
                view.append(shown)
                study.reuse(past)
                study.begin({"pid": os.getpid(), **facts})
                executor(options, data, folder / "trials").run(study)
            view.clear()
        _write_views(study, folder)
        patience = MIRROR_SECONDS
    except KeyboardInterrupt:
        return interrupted(console, "trials")
    finally:
        mirror.close(timeout=patience)
        study.close()
    return 0


def _progress(console: Console, request: StudyRequest) -> ProgressView:
    searched = len(request.bottlenecks)
    return ProgressView(
        console, request.budget.trials * searched, request.planned_steps * searched
    )


def _show_start(console: Console, study: Study, folder: Path) -> None:
    """Say where the study is and what can be asked of it before it ends."""
    ended = sum(event["event"] == "trial_ended" for event in study.events)
    goes_on = f"goes on, {ended} runs have ended" if ended else "begins"
    console.print(f"study {goes_on}: {address_of(folder)}", highlight=False, soft_wrap=True)
    look = f"{program()} status {shown(folder)}"
    console.print(f"look at it meanwhile: {look}", highlight=False, soft_wrap=True)


def _write_views(study: Study, folder: Path) -> None:
    """Finish a study that has its results: recommendations, exports, tables and the report."""
    study.finish()
    if study.has_recommendation:
        export_best(study, folder / "best")
    write_pages(study, folder)
    publish(folder)


def write_pages(study: Study, folder: Path) -> None:
    """Write what people look at of a study: its table of runs, picture of weights and report."""
    write_parquet(study.events, folder / "trials.parquet")
    (folder / "report").mkdir(exist_ok=True)
    if study.has_recommendation:
        draw_weights(study.events, folder / "report" / "weights.png")
    write_report(study, folder / "report")
