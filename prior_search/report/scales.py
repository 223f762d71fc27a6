"""From data to positions on paper, and round numbers to mark the way."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass

from prior_search.report.charts import Axis

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
DIGIT = 7.0  # pixels of a digit of 11, in the widest of the fonts
MAX_DECADES = 5  # labels of a log axis; beyond, every second or third power


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Maps [low, high] to [start, end], linearly or in the logarithm."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool

    def __call__(self, value: float) -> float:
        """Position of a value; zero on a log axis is at its low end."""
        if self.is_log:
            value = max(value, 1e-300)
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def with_room_for(self, labels: Iterable[tuple[float, str]], width: float) -> Scale:
        """The scale with an earlier end, if a label centered at its value would pass ``width``."""
        ends = [self.end]
        for value, label in labels:
            at, limit = self(value), width - 0.5 * DIGIT * len(label)
            if at > limit > self.start:
                shrink = (limit - self.start) / (at - self.start)
                ends.append(self.start + shrink * (self.end - self.start))
        return dataclasses.replace(self, end=min(ends))


def ticks(axis: Axis, low: float, high: float, count: int) -> list[tuple[float, str]]:
    """Positions and labels within [low, high], about ``count`` of them."""
    if axis.ticks is not None:
        return list(axis.ticks)
    if axis.is_log and high / low >= 10:
        first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
        stride = max(1, math.ceil((last - first + 1) / min(count, MAX_DECADES)))
        return [(10.0**k, tick_label(10.0**k)) for k in range(first, last + 1, stride)]
    step = _step((high - low) / max(1, count))
    first = math.ceil(low / step - 1e-9)
    values = [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]
    digits = _decimals(step)
    return [(v, f"{v:.{digits}f}" if digits <= 6 else f"{v:g}") for v in values]


def _decimals(step: float) -> int:
    """Digits behind the point that a multiple of a round step needs."""
    text = f"{step:.12f}".rstrip("0")
    return len(text.partition(".")[2])


def tick_label(value: float) -> str:
    """Short: 0.001 and 1e-5, 1000 and 1e5."""
    text = f"{value:g}" if abs(value) < 1e5 else f"{value:.3g}"
    mantissa, _, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def _step(least: float) -> float:
    """The smallest round number that is not below ``least``."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(s * power for s in STEPS if s * power >= least * (1 - 1e-9))
