"""``prior-search control``: common weights for ITD and TD, beside those of their own searches."""

from __future__ import annotations

import argparse
import dataclasses
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from prior_search.commands.best import show_result
from prior_search.commands.dry_run import dry_run
from prior_search.commands.opening import open_or_create
from prior_search.commands.places import check_writable, find_study
from prior_search.commands.search import read_request, run_study
from prior_search.commands.steering import read_steering
from prior_search.commands.training_data import prepare_data
from prior_search.environment import versions
from prior_search.errors import RequestError
from prior_search.event_log import read_events
from prior_search.past_searches import ARMS, read_past
from prior_search.progress import format_belief
from prior_search.report.control_section import ControlSection, control_section
from prior_search.report.control_view import Tuned
from prior_search.request import StudyRequest
from prior_search.study import Study
from prior_search.study_search import PastTraining
from prior_search.trial import OBJECTIVES

FREE = ("name", "bottlenecks", "matched", "data")  # may differ between a control and its sources


def run(options: argparse.Namespace) -> int:
    """Tune common weights of ITD and TD; 0 done, 3 no trial succeeded, 130 interrupted."""
    console = Console()
    request = read_request(options, ARMS, matched=True)
    storage = check_writable(options.storage_path, "--storage-path")
    changes = read_steering(options, request, storage)
    if options.dry_run:
        return dry_run(console, request, options)
    data, fingerprint = prepare_data(console, request.data, request.task, request.preset)
    made_with = versions()
    facts: dict[str, Any] = {"versions": made_with, "data_fingerprint": fingerprint}
    past: list[PastTraining] = []
    tuned: dict[str, Tuned] = {}
    sources = [find_study(name, storage) for name in options.sources]
    for source in sources:
        _check_source(console, source, request, facts)
        found, results = read_past(source)
        if twice := sorted(tuned.keys() & found.keys()):
            raise RequestError(
                f"--from: {', '.join(twice)} is in two studies, of which one counts"
            )
        tuned |= found
        past += results
    facts["tuned"] = {arm: dataclasses.asdict(own) for arm, own in tuned.items()}
    folder = storage / request.name
    open_or_create(folder, request, options.resume, facts)
    code = run_study(console, folder, data, options, facts, past, changes)
    code = code or show_result(console, folder)
    if code == 0:
        _show_control(console, folder, sources)
    return code


def _check_source(
    console: Console, source: Path, request: StudyRequest, facts: dict[str, Any]
) -> None:
    """Refuse a study whose results mean something else; say so if other versions made them."""
    theirs, events = StudyRequest.read(source / "study.toml"), read_events(source / "events.jsonl")
    if theirs.matched or not set(theirs.bottlenecks) & set(ARMS):
        raise RequestError(f"--from: {source} has no search of {' or '.join(ARMS)} alone")
    if not any(event["event"] == "study_finished" for event in events):
        raise RequestError(f"--from: the study in {source} is not finished; finish it first")
    differences = [
        text
        for text in theirs.differences(request)
        if not text.startswith(tuple(f"{name}:" for name in FREE))
        and not text.startswith("weights.prediction_weight.")  # PRIOR's alone
        and (not text.startswith("budget.") or text.startswith("budget.short_horizon:"))
    ]
    if events[0]["data_fingerprint"] != facts["data_fingerprint"]:
        differences.append(
            f"data: {events[0]['data_fingerprint']}, {facts['data_fingerprint']} (fingerprints)"
        )
    if differences:
        raise RequestError(
            f"--from: {source} answers another request ({'; '.join(differences)}); "
            "give the flags of that study"
        )
    if events[0]["versions"] != facts["versions"]:
        console.print(
            f"{source} was made with other versions of packages; what is taken over from it "
            "may differ in the last digits from what would be trained here",
            soft_wrap=True,
        )


def _show_control(console: Console, folder: Path, sources: Sequence[Path]) -> None:
    study = Study(folder, read_only=True)
    try:
        request, best, events = study.request, study.recommend("control"), study.events
    finally:
        study.close()
    found = control_section(request, events, folder, best.values, sources)
    if found.moves:
        console.print(_moves_table(found, OBJECTIVES[request.task]))
    judged = found.judged
    console.print(f"\n{judged.text}: [bold]{judged.verdict}[/bold]", soft_wrap=True)
    for line in judged.evidence:
        console.print(f"    {line}", soft_wrap=True, highlight=False, markup=False)


def _moves_table(found: ControlSection, objective: str) -> Table:
    table = Table(
        title=f"weights tuned alone and in common, and the {objective} with them: posterior mean "
        "± sd of the own search, mean over the seeds of the control",
        title_justify="left",
    )
    for column in ("bottleneck", "weight", "tuned", "", "common"):
        table.add_column(column, no_wrap=True)
    for column in ("objective tuned", "common"):
        table.add_column(column, overflow="fold")
    arms = {str(arm.bottleneck): arm for arm in found.arms}
    for move in found.moves:
        arm = arms[move.bottleneck]
        before, after = arm.tuned, arm.common
        table.add_row(
            move.bottleneck,
            move.weight,
            f"{move.tuned:.3g}",
            move.arrow,
            f"{move.matched:.3g}",
            format_belief(before.predicted_mean, before.predicted_sd) if before else "",
            f"{statistics.fmean(after.values()):.4f} (of {len(after)})" if after else "",
        )
    return table
