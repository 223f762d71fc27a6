"""The search space: named ranges, mapped to the unit cube [0, 1]^d."""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One coordinate.

    Raises:
        ValueError: bounds that are not finite or not ascending, a log range from zero or below, or
            one so wide that its span is no number.
    """

    name: str
    low: float
    high: float
    scale: Literal["log", "linear"]

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"{self.name} needs finite low < high, got {self.low}, {self.high}")
        if self.scale not in ("log", "linear"):
            raise ValueError(f"{self.name} scale must be log or linear, got {self.scale!r}")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"{self.name} needs low > 0 on a log scale, got {self.low}")
        for end in ("low", "high"):  # whatever kind of number: a record is JSON
            object.__setattr__(self, end, float(getattr(self, end)))
        span = self.high / self.low if self.scale == "log" else self.high - self.low
        if not math.isfinite(span):
            raise ValueError(f"{self.name} has too wide a range: from {self.low} to {self.high}")

    def encode(self, value: float) -> float:
        """A value in [low, high] to [0, 1].

        Raises:
            ValueError: the value is outside, or no number.
        """
        given: object = value  # also of those without a type checker
        if not isinstance(given, numbers.Real):
            raise ValueError(f"{self.name} must be a number, got {given!r}")
        if not self.low <= value <= self.high:
            raise ValueError(f"{self.name} must be in [{self.low}, {self.high}], got {value}")
        return self.place(value)

    def place(self, value: float) -> float:
        """Where a value lies relative to the range, below 0 or above 1 if it is outside.

        Raises:
            ValueError: the value has no place, as it is not positive and the scale is log.
        """
        if self.scale == "linear":
            return (value - self.low) / (self.high - self.low)
        if value <= 0:
            raise ValueError(f"{self.name} has no place on a log scale for {value}")
        return math.log(value / self.low) / math.log(self.high / self.low)

    def decode(self, share: float) -> float:
        """The inverse of ``encode``, exact at both ends."""
        if share <= 0:
            return self.low
        if share >= 1:
            return self.high
        if self.scale == "log":
            value = self.low * (self.high / self.low) ** share
        else:
            value = self.low + share * (self.high - self.low)
        return min(max(value, self.low), self.high)  # rounding may leave the range


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSpace:
    """A box of parameters.

    Raises:
        ValueError: no parameter, or a name twice.
    """

    parameters: tuple[Parameter, ...]

    def __post_init__(self) -> None:
        names = [p.name for p in self.parameters]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"a space needs at least one parameter, each name once, got {names}")

    @property
    def dimension(self) -> int:
        """Number of parameters, d."""
        return len(self.parameters)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the parameters, in order."""
        return tuple(p.name for p in self.parameters)

    def place(self, values: Mapping[str, float]) -> tuple[float, ...] | None:
        """Values by name to a point that may lie outside the cube; None if they have no place."""
        if any(p.scale == "log" and values[p.name] <= 0 for p in self.parameters):
            return None
        return tuple(p.place(values[p.name]) for p in self.parameters)

    def as_dict(self) -> list[dict[str, Any]]:
        """JSON-ready data."""
        return [dataclasses.asdict(p) for p in self.parameters]

    @classmethod
    def from_dict(cls, data: Sequence[Mapping[str, Any]]) -> SearchSpace:
        """The inverse of ``as_dict``."""
        return cls(parameters=tuple(Parameter(**p) for p in data))

    def encode(self, values: Mapping[str, float]) -> tuple[float, ...]:
        """Values by name to a point of the unit cube."""
        return tuple(p.encode(values[p.name]) for p in self.parameters)

    def decode(self, point: Sequence[float]) -> dict[str, float]:
        """A point of the unit cube to values by name."""
        return {p.name: p.decode(x) for p, x in zip(self.parameters, point, strict=True)}
