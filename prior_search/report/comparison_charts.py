"""Figures 2, 3 and 4 of the paper, drawn from a study's results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prior_search.report.charts import Axis, Chart, Line, Points, Words
from prior_search.report.contrasts import NAMES
from prior_search.report.palette import BOTTLENECK_STYLE
from prior_search.report.results import ACCURACY, Arm, Results
from prior_search.report.statistics import bootstrap_interval

FIGURE_2_LEVELS = ("class", "coarse")


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightMove:
    """A weight of one bottleneck, tuned on its own and in the matched control."""

    family: str
    bottleneck: str
    weight: str
    tuned: float
    matched: float

    @property
    def arrow(self) -> str:
        """Where the control moved it."""
        if self.matched == self.tuned:
            return "="
        return "↑" if self.matched > self.tuned else "↓"


def comparison_charts(results: Results, moves: Sequence[WeightMove]) -> list[Chart]:
    """All that the results have numbers for."""
    charts = []
    for family in results.families:
        for level in FIGURE_2_LEVELS:
            if _has(results, family, ACCURACY + level):
                charts.append(accuracy_by_budget(results, family, level))
    for family in results.families:
        if _has(results, family, f"{ACCURACY}class"):
            own = [move for move in moves if move.family == family]
            charts.append(accuracy_by_information(results, family, own))
    if results.budgets("ssim"):
        charts.append(ssim_by_budget(results))
    return charts


def accuracy_by_budget(results: Results, family: str, level: str) -> Chart:
    """Figure 2: one family and taxonomy level."""
    metric = ACCURACY + level
    return Chart(
        name=f"figure-2-{family.replace('_', '-')}-{level}",
        title=f"{family}: {level} accuracy by budget",
        note="Mean over seeds of the linear probe on the validation set; whiskers are 95 % "
        "bootstrap intervals over seeds. Figure 2 of the paper.",
        x=_budget_axis(results.budgets(metric)),
        y=Axis(label="accuracy, %"),
        layers=tuple(_by_budget(results, family, metric)),
    )


def ssim_by_budget(results: Results) -> Chart:
    """Figure 4."""
    family = next(r.family for r in results.rows if r.metric == "ssim")
    return Chart(
        name="figure-4",
        title="SSIM by budget",
        note="Mean over validation images and seeds, higher is better; whiskers are 95 % "
        "bootstrap intervals over seeds. Figure 4 of the paper.",
        x=_budget_axis(results.budgets("ssim")),
        y=Axis(label="SSIM"),
        layers=tuple(_by_budget(results, family, "ssim")),
    )


def accuracy_by_information(results: Results, family: str, moves: Sequence[WeightMove]) -> Chart:
    """Figure 3: class accuracy against the bits of the prefix, matched controls dashed."""
    layers: list[Line | Points | Words] = []
    for bottleneck, (color, shape) in BOTTLENECK_STYLE.items():
        for arm in ("tuned", "matched"):
            x, y = _information_curve(results, family, bottleneck, arm)
            if not x:
                continue
            name = NAMES[bottleneck] + (" matched" if arm == "matched" else "")
            is_matched = arm == "matched"
            layers += [
                Line(x=x, y=y, color=color, is_dashed=is_matched, is_thin=is_matched),
                Points(x=x, y=y, color=color, shape="ring" if is_matched else shape, label=name),
            ]
            if is_matched:
                words = [f"{m.weight.removesuffix('_weight')} {m.arrow}"
                         for m in moves if m.bottleneck == bottleneck]  # fmt: skip
                is_below = bottleneck == "td"  # the two curves often end close together
                text = ", ".join(words)
                layers.append(Words(x=x[-1], y=y[-1], text=text, is_below=is_below))
    return Chart(
        name=f"figure-3-{family.replace('_', '-')}",
        title=f"{family}: class accuracy by information",
        note="One point per budget, mean over seeds. Dashed: ITD and TD with matched weights; "
        "arrows say where the control moved a weight. The information of Gaussian tokens is a "
        "rate (Eq. 8), so compare within a family. Figure 3 of the paper.",
        x=Axis(label="effective information, bits", is_log=True),
        y=Axis(label="class accuracy, %"),
        layers=tuple(layers),
    )


def _information_curve(
    results: Results, family: str, bottleneck: str, arm: Arm
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Means over seeds by budget; prefixes that carry nothing have no place on a log axis."""
    points = []
    for budget in results.budgets(f"{ACCURACY}class"):
        bits = results.by_seed(family, bottleneck, "information_bits", budget, arm)
        scores = results.by_seed(family, bottleneck, f"{ACCURACY}class", budget, arm)
        if bits and scores and sum(bits.values()) > 0:
            points.append((_mean(bits.values()), _mean(scores.values())))
    return tuple(x for x, _ in points), tuple(y for _, y in points)


def _by_budget(results: Results, family: str, metric: str) -> Iterable[Line | Points]:
    for bottleneck, (color, shape) in BOTTLENECK_STYLE.items():
        cells = [
            (float(k), values)
            for k in results.budgets(metric)
            if (values := list(results.by_seed(family, bottleneck, metric, k).values()))
        ]
        if not cells:
            continue
        x = tuple(k for k, _ in cells)
        y = tuple(_mean(values) for _, values in cells)
        ends = [bootstrap_interval(values) for _, values in cells]
        yield Line(x=x, y=y, color=color)
        yield Points(
            x=x,
            y=y,
            low=tuple(low for low, _ in ends),
            high=tuple(high for _, high in ends),
            color=color,
            shape=shape,
            label=NAMES[bottleneck],
        )


def _budget_axis(budgets: Sequence[int]) -> Axis:
    return Axis(
        label="budget, tokens", is_log=True, ticks=tuple((float(k), str(k)) for k in budgets)
    )


def _has(results: Results, family: str, metric: str) -> bool:
    return any(r.family == family and r.metric == metric for r in results.rows)


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)
