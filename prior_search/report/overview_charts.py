"""Figures that set the searches of a study beside each other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from prior_search.event_log import Event
from prior_search.report.charts import Axis, Chart, Line, Points
from prior_search.report.palette import SEARCH_STYLE
from prior_search.report.tables import TrialRow, by_suggestion
from prior_search.search import Recommendation


def overview(
    events: Iterable[Event],
    rows: Sequence[TrialRow],
    best: Mapping[str, Recommendation],
    objective: str,
) -> list[Chart]:
    """All of them; ``best`` is by search and must not be empty."""
    suggested = by_suggestion(rows)
    return [
        recommendations(best, suggested, objective),
        lowest_by_steps(suggested, objective),
        learning_curves(events, rows, best, objective),
    ]


def recommendations(
    found: Mapping[str, Recommendation], rows: Sequence[TrialRow], objective: str
) -> Chart:
    """Posterior interval of every search's recommendation, and its measured seeds."""
    layers = []
    for k, (name, best) in enumerate(found.items()):
        color, shape = SEARCH_STYLE[name]
        is_sure = math.isfinite(best.predicted_sd)
        measured = [r.objective for r in rows_of(rows, name, best) if r.objective is not None]
        layers += [
            Points(
                x=tuple(k + 0.12 for _ in measured),
                y=tuple(measured),
                color="muted",
                shape="ring",
                label="measured, one per seed",
            ),
            Points(
                x=(float(k),),
                y=(best.predicted_mean,),
                low=(best.low,) if is_sure else (),
                high=(best.high,) if is_sure else (),
                color=color,
                shape=shape,
            ),
        ]
    return Chart(
        name="recommendations",
        title="The recommended configurations",
        note="Posterior mean at the full horizon with its central 95 %, and the runs of the "
        "recommended configuration. Each is the best of many, which flatters it: final "
        "trainings compare them.",
        x=Axis(
            ticks=tuple((float(k), n.upper()) for k, n in enumerate(found)),
            low=-0.5,
            high=len(found) - 0.5,
        ),
        y=Axis(label=objective),
        layers=tuple(layers),
    )


def lowest_by_steps(rows: Sequence[TrialRow], objective: str) -> Chart:
    """Lowest objective at the full horizon so far, by all steps that the search had handed out."""
    layers = []
    for name, (color, _) in SEARCH_STYLE.items():
        x: list[float] = []
        y: list[float] = []
        spent = 0.0
        for row in (r for r in rows if r.spec.search == name and r.is_settled):
            spent += row.steps
            if row.objective is not None and row.spec.stage != "stage1":
                y.append(min(row.objective, y[-1]) if y else row.objective)
                x.append(spent)
        if x:
            line = Line(x=tuple(x), y=tuple(y), label=name.upper(), color=color, is_stepped=True)
            layers.append(line)
    return Chart(
        name="lowest-by-steps",
        title="Lowest run so far, by steps",
        note="All searches on the same scale of compute, in the order of suggestion. The lowest "
        "of noisy runs flatters whoever has more noise; the table above goes by posterior means.",
        x=Axis(label="optimization steps of the search", low=0.0),
        y=Axis(label=objective),
        layers=tuple(layers),
    )


def learning_curves(
    events: Iterable[Event],
    rows: Sequence[TrialRow],
    best: Mapping[str, Recommendation],
    objective: str,
) -> Chart:
    """The objective during training, of the recommended configurations at the full horizon."""
    curves: dict[tuple[int, int], dict[int, float]] = {}
    for event in events:
        if event["event"] == "metric_point" and "objective" in event["metrics"]:
            curve = curves.setdefault((event["key"][0], event["key"][1]), {})
            curve[event["step"]] = event["metrics"]["objective"]  # a retried step counts once
    layers = []
    for name, found in best.items():
        asked = {row.suggestion for row in rows_of(rows, name, found)}  # by any arm
        for row in (r for r in rows if r.spec.search == name and r.suggestion in asked):
            curve = curves.get(row.spec.key[:2], {})
            if curve:
                steps = sorted(curve)
                layers.append(
                    Line(
                        x=tuple(map(float, steps)),
                        y=tuple(curve[step] for step in steps),
                        label=row.spec.bottleneck.upper(),
                        color=SEARCH_STYLE[row.spec.bottleneck][0],
                        title=row.spec.label,
                    )
                )
    return Chart(
        name="learning-curves",
        title="Training at the recommended weights",
        note="Objective on the validation set during the runs of the recommended "
        "configurations, one line per seed.",
        x=Axis(label="optimization step", low=0.0),
        y=Axis(label=objective),
        layers=tuple(layers),
    )


def rows_of(rows: Sequence[TrialRow], search: str, best: Recommendation) -> list[TrialRow]:
    """The completed runs of a recommended configuration."""
    return [
        r for r in rows if r.spec.search == search and r.spec.trial == best.trial
        and r.objective is not None
    ]  # fmt: skip
