"""Pictures of a study, drawn from the event log alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from prior_search.event_log import Event
from prior_search.report.tables import TrialRow, by_suggestion, trial_rows
from prior_search.trial import OBJECTIVES

# colors of Okabe and Ito (2008), which the color-blind can tell apart; shapes differ as well
STYLES: dict[str, dict[str, Any]] = {
    "stage 1, short horizon": {"color": "#999999", "marker": "o", "facecolors": "none"},
    "anchor": {"color": "#0072B2", "marker": "s"},
    "expected improvement": {"color": "#E69F00", "marker": "^"},
    "posterior mean": {"color": "#009E73", "marker": "D"},
    "sobol": {"color": "#CC79A7", "marker": "v"},
}


def _group(row: TrialRow) -> str:
    """What a point is drawn as; further seeds look like the configuration that they repeat."""
    if row.spec.stage == "stage1":
        return "stage 1, short horizon"
    return row.spec.role.replace("_", " ")


def draw_weights(events: Sequence[Event], path: Path) -> None:
    """Objective against every tuned weight, a row per search; the recommendation is a line.

    Args:
        events: of a study with at least one completed trial.
        path: the picture to write; its ending decides the format.
    """
    rows = [row for row in by_suggestion(trial_rows(events)) if row.objective is not None]
    searches = list(dict.fromkeys(row.spec.search for row in rows))
    names = {s: _tuned([row for row in rows if row.spec.search == s]) for s in searches}
    columns = max(len(n) for n in names.values())
    figure = Figure(figsize=(4.2 * columns, 2.6 * len(searches)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(searches), columns, squeeze=False, sharey="row")
    best = {
        e["search"]: e["recommendation"]["values"]
        for e in events
        if e["event"] == "search_finished" and e["recommendation"] is not None
    }
    for line, search in zip(axes, searches, strict=True):
        own = [row for row in rows if row.spec.search == search]
        for axis in line[len(names[search]) :]:
            axis.set_axis_off()
        for axis, name in zip(line, names[search], strict=False):
            _draw_one(axis, own, name, best.get(search, {}).get(name))
        line[0].set_ylabel(f"{search.upper()}\n{OBJECTIVES[own[0].spec.task]}")
    handles = {h.get_label(): h for axis in figure.axes for h in axis.collections}
    figure.legend(
        list(handles.values()),
        list(map(str, handles)),
        loc="outside lower center",
        ncols=3,
        frameon=False,
    )
    figure.savefig(path, dpi=130)


def _tuned(rows: Sequence[TrialRow]) -> list[str]:
    weights = rows[0].spec.weights.as_dict()
    return [name for name in weights if any(r.spec.weights.as_dict()[name] > 0 for r in rows)]


def _draw_one(axis: Axes, rows: Sequence[TrialRow], name: str, best: float | None) -> None:
    for group, style in STYLES.items():
        chosen = [row for row in rows if _group(row) == group]
        if chosen:
            x = [row.spec.weights.as_dict()[name] for row in chosen]
            y = [row.objective for row in chosen if row.objective is not None]
            axis.scatter(x, y, s=26, label=group, linewidths=1.2, **style)
    if best is not None:
        axis.axvline(best, color="#D55E00", linewidth=1, linestyle="--")
    axis.set_xscale("log")
    axis.set_xlabel(name)
    axis.spines[["top", "right"]].set_visible(False)
