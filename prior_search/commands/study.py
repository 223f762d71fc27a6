"""``prior-search study``: the whole comparison of the paper, from searches to claims."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from prior_search.campaign import (
    Campaign,
    CampaignPlan,
    Ground,
    comparison_input,
    outcomes,
    planned_runs,
    planned_work,
    write_evaluations,
)
from prior_search.campaign.ground import LOCK_NAME, only_driver
from prior_search.commands.campaign_view import CampaignView
from prior_search.commands.dry_run import step_seconds
from prior_search.commands.places import MIRROR_SECONDS, check_device, check_writable, executor
from prior_search.commands.search import write_pages
from prior_search.commands.shell import interrupted
from prior_search.commands.tables import print_whole
from prior_search.commands.training_data import prepare_data
from prior_search.environment import versions, write_environment
from prior_search.errors import RequestError, WorkerLostError
from prior_search.event_log import PLAN_NAME, holds_campaign
from prior_search.mlflow_log import MirrorThread
from prior_search.report.comparison import compare, write_comparison
from prior_search.request import StudyRequest
from prior_search.shipped import shipped_folder
from prior_search.storage.origin import is_remote
from prior_search.study import Study
from prior_search.trial import Task

DEFAULT_PLAN = "tiny.toml"


def run(options: argparse.Namespace) -> int:
    """Run or resume a campaign; 0 done, 3 a search has no result, 130 interrupted."""
    console = Console()
    plan = _read_plan(options)
    studies = plan.studies(options.spaces)
    check_device(options.device)
    root = _root(options, plan)
    if options.dry_run:
        return _dry_run(console, plan, studies, options)
    root.mkdir(exist_ok=True)
    mirrors: list[MirrorThread] = []
    try:
        with only_driver(root):
            plan.write(root / PLAN_NAME)
            write_environment(root)
            data = _prepare(console, plan)

            def mirror(folder: Path) -> MirrorThread:
                mirrors.append(MirrorThread(folder, options.tracking_uri))
                return mirrors[-1]

            view = CampaignView(console, planned_runs(plan, studies))
            ground = Ground(
                plan=plan, root=root, data=data, versions=versions(), mirror=mirror, say=view.say
            )
            _work(view, ground, studies, options)
            return _show(console, root, {task: path for task, (path, _) in data.items()})
    except KeyboardInterrupt:
        return interrupted(console, "runs")
    finally:
        deadline = time.monotonic() + MIRROR_SECONDS
        for thread in mirrors:
            thread.close(timeout=max(0.0, deadline - time.monotonic()))


def report_campaign(console: Console, root: Path, out: Path) -> int:
    """Write the comparison of a campaign, also while it runs; 0."""
    plan = CampaignPlan.read(root / PLAN_NAME)
    data = {task: path for task, (path, _) in _prepare(console, plan).items()}
    page = write_comparison(compare(comparison_input(root, outcomes(root), data)), out)
    console.print(str(page), highlight=False, soft_wrap=True, markup=False)
    return 0


def _prepare(console: Console, plan: CampaignPlan) -> dict[Task, tuple[str, str]]:
    """By task, where its set is, and its fingerprint."""
    return {t.task: prepare_data(console, t.data, t.task, plan.preset) for t in plan.tracks}


def _read_plan(options: argparse.Namespace) -> CampaignPlan:
    shipped = shipped_folder("study_plans")
    path = options.plan or shipped / DEFAULT_PLAN
    if not path.exists() and path.suffix == "" and (shipped / f"{path.name}.toml").exists():
        path = shipped / f"{path.name}.toml"
    plan = CampaignPlan.read(path, options.overrides)
    return plan.smoke() if options.smoke else plan


def _root(options: argparse.Namespace, plan: CampaignPlan) -> Path:
    """The folder of the campaign; one that holds something else is refused."""
    if is_remote(options.storage_path):
        raise RequestError(
            "--storage-path of prior-search study must be a folder that all machines mount, got "
            f"{options.storage_path}; single searches take a bucket"
        )
    root = check_writable(options.storage_path, "--storage-path") / plan.name
    others = [path for path in root.glob("*") if path.name != LOCK_NAME]
    if others and not holds_campaign(root):
        raise RequestError(
            f"{root} holds something that is no campaign; give another name with "
            f"--set name=NAME, or another --storage-path (name is {plan.name!r})"
        )
    return root


def _work(
    view: CampaignView,
    ground: Ground,
    studies: Sequence[StudyRequest],
    options: argparse.Namespace,
) -> None:
    """Run what is left.

    Raises:
        WorkerLostError: the workers ended before the campaign did.
    """
    with view:
        campaign = Campaign(ground, studies, view.show)
        try:
            if not campaign.is_finished:
                view.begin(campaign.num_ended)
                executor(options, "", ground.root, locate=campaign.settings_of).run(campaign)
            if not campaign.is_finished:
                raise WorkerLostError(
                    "the workers ended before the campaign did; the same command goes on"
                )
        finally:
            campaign.close()


def _show(console: Console, root: Path, data: Mapping[Task, str]) -> int:
    """Write every page and print what was found; 0, or 3 if a search has no result."""
    found = outcomes(root)
    for outcome in found:
        console.print(f"writing the report of {outcome.request.name}", highlight=False)
        write_evaluations(outcome)
        opened = Study(outcome.folder, read_only=True)
        try:
            write_pages(opened, outcome.folder)
        finally:
            opened.close()
    view = compare(comparison_input(root, found, data))
    page = write_comparison(view, root / "report")
    table = Table(title="claims of the paper", title_justify="left")
    for column in ("no.", "claim", "verdict"):
        table.add_column(column, overflow="fold")
    for claim in view.claims:
        table.add_row(claim.number, claim.text, claim.verdict)
    console.print(table)
    counts = ", ".join(f"{verdict}: {count}" for verdict, count in view.verdicts.items())
    console.print(f"{counts}\nreport: {page}", highlight=False, soft_wrap=True, markup=False)
    exported = [o.folder / "best" / f"{b}.toml" for o in found for b in o.request.bottlenecks]
    return 0 if all(path.exists() for path in exported) else 3


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
    print_whole(console, table)
    console.print(
        f"{total:.2f} hours of one trial's share of a worker in all, without evaluations, from "
        "steps timed on this machine; divide by the number of trials that run at a time"
    )
    return 0
