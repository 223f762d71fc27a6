"""Pictures of evaluated models: accuracy by budget (Fig. 2) and by information (Fig. 3)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from prior_search.evaluation import Evaluation

FORMATS = ("svg", "png")
# colors of Okabe and Ito (2008), which the color-blind can tell apart; shapes differ as well
COLORS = {"prior": "#0072B2", "itd": "#D55E00", "td": "#009E73"}
MARKERS = {"gaussian": "o", "categorical": "s", "ema_vq": "^"}
LINES = {"gaussian": "-", "categorical": "--", "ema_vq": ":"}


def draw_accuracy_by_budget(evaluations: Sequence[Evaluation], folder: Path) -> list[Path]:
    """A row per token family, a column per taxonomy level; bands are 95 % intervals.

    Args:
        evaluations: of models that were probed; seeds of one model share a color.
        folder: gets ``accuracy_by_budget.svg`` and ``.png``.
    """
    families = list(dict.fromkeys(e.spec.family for e in evaluations))
    levels = evaluations[0].levels
    figure = _figure(3.0 * len(levels) + 0.6, 2.6 * len(families) + 0.6)
    axes = figure.subplots(len(families), len(levels), squeeze=False, sharex=True, sharey="col")
    for row, family in zip(axes, families, strict=True):
        own = [e for e in evaluations if e.spec.family == family]
        for axis, level in zip(row, levels, strict=True):
            for evaluation in own:
                _draw_budgets(axis, evaluation, level)
            chance = 100 * own[0].probe(level, own[0].budgets[0]).chance
            axis.axhline(chance, color="#999999", linewidth=0.8, linestyle=(0, (1, 2)))
        row[0].set_ylabel(f"{family}\naccuracy, %")
    for axis, level in zip(axes[0], levels, strict=True):
        axis.set_title(level, fontsize=10)
    for axis in axes[-1]:
        axis.set_xlabel("budget, tokens")
    _legend(figure)
    return _save(figure, folder / "accuracy_by_budget")


def draw_accuracy_by_information(evaluations: Sequence[Evaluation], folder: Path) -> list[Path]:
    """Accuracy at the finest level against the bits of the retained prefix, log-scaled.

    Args:
        evaluations: of models that were probed.
        folder: gets ``accuracy_by_information.svg`` and ``.png``.
    """
    level = evaluations[0].levels[-1]
    figure = _figure(6.4, 4.4)
    axis = figure.subplots()
    for evaluation in evaluations:
        budgets = evaluation.budgets
        axis.plot(
            [evaluation.information_bits[budget] for budget in budgets],
            [100 * evaluation.probe(level, budget).accuracy for budget in budgets],
            label=f"{evaluation.spec.family} {evaluation.spec.bottleneck.upper()}",
            linestyle=LINES[evaluation.spec.family],
            **_style(evaluation),
        )
    axis.set_xscale("symlog", linthresh=1.0)  # a prefix that carries nothing has 0 bits
    axis.set_xlabel("effective information of the prefix, bits")
    axis.set_ylabel(f"{level} accuracy, %")
    axis.spines[["top", "right"]].set_visible(False)
    _legend(figure)
    return _save(figure, folder / "accuracy_by_information")


def _draw_budgets(axis: Axes, evaluation: Evaluation, level: str) -> None:
    budgets = evaluation.budgets
    scores = [evaluation.probe(level, budget) for budget in budgets]
    style = _style(evaluation)
    axis.plot(
        budgets,
        [100 * s.accuracy for s in scores],
        label=evaluation.spec.bottleneck.upper(),
        **style,
    )
    low, high = [100 * s.low for s in scores], [100 * s.high for s in scores]
    axis.fill_between(budgets, low, high, color=style["color"], alpha=0.15, linewidth=0)
    axis.set_xscale("log", base=2)
    axis.set_xticks(budgets, [str(budget) for budget in budgets])
    axis.minorticks_off()
    axis.spines[["top", "right"]].set_visible(False)


def _style(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "color": COLORS[evaluation.spec.bottleneck],
        "marker": MARKERS[evaluation.spec.family],
        "markersize": 4,
        "linewidth": 1.2,
    }


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _legend(figure: Figure) -> None:
    """One entry per label below all axes."""
    found = [axis.get_legend_handles_labels() for axis in figure.axes]
    entries = {
        label: h for handles, labels in found for h, label in zip(handles, labels, strict=True)
    }
    figure.legend(
        list(entries.values()), list(entries), loc="outside lower center", ncols=3, frameon=False
    )


def _save(figure: Figure, stem: Path) -> list[Path]:
    paths = [stem.with_suffix(f".{ending}") for ending in FORMATS]
    for path in paths:
        figure.savefig(path, dpi=130)
    return paths
