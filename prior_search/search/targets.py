"""Robust targets: what the surrogate sees of an objective."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SAME = 1e-14  # of the largest value among them: differences so small are rounding
FAR_BELOW = 1e3  # spreads under the median; further down a fit would find no finite density


@dataclass(frozen=True, slots=True)
class TargetScale:
    """Robust targets of one fidelity: centered, and the bad half compressed.

    z = (y - median) / spread, and log1p(z) above the median, so that collapsed runs do not flatten
    the valley. The good half stays linear down to ``FAR_BELOW``: that far down it is the median
    that is off, as after one exploded run of two, and the rest is compressed as well.
    """

    median: float
    spread: float

    @classmethod
    def of(cls, values: Sequence[float] | np.ndarray, spread: float) -> TargetScale:
        """Centered on the values' median."""
        return cls(float(np.median(np.asarray(values))), spread)

    def forward(self, values: np.ndarray) -> np.ndarray:
        """Objective to target."""
        z = (values - self.median) / self.spread
        low = np.where(z < -FAR_BELOW, -FAR_BELOW - np.log1p(np.maximum(-z - FAR_BELOW, 0)), z)
        return np.where(z > 0, np.log1p(np.maximum(z, 0)), low)

    def backward(self, target: float) -> float:
        """Target to objective."""
        z = math.expm1(target) if target > 0 else target
        if target < -FAR_BELOW:
            z = -FAR_BELOW - math.expm1(-target - FAR_BELOW)
        return self.median + self.spread * z

    def slope(self, target: float) -> float:
        """Derivative of objective by target: scales a standard deviation to first order."""
        return self.spread * math.exp(max(target, -target - FAR_BELOW, 0.0))


def good_spread(values: Sequence[float] | np.ndarray) -> float:
    """Twice the mean distance of the better half to the median.

    Of all values where the better half is one value again and again; 1 if all are the same.
    """
    array = np.asarray(values, dtype=float)
    median = np.median(array)
    for chosen in (array[array <= median], array):
        spread = 2.0 * float(np.abs(chosen - median).mean())
        if spread > SAME * np.abs(chosen).max():  # not of one that exploded
            return spread
    return 1.0
