"""All that a report says of one search: figures, recommendation, and what to think of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prior_search.errors import SurrogateFitError
from prior_search.report import outcome_charts, search_charts, surrogate_charts
from prior_search.report.charts import Chart
from prior_search.report.tables import TrialRow
from prior_search.search import Recommendation, TwoStageOptimizer
from prior_search.search.diagnostics import (
    Slice,
    importance,
    leave_one_out,
    progress,
    slices,
)
from prior_search.search.horizons import horizon_correlation

MIN_FOR_SURROGATE = 3  # completed runs
APART = 1.96  # standard deviations; fewer may be chance


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightView:
    """A recommended weight.

    Attributes:
        low: of the values around ``value`` that the surrogate cannot tell from it: along the
            slice, their mean is less than 1.96 deviations of the difference above that of the
            recommendation; None without one.
    """

    name: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchView:
    """One search.

    Attributes:
        best: with the study's trial number; None if no run at the full horizon completed.
        measured: objectives of the recommended configuration, one per seed.
        messages: what could not be computed, and why.
    """

    name: str
    best: Recommendation | None
    measured: tuple[float, ...]
    weights: tuple[WeightView, ...]
    charts: tuple[Chart, ...]
    messages: tuple[str, ...]


def search_view(
    name: str,
    optimizer: TwoStageOptimizer,
    rows: Sequence[TrialRow],
    best: Recommendation | None,
    *,
    objective: str,
    short_cost: float,
) -> SearchView:
    """Look at one search.

    Args:
        name: of the search.
        optimizer: its own, with all that it was told.
        rows: of this search.
        best: its recommendation, with the study's trial number.
        objective: what is minimized, in words.
        short_cost: of a run at the short horizon, in runs at the full one.
    """
    if best is None:
        message = "No run at the full horizon has completed: there is nothing to recommend."
        return SearchView(
            name=name, best=None, measured=(), weights=(), charts=(), messages=(message,)
        )
    charts, messages = _plain_charts(name, optimizer, rows, objective)
    along: tuple[Slice, ...] = ()
    if sum(row.state == "completed" for row in rows) < MIN_FOR_SURROGATE:
        messages.append(f"Fewer than {MIN_FOR_SURROGATE} runs completed: no surrogate to show.")
    else:
        try:
            along = slices(optimizer)
            first = search_charts.best_so_far(name, progress(optimizer, short_cost), objective)
            learned = _surrogate_charts(name, optimizer, rows, best, along)
            charts = [first, *learned, *charts]
            messages += _second_thoughts(optimizer, best)
        except SurrogateFitError as error:
            messages.append(f"The surrogate could not be fitted: {error}")
    return SearchView(
        name=name,
        best=best,
        measured=_measured(rows, best),
        weights=_weights(optimizer, best, along),
        charts=tuple(charts),
        messages=(*messages, *best.warnings),
    )


def _measured(rows: Sequence[TrialRow], best: Recommendation) -> tuple[float, ...]:
    own = [row for row in rows if row.spec.trial == best.trial]
    return tuple(row.objective for row in own if row.objective is not None)


def _second_thoughts(optimizer: TwoStageOptimizer, best: Recommendation) -> list[str]:
    """Says so where this version reads the runs otherwise than the one that recorded ``best``."""
    now = optimizer.recommend()
    if dict(now.values) == dict(best.values):
        return []
    weights = ", ".join(f"{name} = {value:.3g}" for name, value in now.values.items())
    return [
        "The recommendation is the one that the study recorded. This version of the search reads "
        f"the same runs otherwise and would recommend {weights}, with a posterior mean of "
        f"{now.predicted_mean:.4f}; the figures of the surrogate are from this version."
    ]


def _plain_charts(
    name: str, optimizer: TwoStageOptimizer, rows: Sequence[TrialRow], objective: str
) -> tuple[list[Chart], list[str]]:
    """Figures that need no surrogate."""
    messages = []
    charts = [
        search_charts.parallel_coordinates(name, rows, optimizer.space, objective),
        outcome_charts.roles(name, rows, objective),
    ]
    pairs = outcome_charts.horizon_pairs(rows)
    correlation = horizon_correlation(optimizer.history)
    if len(pairs) > 1:
        charts.append(outcome_charts.horizons(name, pairs, correlation))
    else:
        messages.append(outcome_charts.horizon_words(pairs, correlation))
    return charts, messages


def _surrogate_charts(
    name: str,
    optimizer: TwoStageOptimizer,
    rows: Sequence[TrialRow],
    best: Recommendation,
    along: Sequence[Slice],
) -> list[Chart]:
    charts = [
        surrogate_charts.slice_chart(name, one, rows, best, parameter.scale == "log")
        for one, parameter in zip(along, optimizer.space.parameters, strict=True)
    ]
    if len(along) > 1:  # a single weight has all the variance
        charts.append(surrogate_charts.importance_chart(name, importance(optimizer)))
    charts.append(surrogate_charts.calibration(name, leave_one_out(optimizer)))
    predicted = outcome_charts.predictions(name, rows)
    return charts if predicted is None else [*charts, predicted]


def _weights(
    optimizer: TwoStageOptimizer, best: Recommendation, along: Sequence[Slice]
) -> tuple[WeightView, ...]:
    found = []
    for k, parameter in enumerate(optimizer.space.parameters):
        value = best.values[parameter.name]
        low, high = _as_good(along[k], value) if along else (None, None)
        found.append(WeightView(name=parameter.name, value=value, low=low, high=high))
    return tuple(found)


def _as_good(found: Slice, value: float) -> tuple[float, float]:
    """Ends of the stretch around ``value`` whose means cannot be told from the one there."""
    start = min(range(len(found.values)), key=lambda k: abs(found.values[k] / value - 1))
    first = last = start
    while first > 0 and found.apart[first - 1] <= APART:
        first -= 1
    while last < len(found.values) - 1 and found.apart[last + 1] <= APART:
        last += 1
    return min(value, found.values[first]), max(value, found.values[last])
