"""``prior-search final``: exported configurations trained with new seeds."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console

from prior_search.commands.places import (
    MIRROR_SECONDS,
    check_writable,
    executor,
    prepare_data,
    same_command,
    to_all,
)
from prior_search.errors import RequestError
from prior_search.final_training import FinalTraining
from prior_search.mlflow_log import MirrorThread
from prior_search.progress import ProgressView
from prior_search.report import Export, read_export
from prior_search.trial import OBJECTIVES


def final(options: argparse.Namespace) -> int:
    """Train every given export with K seeds; prints mean and interval; 3 if nothing succeeded."""
    console = Console()
    code = 0
    for path in options.exports:
        export_file = read_export(path)
        data, fingerprint = prepare_data(
            console, options.data or export_file.data, export_file.task, export_file.preset
        )
        if fingerprint != export_file.data_fingerprint:
            raise RequestError(
                f"{path} was tuned on data with fingerprint {export_file.data_fingerprint}, "
                f"but this data has {fingerprint}"
            )
        parent = options.out or path.resolve().parent.parent / "final"
        name = f"{export_file.bottleneck}-t{export_file.trial:04d}"
        folder = check_writable(parent, "--out") / name
        code = max(code, _train_final(console, export_file, folder, data, options))
    return code


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
        with ProgressView(console, options.seeds) as shown:
            shown.replay(training.events)
            view.append(shown)
            if not training.is_finished:
                executor(options, data, folder / "trials").run(training)
        metrics = training.write_metrics()
    except KeyboardInterrupt:
        console.print(f"interrupted; finished seeds are kept. Resume with:\n    {same_command()}")
        return 130
    finally:
        training.close()
        mirror.close(timeout=MIRROR_SECONDS)
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
        f"({metrics['completed']} of {metrics['seeds']} seeds); models and metrics in {folder}",
        soft_wrap=True,
    )
    return 0
