"""Every run of a study as a table to read, sort and filter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from prior_search.report.scales import tick_label
from prior_search.report.search_charts import role_name
from prior_search.report.tables import TrialRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column; ``has_choices`` offers its values for filtering."""

    label: str
    is_number: bool = False
    has_choices: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What is shown, and the number to sort by where that differs from it."""

    text: str
    sort: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialTable:
    """Columns and rows of cells; ``marks`` says which rows are recommended."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    marks: tuple[bool, ...]


def trial_table(
    rows: Sequence[TrialRow], weights: Sequence[str], recommended: Sequence[int]
) -> TrialTable:
    """All runs in the order of suggestion.

    Args:
        rows: of all searches.
        weights: names of those that were searched.
        recommended: trial numbers.
    """
    columns = (
        Column(label="run"),
        *(Column(label=n, has_choices=True) for n in ("search", "stage", "role", "state")),
        Column(label="objective", is_number=True),
        Column(label="predicted ± sd", is_number=True),
        Column(label="information, bits", is_number=True),
        *(Column(label=name, is_number=True) for name in weights),
        *(Column(label=n, is_number=True) for n in ("steps", "seconds")),
        Column(label="seed", is_number=True),
    )
    return TrialTable(
        columns=columns,
        rows=tuple(_cells(row, weights) for row in rows),
        marks=tuple(row.spec.trial in recommended for row in rows),
    )


def _cells(row: TrialRow, weights: Sequence[str]) -> tuple[Cell, ...]:
    spec, values = row.spec, row.spec.weights.as_dict()
    nats = row.metrics.get("information_nats")
    names = (spec.label, spec.arm_name, spec.stage, role_name(row), row.state)
    return (
        *(Cell(text=name) for name in names),
        _number(row.objective, "{:.4f}"),
        _predicted(row),
        _number(None if nats is None else nats / math.log(2.0), "{:,.1f}"),
        *(_number(values[n] or None, "{:.3g}") for n in weights),  # zero is off
        _number(row.steps or None, "{:,.0f}"),
        _number(row.wall_seconds or None, "{:.1f}"),
        Cell(text=str(spec.seed), sort=float(spec.seed)),
    )


def _number(value: float | None, form: str) -> Cell:
    if value is None:
        return Cell(text="")
    text = form.format(value)
    return Cell(text=tick_label(float(text)) if "g" in form else text, sort=value)


def _predicted(row: TrialRow) -> Cell:
    if row.predicted_mean is None:
        return Cell(text="")
    sd = "" if row.predicted_sd is None else f" ± {row.predicted_sd:.3f}"
    return Cell(text=f"{row.predicted_mean:.3f}{sd}", sort=row.predicted_mean)
