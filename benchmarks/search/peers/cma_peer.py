"""CMA-ES by pycma. Extra: bench-cma.

Started at the center with a step of 0.3, bounds by its own boundary handling. A generation is
handed out run by run; the next one begins when all of it is back, so workers wait at its end:
that costs time but no budget. It ranks, so a diverged run is told as worse than all others. It
recommends the mean of its distribution (``xfavorite``), as pycma advises under noise. With bounds,
it needs two dimensions at least.
"""

from __future__ import annotations

import cma
import numpy as np

from benchmarks.search.simulate import Request
from benchmarks.search.surfaces import Surface


class CMAES:
    """Long runs only."""

    def __init__(self, surface: Surface, budget: float, seed: int) -> None:
        options = {"bounds": [0, 1], "seed": seed + 1, "verbose": -9}
        self._strategy = cma.CMAEvolutionStrategy([0.5] * surface.dimension, 0.3, options)
        self._begin()

    def _begin(self) -> None:
        self._generation = self._strategy.ask()
        self._asked = 0
        self._values: dict[int, float] = {}

    def ask(self, remaining: float) -> Request | None:
        """The next of the generation; None at its end until all are back."""
        if remaining < 1.0 or self._asked == len(self._generation):
            return None
        point = self._generation[self._asked]
        self._asked += 1
        return Request(
            point=tuple(np.asarray(point).tolist()), horizon="long", token=self._asked - 1
        )

    def tell(self, request: Request, value: float | None) -> None:
        """Update when the generation is complete."""
        assert isinstance(request.token, int)
        self._values[request.token] = np.inf if value is None else value
        if len(self._values) == len(self._generation):
            finite = [v for v in self._values.values() if np.isfinite(v)]
            worst = max(finite, default=0.0) + 1.0
            told = [min(self._values[k], worst) for k in range(len(self._generation))]
            self._strategy.tell(self._generation, told)
            self._begin()

    def recommend(self) -> tuple[float, ...]:
        """The mean of the distribution, within bounds."""
        return tuple(np.clip(self._strategy.result.xfavorite, 0.0, 1.0).tolist())
