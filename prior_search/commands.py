"""The commands of ``prior-search``: each takes the parsed flags and returns an exit code."""

from __future__ import annotations

import argparse
import json
import logging
import os
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from prior_search import request as requests
from prior_search.environment import versions, write_environment
from prior_search.errors import RequestError
from prior_search.event_log import Event, read_events
from prior_search.final_training import FinalTraining
from prior_search.mlflow_log import MirrorThread, MlflowMirror, ui_command
from prior_search.progress import ProgressView, format_weights
from prior_search.report import draw_weights, export_best, read_export, trial_rows, write_parquet
from prior_search.request import StudyRequest
from prior_search.study import Study
from prior_search.trial import BOTTLENECKS

logger = logging.getLogger(__name__)

MIRROR_SECONDS = 60.0  # how long the end of a command waits for the tracking server


def default_storage() -> Path:
    """``$PRIOR_SEARCH_STORAGE``, or a folder in the user's home: never the working directory."""
    return Path(os.environ.get("PRIOR_SEARCH_STORAGE", Path.home() / "prior-search-studies"))


# --- search


def search(options: argparse.Namespace) -> int:
    """Tune the weights of one family; 0 done, 3 no trial succeeded, 130 interrupted."""
    console = Console()
    request = _request(options)
    _check_device(options.device)
    folder = _check_writable(options.storage_path) / request.name
    if options.dry_run:
        return _dry_run(console, request, options)
    data, fingerprint = _prepare_data(console, request.data, request.preset)
    facts = {"versions": versions(), "data_fingerprint": fingerprint}
    _open_or_create(folder, request, options.resume, facts)
    code = _run_study(console, folder, data, options, facts)
    if code != 0:
        return code
    return _show_result(console, folder)


def _request(options: argparse.Namespace) -> StudyRequest:
    from prior_search.models import PRESETS

    preset = requests.choice("preset", options.preset, tuple(PRESETS), "--preset")
    path = _space_folder(options.spaces) / f"{options.family}.toml"
    overrides = list(options.overrides)
    for stage in ("stage1_trials", "stage2_trials"):
        if getattr(options, stage) is not None:
            overrides.append(f"budget.{stage}={getattr(options, stage)}")
    chosen = BOTTLENECKS if options.bottleneck == "all" else (options.bottleneck,)
    name = options.name or f"{options.family}-{options.task}-{preset}"
    if not name.replace("-", "").replace("_", "").isalnum():
        raise RequestError(f"--name must be letters, digits, '-' and '_', got {name!r}")
    space = requests.read_space(path, overrides)
    return requests.resolve(
        space,
        where=str(path),
        family=options.family,
        bottlenecks=chosen,
        name=name,
        task=options.task,
        preset=preset,
        steps=options.steps or PRESETS[preset].steps,
        seed=options.seed,
        data=options.data,
    )


def _check_device(device: str) -> None:
    """Refuse a device that this machine lacks; on a cluster the workers may have what it lacks."""
    from prior_search.training import resolve_device

    if os.environ.get("RAY_ADDRESS") or os.environ.get("PRIOR_SEARCH_AUTOSCALING"):
        return
    try:
        resolve_device(device)
    except ValueError as error:
        raise RequestError(f"--device: {error}") from error


def _space_folder(given: Path | None) -> Path:
    """The shipped space files: inside an installed package, beside the package in a checkout."""
    if given is not None:
        return given
    package = Path(__file__).parent
    inside = package / "search_spaces"
    return inside if inside.is_dir() else package.parent / "search_spaces"


def _check_writable(storage: Path) -> Path:
    try:
        storage.mkdir(parents=True, exist_ok=True)
        probe = storage / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RequestError(f"--storage-path {storage} cannot be written: {error}") from error
    return storage.resolve()


def _prepare_data(console: Console, data: str, preset: str) -> tuple[str, str]:
    """The Arrow file to train on and its fingerprint; makes the embedded one if it is missing."""
    from prior_search.data import embedded_objects, open_tracks
    from prior_search.models import PRESETS

    if data != "embedded":
        return str(Path(data).resolve()), open_tracks(Path(data)).fingerprint
    cache = Path(os.environ.get("PRIOR_SEARCH_CACHE", Path.home() / ".cache" / "prior-search"))
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("making the embedded objects", total=None)
        path = embedded_objects(
            cache,
            image_size=PRESETS[preset].image_size,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    return str(path), open_tracks(path).fingerprint


def _open_or_create(
    folder: Path, request: StudyRequest, resume: str, facts: dict[str, Any]
) -> None:
    exists = (folder / "events.jsonl").exists()
    if not exists:
        if resume == "must":
            raise RequestError(f"--resume must: there is no study in {folder}")
        Study.create(folder, request, facts)
        write_environment(folder)
        return
    if resume == "never":
        raise RequestError(f"--resume never: {folder} holds a study; give another --name")
    differences = StudyRequest.read(folder / "study.toml").differences(request)
    if differences:
        raise RequestError(
            f"{folder} holds a study of another request ({'; '.join(differences)}); "
            "give another --name, or the same flags to resume it"
        )
    made_with = read_events(folder / "events.jsonl")[0]["data_fingerprint"]
    if made_with != facts["data_fingerprint"]:
        raise RequestError(
            f"{folder} was started on data with fingerprint {made_with}, "
            f"but {request.data} has {facts['data_fingerprint']}"
        )


def _run_study(
    console: Console, folder: Path, data: str, options: argparse.Namespace, facts: dict[str, Any]
) -> int:
    budget = StudyRequest.read(folder / "study.toml").budget
    per_search = budget.stage1_trials + budget.stage2_trials + budget.confirm_trials
    view: list[ProgressView] = []
    mirror = MirrorThread(folder, options.tracking_uri)
    study = Study(folder, listener=_to_all(mirror, view))
    mirror.put_all(study.events)
    try:
        if not study.is_finished:
            with ProgressView(console, per_search * len(study.request.bottlenecks)) as shown:
                shown.replay(study.events)
                view.append(shown)
                study.begin({"pid": os.getpid(), **facts})
                _executor(options, data, folder / "trials").run(study)
            view.clear()
        study.finish()
        write_parquet(study.events, folder / "trials.parquet")
        if any(study.optimizer(b).has_recommendation for b in study.request.bottlenecks):
            export_best(study, folder / "best")
            (folder / "report").mkdir(exist_ok=True)
            draw_weights(study.events, folder / "report" / "weights.png")
    except KeyboardInterrupt:
        console.print(
            f"interrupted; finished trials are kept. Resume with:\n    {_same_command()}"
        )
        return 130
    finally:
        study.close()
        mirror.close(timeout=MIRROR_SECONDS)
    return 0


def _to_all(mirror: MirrorThread, views: list[ProgressView]) -> Callable[[Event], None]:
    """A listener for the mirror and for whatever is shown at the moment."""

    def listen(event: Event) -> None:
        mirror.put(event)
        for view in views:
            view.on_event(event)

    return listen


def _executor(options: argparse.Namespace, data: str, trials_folder: Path) -> Any:
    from prior_search.runner import LocalExecutor, WorkerSettings

    settings = WorkerSettings(
        data=data,
        trials_folder=str(trials_folder),
        device=options.device,
        num_threads=max(1, int(options.cpus_per_trial)),
        checkpoint_seconds=60.0,
    )
    if options.executor == "local":
        cores = len(os.sched_getaffinity(0))
        fitting = max(1, int(cores / max(options.cpus_per_trial, 1e-9)))
        return LocalExecutor(settings, num_workers=options.max_concurrent_trials or fitting)
    from prior_search.runner.tune import TuneExecutor

    return TuneExecutor(
        settings,
        max_concurrent=options.max_concurrent_trials,
        cpus_per_trial=options.cpus_per_trial,
        gpus_per_trial=options.gpus_per_trial,
    )


def _same_command() -> str:
    program = Path(sys.argv[0]).name
    start = "prior-search" if program == "prior-search" else f"python {sys.argv[0]}"
    return f"{start} {shlex.join(sys.argv[1:])}"


def _show_result(console: Console, folder: Path) -> int:
    events = read_events(folder / "events.jsonl")
    found = _best_table(console, events)
    if not found:
        console.print(f"no trial at the full horizon succeeded; see prior-search status {folder}")
        return 3
    console.print(f"\nstudy: {folder}\nnext:")
    console.print(f"    prior-search ui {folder}", highlight=False, soft_wrap=True)
    console.print(f"    prior-search export {folder}", highlight=False, soft_wrap=True)
    exports = folder / "best" / "*.toml"
    console.print(f"    prior-search final {exports} --seeds 3", highlight=False, soft_wrap=True)
    return 0


def _best_table(console: Console, events: list[dict[str, Any]]) -> bool:
    """Print the recommendations that the log holds; False if there is none."""
    table = Table(
        title="recommended weights: lowest posterior mean of the validation NT-Xent "
        "at the full horizon, among configurations trained there",
        title_justify="left",
    )
    for column in ("bottleneck", "trial", "posterior mean ± sd", "measured", "weights"):
        table.add_column(column, overflow="fold")
    rows = trial_rows(events)
    found = False
    for event in events:
        if event["event"] == "search_finished" and event["recommendation"] is not None:
            best = event["recommendation"]
            measured = [
                f"{row.objective:.4f}"
                for row in rows
                if row.spec.trial == best["trial"] and row.objective is not None
            ]
            mean = f"{best['predicted_mean']:.4f} ± {best['predicted_sd']:.4f}"
            weights = format_weights(best["values"])
            table.add_row(
                event["search"], f"t{best['trial']:04d}", mean, ", ".join(measured), weights
            )
            found = True
    if found:
        console.print(table)
    return found


def _dry_run(console: Console, request: StudyRequest, options: argparse.Namespace) -> int:
    from prior_search.step_timing import seconds_per_step

    table = Table(title=f"study {request.name!r}: nothing was started", title_justify="left")
    for column in ("bottleneck", "stage 1", "stage 2", "confirm", "steps", "compute hours"):
        table.add_column(column)
    budget, total = request.budget, 0.0
    for bottleneck in request.bottlenecks:
        short, full = request.horizon("short"), request.horizon("long")
        steps = budget.stage1_trials * short
        steps += (budget.stage2_trials + budget.confirm_trials) * full
        hours = steps * seconds_per_step(request, bottleneck, device=options.device) / 3600
        total += hours
        table.add_row(
            bottleneck,
            f"{budget.stage1_trials} x {short} steps",
            f"{budget.stage2_trials} x {full} steps",
            f"{budget.confirm_trials} x {full} steps",
            str(steps),
            f"{hours:.2f}",
        )
    console.print(table)
    console.print(
        f"{total:.2f} hours of one trial's share of a worker in all, from steps timed on this "
        "machine; divide by the number of trials that run at a time"
    )
    return 0


# --- a study that exists


def _study_folder(options: argparse.Namespace) -> Path:
    given = Path(options.study)
    for folder in (given, options.storage_path / options.study):
        if (folder / "events.jsonl").exists():
            return folder.resolve()
    raise RequestError(
        f"no study {options.study!r}: looked in {given.resolve()} and "
        f"{(options.storage_path / options.study).resolve()}"
    )


def status(options: argparse.Namespace) -> int:
    """Print the state of every search and every training run."""
    console = Console()
    folder = _study_folder(options)
    events = read_events(folder / "events.jsonl")
    rows = trial_rows(events)
    request = StudyRequest.read(folder / "study.toml")
    budget = request.budget
    planned = budget.stage1_trials + budget.stage2_trials + budget.confirm_trials
    for bottleneck in request.bottlenecks:
        states = Counter(row.state for row in rows if row.spec.search == bottleneck)
        shown = ", ".join(f"{count} {state}" for state, count in states.items()) or "none yet"
        console.print(f"{bottleneck}: {sum(states.values())} of {planned} runs suggested; {shown}")
    table = Table()
    for column in (
        "run",
        "search",
        "stage",
        "role",
        "state",
        "objective",
        "predicted",
        "seconds",
        "weights",
    ):
        table.add_column(column)
    for row in rows:
        predicted = (
            ""
            if row.predicted_mean is None
            else f"{row.predicted_mean:.3f} ± {row.predicted_sd:.3f}"
        )
        table.add_row(
            row.spec.label,
            row.spec.search,
            row.spec.stage,
            row.spec.role,
            row.state,
            "" if row.objective is None else f"{row.objective:.4f}",
            predicted,
            f"{row.wall_seconds:.0f}",
            format_weights(row.spec.weights.as_dict()),
        )
    console.print(table)
    age = time.time() - events[-1]["time"]
    console.print(f"last event: {events[-1]['event']}, {age:.0f} s ago, in {folder}")
    return 0


def best(options: argparse.Namespace) -> int:
    """Print the recommendations; 3 if there is none yet."""
    folder = _study_folder(options)
    study = Study(folder)
    try:
        console = Console()
        events = [e for e in study.events if e["event"] != "search_finished"]
        for bottleneck in study.request.bottlenecks:
            if study.optimizer(bottleneck).has_recommendation:
                found = study.recommend(bottleneck).as_dict()
                events.append(
                    {"event": "search_finished", "search": bottleneck, "recommendation": found}
                )
        if not _best_table(console, events):
            console.print("no trial at the full horizon has succeeded yet")
            return 3
        if not study.is_finished:
            console.print("the search is not finished: these are its recommendations so far")
        return 0
    finally:
        study.close()


def export(options: argparse.Namespace) -> int:
    """Write one TOML file per search."""
    folder = _study_folder(options)
    study = Study(folder)
    try:
        for path in export_best(study, options.out or folder / "best"):
            print(path)
    finally:
        study.close()
    return 0


def ui(options: argparse.Namespace) -> int:
    """Bring the mirror up to date and run MLflow's server on it until interrupted."""
    folder = _study_folder(options)
    MlflowMirror(folder, options.tracking_uri).apply(read_events(folder / "events.jsonl"))
    command = ui_command(folder, options.port)
    print(f"MLflow on http://127.0.0.1:{options.port} (Ctrl-C ends it)")
    try:
        return subprocess.run(command, check=False).returncode
    except KeyboardInterrupt:
        return 0


# --- final training


def final(options: argparse.Namespace) -> int:
    """Train every given export with K seeds; prints mean and interval; 3 if nothing succeeded."""
    console = Console()
    code = 0
    for path in options.exports:
        export_file = read_export(path)
        data, fingerprint = _prepare_data(
            console, options.data or export_file.data, export_file.preset
        )
        if fingerprint != export_file.data_fingerprint:
            raise RequestError(
                f"{path} was tuned on data with fingerprint {export_file.data_fingerprint}, "
                f"but this data has {fingerprint}"
            )
        parent = options.out or path.resolve().parent.parent / "final"
        folder = _check_writable(parent) / f"{export_file.bottleneck}-t{export_file.trial:04d}"
        code = max(code, _train_final(console, export_file, folder, data, options))
    return code


def _train_final(
    console: Console, export_file: Any, folder: Path, data: str, options: argparse.Namespace
) -> int:
    mirror = MirrorThread(folder, options.tracking_uri)
    view: list[ProgressView] = []
    training = FinalTraining(
        export_file,
        folder,
        num_seeds=options.seeds,
        steps=options.steps,
        listener=_to_all(mirror, view),
    )
    try:
        with ProgressView(console, options.seeds) as shown:
            shown.replay(training.events)
            view.append(shown)
            if not training.is_finished:
                _executor(options, data, folder / "trials").run(training)
        metrics = training.write_metrics()
    except KeyboardInterrupt:
        console.print(f"interrupted; finished seeds are kept. Resume with:\n    {_same_command()}")
        return 130
    finally:
        training.close()
        mirror.close(timeout=MIRROR_SECONDS)
    return _show_final(console, folder, metrics)


def _show_final(console: Console, folder: Path, metrics: dict[str, Any]) -> int:
    if metrics["completed"] == 0:
        console.print(f"no seed of {folder.name} succeeded; see {folder / 'events.jsonl'}")
        return 3
    objective = metrics["metrics"]["objective"]
    interval = ""
    if objective["low"] is not None:
        interval = f", 95 % interval {objective['low']:.4f} to {objective['high']:.4f}"
    console.print(
        f"{folder.name}: validation NT-Xent {objective['mean']:.4f}{interval} "
        f"({metrics['completed']} of {metrics['seeds']} seeds); models and metrics in {folder}",
        soft_wrap=True,
    )
    return 0


# --- models


def params(options: argparse.Namespace) -> int:
    """Print parameter counts by component."""
    from prior_search.models import PRESETS, parameter_table

    preset = requests.choice("preset", options.preset, tuple(PRESETS), "--preset")
    rows = parameter_table(preset)
    if options.json:
        print(json.dumps(rows, indent=2))
        return 0
    table = Table(title=f"parameters of preset {preset!r}, in millions (published: Table 2)")
    for column in rows[0]:
        table.add_column(column)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console().print(table)
    return 0
