"""``prior-search best``: the recommended weights of a study."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from prior_search.commands.places import study_folder
from prior_search.commands.shell import show_next, shown
from prior_search.event_log import read_events
from prior_search.progress import format_belief, format_weights
from prior_search.report import by_suggestion, trial_rows
from prior_search.request import StudyRequest
from prior_search.storage.origin import address_of, is_remote
from prior_search.study import Study
from prior_search.trial import OBJECTIVES, TRAINED_TASKS


def best_table(console: Console, events: list[dict[str, Any]]) -> bool:
    """Print the recommendations of the log and what they warn of; False if there is none."""
    rows = by_suggestion(trial_rows(events))
    objective = OBJECTIVES[rows[0].spec.task] if rows else "objective"
    table = Table(
        title=f"recommended weights: lowest posterior mean of the {objective} "
        "at the full horizon, among configurations trained there",
        title_justify="left",
    )
    for column in ("search", "trial", "posterior mean", "measured"):
        table.add_column(column, overflow="fold")
    table.add_column("weights", no_wrap=True)
    found, warnings = False, list[str]()
    for event in events:
        if event["event"] == "search_finished" and event["recommendation"] is not None:
            best = event["recommendation"]
            measured = [
                f"{row.objective:.4f}"
                for row in rows
                if row.spec.trial == best["trial"] and row.objective is not None
            ]
            mean = format_belief(best["predicted_mean"], best["predicted_sd"])
            weights = format_weights(best["values"], between="\n")
            warnings += [f"{event['search']}: {text}" for text in best["warnings"]]
            table.add_row(
                event["search"], f"t{best['trial']:04d}", mean, ", ".join(measured), weights
            )
            found = True
    if found:
        console.print(table)
    for warning in warnings:
        console.print(f"warning: {warning}", highlight=False, markup=False, soft_wrap=True)
    return found


def run(options: argparse.Namespace) -> int:
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


def show_result(console: Console, folder: Path) -> int:
    """Print the recommendations and what to do next; 0, or 3 if there is none."""
    events = read_events(folder / "events.jsonl")
    found = best_table(console, events)
    if not found:
        console.print(
            f"no trial at the full horizon succeeded; see prior-search status {shown(folder)}"
        )
        return 3
    page = folder / "report" / "index.html"
    console.print(f"\nstudy: {address_of(folder)}", highlight=False, soft_wrap=True)
    console.print(f"report: {page}", highlight=False, soft_wrap=True)
    exports = str(folder / "best" / "*.toml")
    if is_remote(address_of(folder)):  # a shell knows no files there
        exports = " ".join(shown(path) for path in sorted((folder / "best").glob("*.toml")))
    study = shown(folder)
    commands = [f"ui {study}", f"export {study}"]
    if StudyRequest.read(folder / "study.toml").task in TRAINED_TASKS:
        commands.append(f"final {exports} --seeds 3")
    show_next(console, *commands)
    return 0
