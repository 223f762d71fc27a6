"""``prior-search study``: the whole comparison of the paper, from searches to claims."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from prior_search.campaign import (
    Campaign,
    CampaignPlan,
    Ended,
    Ground,
    comparison_input,
    outcomes,
    planned_runs,
    planned_work,
    write_evaluations,
)
from prior_search.commands.places import (
    MIRROR_SECONDS,
    check_writable,
    executor,
    interrupted,
    prepare_data,
)
from prior_search.commands.search import step_seconds
from prior_search.environment import versions, write_environment
from prior_search.errors import RequestError
from prior_search.event_log import PLAN_NAME, holds_campaign
from prior_search.mlflow_log import MirrorThread
from prior_search.progress import format_weights
from prior_search.report import draw_weights, write_parquet, write_report
from prior_search.report.comparison import compare, write_comparison
from prior_search.request import StudyRequest
from prior_search.shipped import shipped_folder
from prior_search.study import Study
from prior_search.trial import OBJECTIVES, Task

DEFAULT_PLAN = "tiny.toml"


def run(options: argparse.Namespace) -> int:
    """Run or resume a campaign; 0 done, 3 a search has no result, 130 interrupted."""
    console = Console()
    plan = _read_plan(options)
    studies = plan.studies(options.spaces)
    if not isinstance(options.storage_path, Path):
        raise RequestError(
            "--storage-path of prior-search study must be a folder that all machines mount, got "
            f"{options.storage_path}; single searches take a bucket"
        )
    root = check_writable(options.storage_path, "--storage-path") / plan.name
    if options.dry_run:
        return _dry_run(console, plan, studies, options)
    _check_root(root, plan)
    data = {t.task: prepare_data(console, t.data, t.task, plan.preset) for t in plan.tracks}
    root.mkdir(exist_ok=True)
    plan.write(root / PLAN_NAME)
    write_environment(root)
    code = _run(console, plan, studies, root, data, options)
    return code or _show(console, root, data, options.device)


def report_campaign(console: Console, root: Path, out: Path) -> int:
    """Write the comparison of a campaign, also while it runs; 0."""
    plan = CampaignPlan.read(root / PLAN_NAME)
    data = {t.task: prepare_data(console, t.data, t.task, plan.preset)[0] for t in plan.tracks}
    page = write_comparison(comparison_input(root, data), out)
    console.print(str(page), highlight=False, soft_wrap=True, markup=False)
    return 0


def _read_plan(options: argparse.Namespace) -> CampaignPlan:
    shipped = shipped_folder("study_plans")
    path = options.plan or shipped / DEFAULT_PLAN
    if not path.exists() and path.suffix == "" and (shipped / f"{path.name}.toml").exists():
        path = shipped / f"{path.name}.toml"
    plan = CampaignPlan.read(path, options.overrides)
    return plan.smoke() if options.smoke else plan


def _check_root(root: Path, plan: CampaignPlan) -> None:
    """Refuse a folder that holds something else than a campaign."""
    if root.exists() and any(root.iterdir()) and not holds_campaign(root):
        raise RequestError(
            f"{root} holds something that is no campaign; give another name with "
            f"--set name=NAME, or another --storage-path (name is {plan.name!r})"
        )


def _run(
    console: Console,
    plan: CampaignPlan,
    studies: Sequence[StudyRequest],
    root: Path,
    data: Mapping[Task, tuple[str, str]],
    options: argparse.Namespace,
) -> int:
    """Run what is left; 0, or 130 if interrupted."""
    mirrors: list[MirrorThread] = []

    def mirror(folder: Path) -> MirrorThread:
        mirrors.append(MirrorThread(folder, options.tracking_uri))
        return mirrors[-1]

    view = _View(console, planned_runs(plan, studies))
    campaign = None
    try:
        with view:
            ground = Ground(
                plan=plan, root=root, data=data, versions=versions(), mirror=mirror, say=view.say
            )
            campaign = Campaign(ground, studies, view.show)
            if not campaign.is_finished:
                view.begin(campaign.num_ended)
                place = executor(options, "", root, locate=campaign.settings_of)
                place.run(campaign)
    except KeyboardInterrupt:
        return interrupted(console, "runs")
    finally:
        if campaign is not None:
            campaign.close()
        deadline = time.monotonic() + MIRROR_SECONDS
        for thread in mirrors:
            thread.close(timeout=max(0.0, deadline - time.monotonic()))
    return 0


def _show(console: Console, root: Path, data: Mapping[Task, tuple[str, str]], device: str) -> int:
    """Write every page and print what was found; 0, or 3 if a search has no result."""
    found = outcomes(root)
    for outcome in found:
        console.print(f"writing the report of {outcome.request.name}", highlight=False)
        write_evaluations(outcome)
        opened = Study(outcome.folder, read_only=True)
        try:
            write_parquet(opened.events, outcome.folder / "trials.parquet")
            (outcome.folder / "report").mkdir(exist_ok=True)
            draw_weights(opened.events, outcome.folder / "report" / "weights.png")
            write_report(opened, outcome.folder / "report")
        finally:
            opened.close()
    given = comparison_input(root, {task: path for task, (path, _) in data.items()}, device)
    page = write_comparison(given, root / "report")
    view = compare(given)
    table = Table(title="claims of the paper", title_justify="left")
    for column in ("no.", "claim", "verdict"):
        table.add_column(column, overflow="fold")
    for claim in view.claims:
        table.add_row(claim.number, claim.text, claim.verdict)
    console.print(table)
    counts = ", ".join(f"{verdict}: {count}" for verdict, count in view.verdicts.items())
    console.print(f"{counts}\nreport: {page}", highlight=False, soft_wrap=True)
    return 0 if all(any((o.folder / "best").glob("*.toml")) for o in found) else 3


def _dry_run(
    console: Console,
    plan: CampaignPlan,
    studies: Sequence[StudyRequest],
    options: argparse.Namespace,
) -> int:
    """Print what a campaign would run and what that costs; 0."""
    table = Table(title=f"campaign {plan.name!r}: nothing was started", title_justify="left")
    for column in ("study", "runs", "steps", "compute hours"):
        table.add_column(column, justify="left" if column == "study" else "right")
    total = 0.0
    for request in studies:
        hours = sum(
            steps * step_seconds(request, bottleneck, options.device) / 3600
            for bottleneck, steps in planned_work(plan, request).items()
        )
        total += hours
        steps = sum(planned_work(plan, request).values())
        runs = planned_runs(plan, [request])
        table.add_row(request.name, str(runs), f"{steps:,}", f"{hours:.2f}")
    console.print(table)
    console.print(
        f"{total:.2f} hours of one trial's share of a worker in all, without evaluations, from "
        "steps timed on this machine; divide by the number of trials that run at a time"
    )
    return 0


class _View:
    """A line per run that has ended; on a terminal also how much of the whole is done."""

    def __init__(self, console: Console, total: int) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._bar = self._progress.add_task("runs ended", total=total)
        self._console, self._total = console, total

    def __enter__(self) -> None:
        self._progress.start()

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, num_ended: int) -> None:
        """Say where a campaign stands that is continued."""
        self._progress.update(self._bar, completed=num_ended)
        self.say(f"{num_ended} of {self._total} runs have ended")

    def say(self, text: str) -> None:
        """Show a line."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def show(self, ended: Ended) -> None:
        """Show a run that has ended."""
        self._progress.update(self._bar, completed=ended.num_ended)
        spec, result = ended.spec, ended.result
        value = (
            "" if result.objective is None else f"  {OBJECTIVES[spec.task]} {result.objective:.4f}"
        )
        error = f"  {result.error}" if result.error else ""
        self.say(
            f"[{ended.num_ended}/{self._total}] {ended.part}: {spec.bottleneck} {spec.label} "
            f"{result.status}  {spec.stage} {spec.role}{value}  "
            f"{format_weights(spec.weights.as_dict())}  {result.wall_seconds:.0f}s{error}"
        )
