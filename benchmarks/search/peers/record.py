"""What a peer without a model of its own keeps: its finished runs and the best of them."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.search.simulate import Request
from benchmarks.search.surfaces import Horizon


class Told(NamedTuple):
    """What a library is told of a run."""

    request: Request
    value: float
    diverged: bool


class RunRecord:
    """Objectives of finished runs; the best long point by the mean of its runs."""

    def __init__(self, dimension: int) -> None:
        self._long: dict[tuple[float, ...], list[float]] = {}
        self._short: dict[tuple[float, ...], list[float]] = {}
        self._held: dict[Horizon, list[Request]] = {"short": [], "long": []}
        self._center = (0.5,) * dimension

    def add(self, request: Request, value: float | None) -> None:
        """Diverged runs are nobody's best."""
        if value is not None:
            runs = self._long if request.horizon == "long" else self._short
            runs.setdefault(request.point, []).append(value)

    def to_tell(self, request: Request, value: float | None) -> list[Told]:
        """Keep a run, and say what to tell a library that wants a number for each.

        A diverged run is told as the worst value so far at its horizon, and held back before
        there is one.
        """
        self.add(request, value)
        runs = self._long if request.horizon == "long" else self._short
        values = [v for several in runs.values() for v in several]
        held = self._held[request.horizon]
        if value is None:
            held.append(request)
        told = [] if value is None else [Told(request, value, False)]
        if values:
            told += [Told(r, max(values), True) for r in held]
            held.clear()
        return told

    def best(self) -> tuple[float, ...]:
        """Lowest mean of the long runs; of the short ones if there is none; else the center."""
        runs = self._long or self._short
        if not runs:
            return self._center
        return min(runs, key=lambda point: sum(runs[point]) / len(runs[point]))
