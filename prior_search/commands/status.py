"""``prior-search status``: how far a study is."""

from __future__ import annotations

import argparse
import time
from collections import Counter

from rich.console import Console
from rich.table import Table

from prior_search.commands.places import study_folder
from prior_search.commands.tables import print_whole
from prior_search.event_log import read_events
from prior_search.progress import format_weights
from prior_search.report import trial_rows
from prior_search.request import StudyRequest
from prior_search.storage.origin import address_of


def run(options: argparse.Namespace) -> int:
    """Print the state of every search and every training run."""
    console = Console()
    folder = study_folder(options)
    events = read_events(folder / "events.jsonl")
    rows = trial_rows(events)
    request = StudyRequest.read(folder / "study.toml")
    planned = request.budget.trials
    for search, arms in request.searches.items():
        states = Counter(row.state for row in rows if row.spec.search == search)
        shown = ", ".join(f"{count} {state}" for state, count in states.items()) or "none yet"
        total = planned * len(arms)
        console.print(f"{search}: {sum(states.values())} of {total} runs suggested; {shown}")
    table = Table(box=None, pad_edge=False)
    for column in ("run", "search", "stage", "role", "state", "objective", "predicted"):
        table.add_column(column)
    table.add_column("seconds", justify="right")
    table.add_column("weights")
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
    print_whole(console, table)
    age = time.time() - events[-1]["time"]
    console.print(
        f"last event: {events[-1]['event']}, {age:.0f} s ago, in {address_of(folder)}",
        soft_wrap=True,
    )
    return 0
