"""Commands on a study that exists: ``status``, ``best``, ``export``, ``ui``; and ``params``."""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections import Counter
from typing import Any

from rich.console import Console
from rich.table import Table

from prior_search.commands.places import check_writable, study_folder
from prior_search.event_log import read_events
from prior_search.mlflow_log import MlflowMirror, ui_command
from prior_search.progress import format_weights
from prior_search.redaction import redact
from prior_search.report import by_suggestion, export_best, trial_rows
from prior_search.request import StudyRequest
from prior_search.study import Study
from prior_search.toml_input import choice
from prior_search.trial import OBJECTIVES


def best_table(console: Console, events: list[dict[str, Any]]) -> bool:
    """Print the recommendations that the log holds; False if there is none."""
    rows = by_suggestion(trial_rows(events))
    objective = OBJECTIVES[rows[0].spec.task] if rows else "objective"
    table = Table(
        title=f"recommended weights: lowest posterior mean of the {objective} "
        "at the full horizon, among configurations trained there",
        title_justify="left",
    )
    for column in ("search", "trial", "posterior mean ± sd", "measured", "weights"):
        table.add_column(column, overflow="fold")
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


def status(options: argparse.Namespace) -> int:
    """Print the state of every search and every training run."""
    console = Console()
    folder = study_folder(options)
    events = read_events(folder / "events.jsonl")
    rows = trial_rows(events)
    request = StudyRequest.read(folder / "study.toml")
    budget = request.budget
    planned = budget.stage1_trials + budget.stage2_trials + budget.confirm_trials
    for search, arms in request.searches.items():
        states = Counter(row.state for row in rows if row.spec.search == search)
        shown = ", ".join(f"{count} {state}" for state, count in states.items()) or "none yet"
        total = planned * len(arms)
        console.print(f"{search}: {sum(states.values())} of {total} runs suggested; {shown}")
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
            row.spec.arm_name,
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
    folder = study_folder(options)
    study = Study(folder, read_only=True)
    try:
        console = Console()
        events = [e for e in study.events if e["event"] != "search_finished"]
        for search in study.request.searches:
            if study.optimizer(search).has_recommendation:
                found = study.recommend(search).as_dict()
                events.append(
                    {"event": "search_finished", "search": search, "recommendation": found}
                )
        if not best_table(console, events):
            console.print("no trial at the full horizon has succeeded yet")
            return 3
        if not study.is_finished:
            console.print("the search is not finished: these are its recommendations so far")
        return 0
    finally:
        study.close()


def export(options: argparse.Namespace) -> int:
    """Write one TOML file per search."""
    folder = study_folder(options)
    study = Study(folder, read_only=True)
    try:
        out = check_writable(options.out or folder / "best", "--out")
        for path in export_best(study, out):
            print(path)
    finally:
        study.close()
    return 0


def ui(options: argparse.Namespace) -> int:
    """Bring the mirror up to date and run MLflow's server on it until interrupted."""
    folder = study_folder(options)
    MlflowMirror(folder, options.tracking_uri).apply(read_events(folder / "events.jsonl"))
    if options.tracking_uri is not None and options.tracking_uri.startswith("http"):
        print(redact(f"the study is on the server at {options.tracking_uri}"))
        return 0
    command = ui_command(folder, options.port, options.tracking_uri)
    print(f"MLflow on http://127.0.0.1:{options.port} (Ctrl-C ends it)")
    try:
        return subprocess.run(command, check=False).returncode
    except KeyboardInterrupt:
        return 0


def params(options: argparse.Namespace) -> int:
    """Print parameter counts by component."""
    from prior_search.models import parameter_table, reconstruction_parameter_table
    from prior_search.tasks import PRESETS_OF

    preset = choice("preset", options.preset, tuple(PRESETS_OF[options.task]), "--preset")
    is_contrastive = options.task == "contrastive"
    rows = (parameter_table if is_contrastive else reconstruction_parameter_table)(preset)
    source = "Table 2" if is_contrastive else "section 2.5"
    if options.json:
        print(json.dumps(rows, indent=2))
        return 0
    table = Table(title=f"parameters of preset {preset!r}, in millions (published: {source})")
    for column in rows[0]:
        table.add_column(column)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console().print(table)
    return 0
