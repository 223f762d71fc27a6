"""A chart as data: axes, layers and words. ``svg`` and ``png`` draw it, each in its own way."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from prior_search.report.palette import Color, Shape

PADDING = 0.05  # of the range of the data, on either side


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis.

    Attributes:
        ticks: position and label of each; None chooses round numbers.
        low: end of the range; None takes it from the layers, with some padding.
    """

    label: str = ""
    is_log: bool = False
    ticks: tuple[tuple[float, str], ...] | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """Markers; ``low`` and ``high`` are ends of whiskers along y, ``titles`` show on hover."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    label: str = ""
    color: Color = "ink"
    shape: Shape = "circle"
    titles: tuple[str, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A polyline; ``is_stepped`` keeps each value until the next x."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    label: str = ""
    color: Color = "ink"
    is_dashed: bool = False
    is_stepped: bool = False
    is_thin: bool = False
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The area between two curves. It does not widen the axes: what leaves them is cut."""

    x: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    label: str = ""
    color: Color = "blue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A straight line across the plot, at a value of one axis."""

    at: float
    is_vertical: bool = True
    label: str = ""
    color: Color = "muted"
    is_dashed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Text beside a point of the plot, above it by default."""

    x: float
    y: float
    text: str
    is_below: bool = False


Layer = Points | Line | Band | Rule | Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One figure.

    Attributes:
        name: stem of its files; letters, digits and ``-``.
        note: the caption: what is shown and how to read it.
        width: in pixels at natural size, as is ``height``.
    """

    name: str
    title: str
    note: str
    x: Axis
    y: Axis
    layers: tuple[Layer, ...]
    width: int = 380
    height: int = 264

    def range_of(self, which: str) -> tuple[float, float]:
        """Ends of the ``x`` or ``y`` axis, in data units."""
        axis: Axis = getattr(self, which)
        found = [v for layer in self.layers for v in _extent(layer, which) if math.isfinite(v)]
        found = [v for v in found if v > 0] if axis.is_log else found
        low, high = (min(found), max(found)) if found else (1.0, 10.0)
        low, high = _padded(low, high, axis.is_log)
        return (low if axis.low is None else axis.low, high if axis.high is None else axis.high)

    def legend(self) -> tuple[Points | Line | Band, ...]:
        """One layer per label, in order."""
        named = [la for la in self.layers if isinstance(la, Points | Line | Band) and la.label]
        return tuple({layer.label: layer for layer in reversed(named)}.values())[::-1]


def _extent(layer: Layer, which: str) -> Iterable[float]:
    match layer:
        case Points():
            return layer.x if which == "x" else (*layer.y, *layer.low, *layer.high)
        case Line():
            return layer.x if which == "x" else layer.y
        case Band():
            return layer.x if which == "x" else ()
        case Rule():
            return (layer.at,) if layer.is_vertical == (which == "x") else ()
        case Words():
            return ()


def _padded(low: float, high: float, is_log: bool) -> tuple[float, float]:
    if is_log:
        a, b = _padded(math.log10(low), math.log10(high), False)
        return 10.0**a, 10.0**b
    room = (high - low) * PADDING or abs(high) * PADDING or 1.0
    return low - room, high + room
