"""One row per training run, from the event log alone."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from prior_search.event_log import Event
from prior_search.search import Observation, over_arms
from prior_search.trial import TrialSpec
from prior_search.whole_file import whole_file


@dataclass(slots=True, kw_only=True)
class TrialRow:
    """What the log says of one training run so far.

    ``suggestion`` is its index in the search, None without a search; runs that share it are arms.
    ``state`` is pending, running, or the status of the last attempt that counted.
    ``wall_seconds`` sums the attempts; ``steps`` are those of the last one, a checkpoint's
    included. ``worker`` is where it ran.
    """

    spec: TrialSpec
    suggestion: int | None = None
    state: str = "pending"
    objective: float | None = None
    predicted_mean: float | None = None
    predicted_sd: float | None = None
    wall_seconds: float = 0.0
    steps: int = 0
    worker: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    error: str | None = None

    @property
    def is_settled(self) -> bool:
        """Whether the run has an outcome: nothing more will come of it."""
        return self.state not in ("pending", "running", "stopped")

    def as_dict(self) -> dict[str, object]:
        """One flat record; weights and metrics become columns."""
        spec = self.spec
        names = ("search", "bottleneck", "trial", "replicate", "attempt", "stage", "role")
        record: dict[str, object] = {"label": spec.label}
        record |= {name: getattr(spec, name) for name in names}
        record |= {"horizon": spec.horizon, "seed": spec.seed}
        record |= {"state": self.state, "objective": self.objective}
        record |= {"predicted_mean": self.predicted_mean, "predicted_sd": self.predicted_sd}
        record |= {"wall_seconds": self.wall_seconds, "steps": self.steps, "error": self.error}
        record |= spec.weights.as_dict()
        return record | {f"metric.{name}": value for name, value in sorted(self.metrics.items())}


def trial_rows(events: Iterable[Event]) -> list[TrialRow]:
    """Rows in the order of suggestion."""
    rows: dict[tuple[int, int], TrialRow] = {}
    for event in events:
        match event["event"]:
            case "trial_suggested":
                spec, suggestion = TrialSpec.from_dict(event["spec"]), event["suggestion"]
                rows[spec.key[:2]] = TrialRow(
                    spec=spec,
                    suggestion=suggestion.get("index"),
                    predicted_mean=suggestion["predicted_mean"],
                    predicted_sd=suggestion["predicted_sd"],
                )
            case "trial_retried":
                spec = TrialSpec.from_dict(event["spec"])
                rows[spec.key[:2]].spec = spec
                rows[spec.key[:2]].state = "pending"
            case "trial_started":
                rows[_run_key(event["key"])].state = "running"
            case "trial_ended":
                _end(
                    rows[_run_key([event["result"]["trial"], event["result"]["replicate"]])], event
                )
    return list(rows.values())


def by_suggestion(rows: Iterable[TrialRow]) -> list[TrialRow]:
    """A row per suggestion of a search, with the outcome that its optimizer is told.

    Of a search over one bottleneck, and of runs without a search, the rows are as they were.
    Otherwise the specification and the place are the first arm's, steps and seconds are sums, and
    metrics are means.
    """
    groups: dict[tuple[object, ...], list[TrialRow]] = {}
    for row in rows:
        asked_by = (row.spec.search, row.suggestion)
        key = row.spec.key[:2] if row.suggestion is None else asked_by
        groups.setdefault(key, []).append(row)
    return [arms[0] if len(arms) == 1 else _of_arms(arms) for arms in groups.values()]


def _of_arms(arms: Sequence[TrialRow]) -> TrialRow:
    open_states = [row.state for row in arms if not row.is_settled]
    outcome = None if open_states else over_arms([_observation(row) for row in arms])
    shared = set[str].intersection(*(set(row.metrics) for row in arms))
    return dataclasses.replace(
        arms[0],
        state=open_states[0] if outcome is None else outcome.status,
        objective=None if outcome is None else outcome.value,
        wall_seconds=sum(row.wall_seconds for row in arms),
        steps=sum(row.steps for row in arms),
        metrics={name: statistics.fmean(row.metrics[name] for row in arms) for name in shared},
        error=next((row.error for row in arms if row.error), None),
    )


def _observation(row: TrialRow) -> Observation:
    told = row.state if row.state in ("completed", "diverged") else "failed"
    return Observation(index=0, value=row.objective, status=told)  # type: ignore[arg-type]  # as listed


def _run_key(key: list[int]) -> tuple[int, int]:
    return (key[0], key[1])


def _end(row: TrialRow, event: Event) -> None:
    result = event["result"]
    row.state, row.objective, row.error = result["status"], result["objective"], result["error"]
    row.metrics, row.steps = result["metrics"], result["steps"]
    row.worker = result["worker"]
    row.wall_seconds += result["wall_seconds"]


def write_parquet(events: Iterable[Event], path: Path) -> None:
    """Write ``trials.parquet``, atomically; columns that a row lacks are null."""
    records = [row.as_dict() for row in trial_rows(events)]
    names = list(dict.fromkeys(name for record in records for name in record))
    columns = {name: [record.get(name) for record in records] for name in names}
    with whole_file(path) as partial:
        pq.write_table(pa.table(columns), partial)
