"""Random points, Sobol points, and Sobol points with successive halving. Extra: none."""

from __future__ import annotations

import numpy as np
from scipy.stats import qmc

from benchmarks.search.peers.record import RunRecord
from benchmarks.search.simulate import Request
from benchmarks.search.surfaces import Surface

PROMOTED = 0.25  # share of the short runs that Sobol with halving goes on with


class Random:
    """Uniform points, long runs only."""

    def __init__(self, surface: Surface, budget: float, seed: int) -> None:
        self._dimension = surface.dimension
        self._generator = np.random.default_rng([31, seed])
        self._record = RunRecord(surface.dimension)

    def _point(self) -> tuple[float, ...]:
        return tuple(self._generator.random(self._dimension).tolist())

    def ask(self, remaining: float) -> Request | None:
        """A long run as long as there is budget for one."""
        return Request(point=self._point(), horizon="long") if remaining >= 1.0 else None

    def tell(self, request: Request, value: float | None) -> None:
        """Keep it."""
        self._record.add(request, value)

    def recommend(self) -> tuple[float, ...]:
        """The best observed point."""
        return self._record.best()


class Sobol(Random):
    """Scrambled Sobol points, long runs only."""

    def __init__(self, surface: Surface, budget: float, seed: int) -> None:
        super().__init__(surface, budget, seed)
        self._points = iter(sobol_points(surface.dimension, int(budget), seed))

    def _point(self) -> tuple[float, ...]:
        return next(self._points)


class SobolHalving:
    """Sobol points at the short horizon, then long runs of the best quarter.

    A promoted run goes on from where its short run ended and pays the difference only; the real
    short horizon has a learning-rate schedule of its own, so this is more than a user would get.
    """

    def __init__(self, surface: Surface, budget: float, seed: int) -> None:
        each = surface.short_cost + PROMOTED * (1.0 - surface.short_cost)
        self._points = sobol_points(surface.dimension, int(budget / each), seed)
        self._asked = self._told = 0
        self._ranked: list[tuple[float, tuple[float, ...]]] = []
        self._record = RunRecord(surface.dimension)
        self._continue_cost = 1.0 - surface.short_cost

    def ask(self, remaining: float) -> Request | None:
        """All short runs; once they are back, the best of them."""
        if self._asked < len(self._points):
            self._asked += 1
            return Request(point=self._points[self._asked - 1], horizon="short")
        if self._told < len(self._points) or not self._ranked or remaining < self._continue_cost:
            return None
        return Request(point=self._ranked.pop(0)[1], horizon="long", continues=True)

    def tell(self, request: Request, value: float | None) -> None:
        """Rank the short runs."""
        self._record.add(request, value)
        if request.horizon == "short":
            self._told += 1
            if value is not None:
                self._ranked = sorted([*self._ranked, (value, request.point)])

    def recommend(self) -> tuple[float, ...]:
        """The best observed long run."""
        return self._record.best()


def sobol_points(dimension: int, count: int, seed: int) -> list[tuple[float, ...]]:
    """``count`` scrambled Sobol points."""
    sobol = qmc.Sobol(dimension, scramble=True, rng=np.random.default_rng([32, seed]))
    points = sobol.random_base2(max(1, int(np.ceil(np.log2(count)))))[:count]
    return [tuple(p) for p in points.tolist()]
