"""Figures that set runs against what was expected of them: by role, prediction and horizon."""

from __future__ import annotations

from collections.abc import Sequence

from prior_search.report.charts import Axis, Chart, Line, Points
from prior_search.report.palette import ROLE_STYLE
from prior_search.report.search_charts import by_role, long_runs, role_name, role_words
from prior_search.report.tables import TrialRow
from prior_search.search.horizons import HorizonCorrelation


def roles(name: str, rows: Sequence[TrialRow], objective: str) -> Chart:
    """Objectives of completed runs at the full horizon, a line per role."""
    runs = long_runs(rows)
    names = [n for n in map(role_words, ROLE_STYLE) if n in {role_name(r) for r in runs}][::-1]
    counts = [sum(role_name(r) == n for r in runs) for n in names]
    labels = [f"{n} ({count})" for n, count in zip(names, counts, strict=True)]
    x = [r.objective for r in runs if r.objective is not None]
    y = [float(names.index(role_name(r))) for r in runs]
    return Chart(
        name=f"{name}-roles",
        title="What each kind of suggestion found",
        note="Completed runs at the full horizon; further seeds count to the role of the "
        "configuration they repeat.",
        x=Axis(label=objective),
        y=Axis(
            ticks=tuple((float(k), label) for k, label in enumerate(labels)),
            low=-0.6,
            high=len(names) - 0.4,
        ),
        layers=tuple(unlabeled(layer) for layer in by_role(runs, x, y)),
        height=96 + 36 * len(names),
    )


def unlabeled(layer: Points) -> Points:
    """The same without an entry in the legend, where an axis already says it."""
    return Points(x=layer.x, y=layer.y, color=layer.color, shape=layer.shape, titles=layer.titles)


def predictions(name: str, rows: Sequence[TrialRow]) -> Chart | None:
    """Predicted against measured objective; None if no run was predicted."""
    runs = [r for r in long_runs(rows) if r.predicted_mean is not None]
    if not runs:
        return None
    x = [r.objective for r in runs if r.objective is not None]
    y = [r.predicted_mean for r in runs if r.predicted_mean is not None]
    sd = [r.predicted_sd or 0.0 for r in runs]
    low = [m - 2 * s for m, s in zip(y, sd, strict=True)]
    high = [m + 2 * s for m, s in zip(y, sd, strict=True)]
    room = 0.05 * (max([*x, *high]) - min([*x, *low]))
    ends = (min([*x, *low]) - room, max([*x, *high]) + room)
    inside = sum(a <= v <= b for a, v, b in zip(low, x, high, strict=True))
    return Chart(
        name=f"{name}-predictions",
        title="What was predicted, what came",
        note=f"Prediction on which each run was chosen, mean ± 2 sd of the noiseless objective, "
        f"and what the run measured: {inside} of {len(runs)} within it. A run's own noise comes "
        "on top, so some points beside the line are expected.",
        x=Axis(label="measured", low=ends[0], high=ends[1]),
        y=Axis(label="predicted", low=ends[0], high=ends[1]),
        layers=(
            Line(x=ends, y=ends, color="muted", is_thin=True),
            *by_role(runs, x, y, low=low, high=high),
        ),
    )


def horizon_pairs(rows: Sequence[TrialRow]) -> list[tuple[float, float]]:
    """Mean objective at the short and at the full horizon, of configurations run at both."""
    short: dict[tuple[float, ...], list[float]] = {}
    full: dict[tuple[float, ...], list[float]] = {}
    for row in rows:
        if row.objective is not None:
            kept = short if row.spec.stage == "stage1" else full
            key = tuple(row.spec.weights.as_dict().values())
            kept.setdefault(key, []).append(row.objective)
    return [
        (sum(short[k]) / len(short[k]), sum(full[k]) / len(full[k])) for k in short if k in full
    ]


def horizon_words(pairs: Sequence[tuple[float, float]], found: HorizonCorrelation | None) -> str:
    """The rank correlation with its interval, or why there is none."""
    if found is None:
        return (
            f"{len(pairs)} configurations completed at both horizons: too few, or too "
            "much alike, for a rank correlation."
        )
    return (
        f"Spearman's rank correlation {found.correlation:.2f}, 95 % bootstrap interval "
        f"{found.low:.2f} to {found.high:.2f}, over {found.num_pairs} configurations. They were "
        "chosen for their short result, which lowers the correlation seen."
    )


def horizons(
    name: str, pairs: Sequence[tuple[float, float]], found: HorizonCorrelation | None
) -> Chart:
    """Short against full horizon."""
    return Chart(
        name=f"{name}-horizons",
        title="Does the short horizon foretell the full one?",
        note=horizon_words(pairs, found),
        x=Axis(label="objective at the short horizon"),
        y=Axis(label="objective at the full horizon"),
        layers=(Points(x=tuple(a for a, _ in pairs), y=tuple(b for _, b in pairs), color="blue"),),
    )
