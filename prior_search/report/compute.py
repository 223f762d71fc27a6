"""What every search was to spend and has spent, and whether that was the same for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from prior_search.report.tables import TrialRow
from prior_search.request import StudyRequest

TOLERANCE = 0.01  # of the steps; searches that differ by less had the same tuning


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchCompute:
    """Budget of one search, in optimization steps.

    Attributes:
        planned: of all runs that the budget allows, without retries.
        spent: of runs that have an outcome.
        confirmation: the part of ``spent`` that measured the predicted best configuration and
            leading ones again; a search whose best is separated earlier needs less of it.
        open_runs: under way: handed out, without an outcome yet.
        wall_seconds: of all attempts, those that were lost included.
    """

    search: str
    planned: int
    spent: int
    confirmation: int = 0
    num_runs: int
    open_runs: int
    wall_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EqualTuning:
    """Whether the searches of a study can be compared, and why."""

    verdict: Literal["equal", "unequal", "unfinished", "single"]
    reason: str


def compute_of(request: StudyRequest, rows: Sequence[TrialRow]) -> list[SearchCompute]:
    """One entry per search of the request."""
    found = []
    for search, arms in request.searches.items():
        own = [row for row in rows if row.spec.search == search]
        found.append(
            SearchCompute(
                search=search,
                planned=request.planned_steps * len(arms),
                spent=sum(row.steps for row in own if row.is_settled),
                confirmation=sum(
                    row.steps for row in own if row.is_settled and row.spec.stage == "confirm"
                ),
                num_runs=len(own),
                open_runs=sum(not row.is_settled for row in own),
                wall_seconds=sum(row.wall_seconds for row in own),
            )
        )
    return found


def equal_tuning(found: Sequence[SearchCompute], *, is_finished: bool) -> EqualTuning:
    """The verdict over all searches of a study, on what they spent before confirmation."""
    spent = ", ".join(f"{c.search.upper()} {c.spent:,}" for c in found)
    plan = f"each search was planned {found[0].planned:,} steps; spent: {spent}"
    if len(found) == 1:
        return EqualTuning(verdict="single", reason=f"one search only, nothing to compare; {plan}")
    if not is_finished:
        return EqualTuning(verdict="unfinished", reason=f"the study is not finished; {plan}")
    tuning = [c.spent - c.confirmation for c in found]
    least, most = min(tuning), max(tuning)
    if len({c.confirmation for c in found}) > 1:
        again = ", ".join(f"{c.search.upper()} {c.confirmation:,}" for c in found)
        plan += f"; of it on confirmation, which ends once the best is separated: {again}"
    if most <= least * (1 + TOLERANCE):
        return EqualTuning(verdict="equal", reason=plan)
    gap = f"the largest is {most / least:.2f} times the smallest" if least else "one spent none"
    return EqualTuning(verdict="unequal", reason=f"{plan}; {gap}")
