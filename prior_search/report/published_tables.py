"""Tables 3, 4 and 5: what a study measured beside what was published."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from prior_search.report import published
from prior_search.report.contrasts import NAMES
from prior_search.report.results import ACCURACY, LOWER_IS_BETTER, Arm, Results
from prior_search.report.statistics import bootstrap_interval

Mark = Literal["", "best", "second"]
PEAKS: dict[Mark, str] = {"best": "*", "second": "+", "": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One cell.

    Attributes:
        mean: over seeds; None if it was not measured.
        half_width: of the bootstrap interval over seeds; None below two seeds.
        mark: best or second among those it is compared with.
        peak: ``*`` or ``+``: best or second model of its family and level, at its best budget.
    """

    mean: float | None
    half_width: float | None
    published: float | None
    mark: Mark = ""
    peak: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row: names, then entries."""

    names: tuple[str, ...]
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultTable:
    """A table; ``digits`` behind the point, of ours and of the published values."""

    name: str
    title: str
    note: str
    name_columns: tuple[str, ...]
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    digits: tuple[int, int]

    def records(self) -> list[dict[str, object]]:
        """One flat record per cell, for files."""
        found = []
        for line in self.lines:
            for column, entry in zip(self.columns, line.entries, strict=True):
                record: dict[str, object] = {}
                record |= dict(zip(self.name_columns, line.names, strict=True))
                record |= {"column": column, **dataclasses.asdict(entry)}
                found.append(record)
        return found


def loss_table(results: Results) -> ResultTable:
    """Table 3; marks compare the tuned models of a family."""
    columns: tuple[tuple[str, Arm], ...] = (
        ("prior", "tuned"), ("itd", "tuned"), ("itd", "matched"), ("td", "tuned"),
        ("td", "matched"),
    )  # fmt: skip
    full = max(results.budgets("nt_xent"), default=0)
    lines = []
    for family in results.families:
        found = [
            (results.by_seed(family, b, "nt_xent", full, arm), published.NT_XENT[family, b, arm])
            for b, arm in columns
        ]
        means = [_mean(values) if arm == "tuned" else None
                 for (values, _), (_, arm) in zip(found, columns, strict=True)]  # fmt: skip
        marks = rank(means, is_lower_better=True)
        entries = [_entry(v, p, m) for (v, p), m in zip(found, marks, strict=True)]
        lines.append(Line(names=(family,), entries=tuple(entries)))
    return ResultTable(
        name="table-3",
        title="Validation NT-Xent (Table 3)",
        note="PRIOR: of the last level's head. Matched: ITD and TD with common weights.",
        name_columns=("family",),
        columns=tuple(f"{NAMES[b]} {arm}" for b, arm in columns),
        lines=tuple(lines),
        digits=(3, 3),
    )


def accuracy_table(results: Results, family: str) -> ResultTable:
    """Table 4 of one family; published values stand where the budget is the same."""
    budgets = results.budgets(f"{ACCURACY}class")
    by_level = {
        level: _accuracy_entries(results, family, level, budgets) for level in published.LEVELS
    }
    columns = [(b, level) for b in published.BOTTLENECKS for level in published.LEVELS]
    return ResultTable(
        name=f"table-4-{family.replace('_', '-')}",
        title=f"Probe accuracy, {family} (Table 4)",
        note="Percent, by budget. Marks compare the models at a budget and level; * and + mark "
        "the best and second model of a level, each at its best budget.",
        name_columns=("budget",),
        columns=tuple(f"{NAMES[b]} {level}" for b, level in columns),
        lines=tuple(
            Line(names=(str(k),), entries=tuple(by_level[level][b, k] for b, level in columns))
            for k in budgets
        ),
        digits=(1, 2),
    )


def _accuracy_entries(
    results: Results, family: str, level: str, budgets: Sequence[int]
) -> dict[tuple[str, int], Entry]:
    """By bottleneck and budget."""
    metric = ACCURACY + level
    models = published.BOTTLENECKS
    cells = {(b, k): results.by_seed(family, b, metric, k) for b in models for k in budgets}
    means = {key: _mean(values) for key, values in cells.items()}
    peaks = [max((m for k in budgets if (m := means[b, k]) is not None), default=None)
             for b in models]  # fmt: skip
    places = rank(peaks, is_lower_better=False)
    found = {}
    for k in budgets:
        marks = rank([means[b, k] for b in models], is_lower_better=False)
        for b, mark, peak, place in zip(models, marks, peaks, places, strict=True):
            is_peak = peak is not None and means[b, k] == peak
            shown = published.accuracy(family, b, level, k)
            found[b, k] = _entry(cells[b, k], shown, mark, PEAKS[place] if is_peak else "")
    return found


def reconstruction_table(results: Results) -> ResultTable:
    """Table 5 at all budgets that were measured."""
    budgets = results.budgets("ssim")
    return ResultTable(
        name="table-5",
        title="Reconstruction by budget (Table 5)",
        note="Means over validation images. Published values stand where the budget is the same.",
        name_columns=("metric", "model"),
        columns=tuple(f"{k} tokens" for k in budgets),
        lines=tuple(
            line
            for metric in dict.fromkeys(metric for metric, _ in published.RECONSTRUCTION)
            for line in _reconstruction_lines(results, metric, budgets)
        ),
        digits=(4, 4),
    )


def _reconstruction_lines(results: Results, metric: str, budgets: Sequence[int]) -> list[Line]:
    models = published.BOTTLENECKS
    family = next((r.family for r in results.rows if r.metric == metric), "gaussian")
    cells = {(b, k): results.by_seed(family, b, metric, k) for b in models for k in budgets}
    is_lower_better = metric in LOWER_IS_BETTER
    marks = {
        k: rank([_mean(cells[b, k]) for b in models], is_lower_better=is_lower_better)
        for k in budgets
    }
    lines = []
    for place, b in enumerate(models):
        known = zip(
            published.RECONSTRUCTION_BUDGETS, published.RECONSTRUCTION[metric, b], strict=True
        )
        shown = dict(known)
        entries = [_entry(cells[b, k], shown.get(k), marks[k][place]) for k in budgets]
        lines.append(Line(names=(metric, NAMES[b]), entries=tuple(entries)))
    return lines


def rank(means: Sequence[float | None], *, is_lower_better: bool) -> list[Mark]:
    """Best and second of what was measured; equal values share a mark."""
    found = sorted({m for m in means if m is not None}, reverse=not is_lower_better)
    marks: dict[float, Mark] = dict(zip(found, ("best", "second"), strict=False))
    return ["" if m is None else marks.get(m, "") for m in means]


def _entry(values: Mapping[int, float], shown: float | None, mark: Mark, peak: str = "") -> Entry:
    half = None
    if len(values) > 1:
        low, high = bootstrap_interval(list(values.values()))
        half = (high - low) / 2
    return Entry(mean=_mean(values), half_width=half, published=shown, mark=mark, peak=peak)


def _mean(values: Mapping[int, float]) -> float | None:
    return sum(values.values()) / len(values) if values else None
