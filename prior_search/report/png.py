"""Charts as PNG, drawn by matplotlib from the same data as the SVG."""

from __future__ import annotations

from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from prior_search.report.charts import Axis, Band, Chart, Line, Points, Rule, Words
from prior_search.report.palette import LIGHT, Shape
from prior_search.report.scales import Scale, ticks

DPI = 144
MARKERS: dict[Shape, str] = {
    "circle": "o",
    "ring": "o",
    "square": "s",
    "triangle": "^",
    "diamond": "D",
    "cross": "x",
}


def write_png(chart: Chart, path: Path) -> None:
    """Write the picture, on white; a ``$`` in a label is a dollar sign."""
    with matplotlib.rc_context({"text.parse_math": False}):
        _figure(chart).savefig(path, dpi=DPI, facecolor="white")


def _figure(chart: Chart) -> Figure:
    inches = (chart.width / 96, chart.height / 96)
    figure = Figure(figsize=inches, dpi=DPI)
    FigureCanvasAgg(figure)
    rows = _legend_rows(chart)
    head = 30 + 15 * rows + (12 if chart.y.label else 0)
    labels = [label for _, label in ticks(chart.y, *chart.range_of("y"), 5)]
    left = 14 + 6.2 * max(map(len, labels), default=0)
    axes = figure.add_axes(
        (
            left / chart.width,
            40 / chart.height,
            (_right(chart, left) - left) / chart.width,
            1 - (head + 40) / chart.height,
        )
    )
    figure.text(0.01, 1 - 5 / chart.height, chart.title, va="top", weight="bold", size=9.5)
    if chart.y.label:
        figure.text(
            0.01, 1 - (head - 4) / chart.height, chart.y.label, size=8, color=LIGHT["muted"]
        )
    for layer in chart.layers:
        _draw(axes, layer)
    _frame(axes, chart)
    if rows:
        figure.legend(
            *axes.get_legend_handles_labels(),
            loc="upper left",
            bbox_to_anchor=(0, 1 - 20 / chart.height),
            ncols=-(-len(chart.legend()) // rows),
            frameon=False,
            fontsize=8,
            borderaxespad=0.1,
            handlelength=1.2,
            columnspacing=1.2,
        )
    return figure


def _right(chart: Chart, left: float) -> float:
    """End of the plot in pixels, where the labels of its ticks have room."""
    low, high = chart.range_of("x")
    scale = Scale(low=low, high=high, start=left, end=0.97 * chart.width, is_log=chart.x.is_log)
    return scale.with_room_for(ticks(chart.x, low, high, 5), chart.width).end


def _legend_rows(chart: Chart) -> int:
    width = sum(34 + 6.4 * len(layer.label) for layer in chart.legend())
    return int(-(-width // chart.width))


def _draw(axes: Axes, layer: Points | Line | Band | Rule | Words) -> None:
    if isinstance(layer, Rule):
        draw = axes.axvline if layer.is_vertical else axes.axhline
        dash = "--" if layer.is_dashed else "-"
        draw(layer.at, linestyle=dash, color=LIGHT[layer.color], linewidth=0.9)
    elif isinstance(layer, Words):
        offset = (0, -9) if layer.is_below else (0, 5)
        axes.annotate(
            layer.text, (layer.x, layer.y), offset, textcoords="offset points", size=7.5,
            ha="center", va="center", color=LIGHT["muted"], annotation_clip=False,
        )  # fmt: skip
    elif isinstance(layer, Band):
        axes.fill_between(
            layer.x, layer.low, layer.high, color=LIGHT[layer.color], alpha=0.18, linewidth=0,
            label=layer.label or None,
        )  # fmt: skip
    elif isinstance(layer, Line):
        axes.plot(
            layer.x, layer.y, color=LIGHT[layer.color], label=layer.label or None,
            linewidth=0.8 if layer.is_thin else 1.4, linestyle="--" if layer.is_dashed else "-",
            drawstyle="steps-post" if layer.is_stepped else "default",
        )  # fmt: skip
    else:
        _points(axes, layer)


def _points(axes: Axes, layer: Points) -> None:
    color = LIGHT[layer.color]
    if layer.low:
        axes.vlines(layer.x, layer.low, layer.high, color=color, linewidth=0.9)
    axes.scatter(
        layer.x, layer.y, s=17, marker=MARKERS[layer.shape], label=layer.label or None,
        linewidths=1.0, zorder=3, edgecolors=None if layer.shape == "cross" else color,
        facecolors="none" if layer.shape == "ring" else color,
    )  # fmt: skip


def _frame(axes: Axes, chart: Chart) -> None:
    for which, axis in (("x", chart.x), ("y", chart.y)):
        low, high = chart.range_of(which)
        if axis.is_log:
            getattr(axes, f"set_{which}scale")("log")
        getattr(axes, f"set_{which}lim")(low, high)
        _ticks(axes, which, axis, low, high)
    axes.minorticks_off()
    axes.set_xlabel(chart.x.label, loc="right", size=8, color=LIGHT["muted"])
    axes.grid(axis="y", color=LIGHT["faint"], linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=8, labelcolor=LIGHT["muted"])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _ticks(axes: Axes, which: str, axis: Axis, low: float, high: float) -> None:
    chosen = ticks(axis, low, high, 5)
    getattr(axes, f"set_{which}ticks")([v for v, _ in chosen], [label for _, label in chosen])
