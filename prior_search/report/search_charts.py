"""The figures of one search's runs: how it went, and where it looked."""

from __future__ import annotations

from collections.abc import Sequence

from prior_search.report.charts import Axis, Chart, Line, Points, Rule, Words
from prior_search.report.palette import ROLE_STYLE
from prior_search.report.scales import tick_label
from prior_search.report.tables import TrialRow
from prior_search.search import SearchSpace
from prior_search.search.diagnostics import ProgressPoint

BEST_SHARE = 0.2  # of the runs that a parallel-coordinates chart puts in front


def role_name(row: TrialRow) -> str:
    """As in legends; further seeds count to the role of the configuration that they repeat."""
    return role_words(row.spec.role)


def role_words(role: str) -> str:
    """``expected_improvement`` as ``expected improvement``."""
    return role.replace("_", " ")


def hover(row: TrialRow) -> str:
    """One line on a run."""
    weights = ", ".join(f"{k} {v:.3g}" for k, v in row.spec.weights.as_dict().items() if v > 0)
    return f"{row.spec.label}, {role_name(row)}: {row.objective:.4f}; {weights}"


def long_runs(rows: Sequence[TrialRow]) -> list[TrialRow]:
    """Completed runs at the full horizon."""
    return [r for r in rows if r.objective is not None and r.spec.stage != "stage1"]


def by_role(
    rows: Sequence[TrialRow], x: Sequence[float], y: Sequence[float], **more: Sequence[float]
) -> list[Points]:
    """One layer of markers per role; ``more`` are whiskers."""
    layers = []
    for role, (color, shape) in ROLE_STYLE.items():
        for name in dict.fromkeys(role_name(r) for r in rows if r.spec.role == role):
            chosen = [k for k, r in enumerate(rows) if role_name(r) == name]
            layers.append(
                Points(
                    x=tuple(x[k] for k in chosen),
                    y=tuple(y[k] for k in chosen),
                    titles=tuple(hover(rows[k]) for k in chosen),
                    label=name,
                    color=color,
                    shape=shape,
                    **{key: tuple(values[k] for k in chosen) for key, values in more.items()},
                )
            )
    return layers


def best_so_far(name: str, points: Sequence[ProgressPoint], objective: str) -> Chart:
    """Lowest objective and single runs by cost."""
    ran = [p for p in points if p.value is not None]
    best = [p for p in points if p.best is not None]
    end = points[-1].cost if points else 0.0
    return Chart(
        name=f"{name}-best-so-far",
        title="Best so far, by cost",
        note=f"Lowest {objective} at the full horizon against all that had been spent, the short "
        "runs of stage 1 included. The minimum of noisy runs flatters: the recommendation goes "
        "by the posterior mean.",
        x=Axis(label="cost, in runs at the full horizon", low=0.0),
        y=Axis(label=objective),
        layers=(
            Points(
                x=tuple(p.cost for p in ran),
                y=tuple(p.value for p in ran if p.value is not None),
                label="single runs",
                color="muted",
                shape="ring",
            ),
            Line(
                x=(*(p.cost for p in best), end),
                y=tuple(p.best for p in (*best, *best[-1:]) if p.best is not None),
                label="lowest so far",
                color="blue",
                is_stepped=True,
            ),
        ),
    )


def parallel_coordinates(
    name: str, rows: Sequence[TrialRow], space: SearchSpace, objective: str
) -> Chart:
    """Every long run as a line through its weights to its objective; the best in front."""
    runs = sorted(long_runs(rows), key=lambda r: -(r.objective or 0.0))
    values = [r.objective for r in runs if r.objective is not None]
    num_best = max(1, round(BEST_SHARE * len(runs)))
    at = tuple(float(k) for k in range(space.dimension + 1))
    ends = [(p.low, p.high) for p in space.parameters] + [(values[-1], values[0])]
    return Chart(
        name=f"{name}-parallel-coordinates",
        title="Weights and outcome of every run",
        note="One line per completed run at the full horizon, from its weights to its "
        f"{objective} (lower is better); weights are spread as the search sees them. In front: "
        f"the best {num_best} of {len(runs)}.",
        x=Axis(
            ticks=tuple(zip(at, [*space.names, "objective"], strict=True)),
            low=-0.35,
            high=space.dimension + 0.35,
        ),
        y=Axis(ticks=(), low=-0.12, high=1.12),
        layers=(
            *(Rule(at=x, color="faint", is_dashed=False) for x in at),
            *_run_lines(runs, space, num_best),
            *(w for x, end in zip(at, ends, strict=True) for w in _end_words(x, end)),
        ),
    )


def _run_lines(runs: Sequence[TrialRow], space: SearchSpace, num_best: int) -> list[Line]:
    """Worst first, so that the best are drawn over them."""
    values = [r.objective for r in runs if r.objective is not None]
    low, width = values[-1], values[0] - values[-1] or 1.0
    lines = []
    for rank, (run, value) in enumerate(zip(runs, values, strict=True)):
        y = space.place(run.spec.weights.as_dict())
        if y is None:
            continue  # the range of a weight has changed since, and has no place for it
        is_best = rank >= len(runs) - num_best
        lines.append(
            Line(
                x=tuple(float(k) for k in range(len(y) + 1)),
                y=(*y, (value - low) / width),
                color="blue" if is_best else "muted",
                label=f"best {num_best}" if is_best else "other runs",
                is_thin=not is_best,
                title=hover(run),
            )
        )
    return lines


def _end_words(x: float, end: tuple[float, float]) -> tuple[Words, Words]:
    """The ends of an axis at ``x``, as text."""
    low, high = (tick_label(float(f"{value:.4g}")) for value in end)
    return Words(x=x, y=0.0, text=low, is_below=True), Words(x=x, y=1.0, text=high)
