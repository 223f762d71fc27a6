"""Figures of a matched control: where the weights moved, and what is left of a difference."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from prior_search.report.charts import Axis, Chart, Layer, Line, Points, Rule, Words
from prior_search.report.comparison_charts import WeightMove
from prior_search.report.contrasts import NAMES
from prior_search.report.palette import BOTTLENECK_STYLE, SEARCH_STYLE
from prior_search.report.statistics import bootstrap_interval


def moves_chart(moves: Sequence[WeightMove]) -> Chart:
    """Every weight from where it was tuned alone to the common value: the arrows of Fig. 3."""
    places = [float(len(moves) - 1 - k) for k in range(len(moves))]  # the first one on top
    ticks = tuple(
        (y, f"{NAMES[move.bottleneck]} {move.weight.removesuffix('_weight')}")
        for y, move in zip(places, moves, strict=True)
    )
    return Chart(
        name="control-moves",
        title="Where common weights moved",
        note="From the value that each bottleneck's own search recommends to the one that both "
        "share, with the direction and the factor of the move. The arrows of Figure 3 of the "
        "paper.",
        x=Axis(label="weight", is_log=True),
        y=Axis(ticks=ticks, low=-0.6, high=len(moves) - 0.2),
        layers=tuple(
            layer for y, move in zip(places, moves, strict=True) for layer in _move(y, move)
        ),
        height=112 + 40 * len(moves),
    )


def _move(y: float, move: WeightMove) -> list[Layer]:
    color, shape = BOTTLENECK_STYLE[move.bottleneck]
    common_color, common_shape = SEARCH_STYLE["control"]
    name = NAMES[move.bottleneck]
    middle = math.sqrt(move.tuned * move.matched)
    return [
        Line(x=(move.tuned, move.matched), y=(y, y), color=color, is_thin=True),
        Points(x=(move.tuned,), y=(y,), color=color, shape=shape, label=f"{name} tuned alone"),
        Points(x=(move.matched,), y=(y,), color=common_color, shape=common_shape, label="common"),
        Words(x=middle, y=y, text=_step(move)),
    ]


def _step(move: WeightMove) -> str:
    factor = move.matched / move.tuned
    return move.arrow if factor == 1 else f"{move.arrow} {max(factor, 1 / factor):.2g}-fold"


def difference_chart(
    arms: tuple[str, str], differences: Mapping[str, Mapping[int, float]], objective: str
) -> Chart:
    """The arms' difference by seed, with weights tuned alone and with common ones.

    Args:
        arms: first minus second.
        differences: by kind of weights, then by seed.
        objective: what was measured, in words.
    """
    layers: list[Layer] = [Rule(at=0.0, is_vertical=False)]
    for place, values in enumerate(differences.values()):
        if values:
            layers += _column(float(place), values)
    first, second = (NAMES[arm] for arm in arms)
    return Chart(
        name="control-difference",
        title=f"{first} - {second}, by weights",
        note=f"Difference of the {objective} between trainings with one seed: rings are seeds, "
        f"the diamond their mean, with a 95 % bootstrap interval. Below zero {first} is better.",
        x=Axis(
            ticks=tuple((float(place), name) for place, name in enumerate(differences)),
            low=-0.6,
            high=len(differences) - 0.4,
        ),
        y=Axis(label=f"{first} - {second}"),
        layers=tuple(layers),
    )


def _column(place: float, values: Mapping[int, float]) -> list[Layer]:
    found = list(values.values())
    mean = statistics.fmean(found)
    low, high = bootstrap_interval(found)
    return [
        Points(
            x=(place,) * len(found),
            y=tuple(found),
            color="muted",
            shape="ring",
            titles=tuple(f"seed {seed}: {value:+.4f}" for seed, value in values.items()),
            label="seed",
        ),
        Points(
            x=(place + 0.12,),
            y=(mean,),
            low=(low,),
            high=(high,),
            shape="diamond",
            titles=(f"mean {mean:+.4f}",),
            label="mean",
        ),
    ]
