"""The figures of a search's surrogate: what it learned, and whether to believe it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from prior_search.report.charts import Axis, Band, Chart, Line, Points, Rule
from prior_search.report.palette import Color, Shape
from prior_search.report.search_charts import by_role, long_runs
from prior_search.report.tables import TrialRow
from prior_search.search import Recommendation
from prior_search.search.diagnostics import Importance, LeaveOneOut, Slice

# of calibration, by fidelity
FIDELITY_STYLE: tuple[tuple[str, Color, Shape], ...] = (
    ("full horizon", "blue", "circle"),
    ("short horizon", "muted", "ring"),
    ("other studies", "purple", "diamond"),
)


def slice_chart(
    name: str, found: Slice, rows: Sequence[TrialRow], best: Recommendation, is_log: bool
) -> Chart:
    """The posterior along one weight, the measured runs, and the recommendation."""
    runs = long_runs(rows)
    x = [r.spec.weights.as_dict()[found.name] for r in runs]
    y = [r.objective for r in runs if r.objective is not None]
    reach = [*y, *found.mean]
    room = 0.15 * (max(reach) - min(reach) or 1.0)
    return Chart(
        name=f"{name}-slice-{found.name.replace('_', '-')}",
        title=f"Objective along {found.name}",
        note="Posterior mean of the surrogate at the full horizon ± 2 standard deviations, other "
        "weights as recommended. Runs are projected onto the slice, so in a space of several "
        "weights they need not lie on it. The dashed line is the recommendation.",
        x=Axis(label=found.name, is_log=is_log, low=found.values[0], high=found.values[-1]),
        y=Axis(low=min(reach) - room, high=max(reach) + room),
        layers=(
            Band(x=found.values, low=found.low, high=found.high, label="± 2 sd"),
            Line(x=found.values, y=found.mean, label="mean", color="blue"),
            Rule(at=best.values[found.name], color="ink", label="recommended"),
            *by_role(runs, x, y),
        ),
    )


def importance_chart(name: str, found: Sequence[Importance]) -> Chart:
    """Sobol indices as dots on a line per weight."""
    ordered = sorted(found, key=lambda i: i.total)
    at = tuple(float(k) for k in range(len(ordered)))
    stems = [
        Line(x=(0.0, i.total), y=(y, y), color="faint", is_thin=True)
        for y, i in zip(at, ordered, strict=True)
    ]
    return Chart(
        name=f"{name}-importance",
        title="Importance of each weight",
        note="Share of the variance of the surrogate's mean over the search space (Sobol "
        "indices): of the weight alone, and with all interactions it takes part in.",
        x=Axis(
            label="share of variance", low=-0.03, high=max(1.03, *(i.total + 0.03 for i in found))
        ),
        y=Axis(
            ticks=tuple((y, i.name) for y, i in zip(at, ordered, strict=True)),
            low=-0.6,
            high=len(ordered) - 0.4,
        ),
        layers=(
            *stems,
            Points(
                x=tuple(i.first_order for i in ordered),
                y=at,
                label="alone",
                color="vermillion",
                shape="square",
            ),
            Points(x=tuple(i.total for i in ordered), y=at, label="in all", color="blue"),
        ),
        height=110 + 32 * len(ordered),
    )


def calibration(name: str, found: LeaveOneOut) -> Chart:
    """Leave-one-out residuals against the quantiles of a normal distribution."""
    order = np.argsort(found.residuals)
    expected = stats.norm.ppf((np.arange(len(order)) + 0.5) / len(order))
    fidelities = np.asarray(found.fidelities)[order]
    residuals = np.asarray(found.residuals)[order]
    layers = []
    for fidelity, (label, color, shape) in enumerate(FIDELITY_STYLE):
        chosen = np.minimum(fidelities, 2) == fidelity
        if not chosen.any():
            continue
        layers.append(
            Points(
                x=tuple(expected[chosen].tolist()),
                y=tuple(residuals[chosen].tolist()),
                label=label,
                color=color,
                shape=shape,
            )
        )
    end = float(max(2.0, np.abs(expected).max(), np.abs(residuals).max())) * 1.08
    inside = f"{100 * found.coverage:.0f} % of {len(order)}"
    return Chart(
        name=f"{name}-calibration",
        title="Calibration, leaving one out",
        note=f"Each configuration predicted from all others: {inside} lie within the central 95 % "
        f"of their predictions; mean log density {found.log_density:.2f}. Points on the line "
        "mean honest uncertainty; steeper means too sure of itself.",
        x=Axis(label="normal quantile", low=-end, high=end),
        y=Axis(label="residual, in predicted sd", low=-end, high=end),
        layers=(Line(x=(-end, end), y=(-end, end), color="muted", is_thin=True), *layers),
    )
