"""What a study would run and what that would cost, for ``--dry-run``."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table

from prior_search.commands.tables import print_whole
from prior_search.request import StudyRequest
from prior_search.trial import Bottleneck


def step_seconds(request: StudyRequest, bottleneck: Bottleneck, device: str) -> float:
    """Seconds of a training step, timed on this machine."""
    from prior_search.step_timing import seconds_per_step
    from prior_search.synthetic import read_rehearsal

    if request.task == "synthetic":
        return read_rehearsal(request.data).step_seconds
    return seconds_per_step(request, bottleneck, device=device)


def dry_run(console: Console, request: StudyRequest, options: argparse.Namespace) -> int:
    """Print what a study would run and what that costs; 0."""
    table = Table(title=f"study {request.name!r}: nothing was started", title_justify="left")
    for column in ("bottleneck", "stage 1", "stage 2", "confirm", "steps", "compute hours"):
        table.add_column(column)
    budget, total = request.budget, 0.0
    for bottleneck in request.bottlenecks:
        short, full = request.horizon("short"), request.horizon("long")
        steps = request.planned_steps
        hours = steps * step_seconds(request, bottleneck, options.device) / 3600
        total += hours
        table.add_row(
            bottleneck,
            f"{budget.stage1_trials} x {short} steps",
            f"{budget.stage2_trials} x {full} steps",
            f"{budget.confirm_trials} x {full} steps",
            str(steps),
            f"{hours:.2f}",
        )
    print_whole(console, table)
    console.print(
        f"{total:.2f} hours of one trial's share of a worker in all, from steps timed on this "
        "machine; divide by the number of trials that run at a time"
    )
    return 0
