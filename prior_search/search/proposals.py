"""Points of the cube that a fitted surrogate proposes, given the runs so far."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from prior_search.search.acquisition import Cube, maximize_improvement, minimize_mean
from prior_search.search.feasibility import Feasibility
from prior_search.search.history import History
from prior_search.search.surrogate import Surrogate

ANCHOR_DISTANCE = 0.1  # between anchors, in the unit cube, per root of the dimension

Point = tuple[float, ...]


class Proposals:
    """Where to run next.

    Args:
        history: what is known.
        surrogate: fitted to it.
        feasibility: fitted to it.
        fixed: coordinates of the unit cube that are held, by index.
        rng_key: seed of everything random.
    """

    def __init__(
        self,
        history: History,
        surrogate: Surrogate,
        feasibility: Feasibility,
        fixed: Mapping[int, float],
        rng_key: int,
    ) -> None:
        self._history, self._surrogate, self._feasibility = history, surrogate, feasibility
        self._fixed = fixed
        rng = np.random.default_rng(rng_key)
        self._cube = Cube(history.space.dimension, rng, dict(fixed))
        self._evaluated = [run.point for run in history.evidence() if run.value is not None]

    def minimizer(self) -> Point:
        """The lowest posterior mean, anywhere, penalized where runs diverge."""
        evaluated = self._evaluated
        return minimize_mean(self._surrogate, self._feasibility, evaluated, self._cube)[0]

    def improvement(self, pending: Sequence[Point]) -> tuple[Point, float]:
        """The highest log noisy expected improvement given points under way, and that value.

        Over configurations that could be recommended: measured ones, in the present space and
        with the held weights. While there is none, over all that were evaluated.
        """
        history = self._history
        measured = [history.point(t) for t in history.measured_long(self._fixed)]
        leaders = [p for p in measured if p is not None] or self._evaluated
        return maximize_improvement(
            self._surrogate, self._feasibility, leaders, pending, self._cube
        )

    def anchor(self) -> Point | None:
        """The best short or foreign point by posterior mean, at a distance from other anchors."""
        history = self._history
        places = [history.point(s.index) for s in history.suggestions if s.role == "anchor"]
        anchors = [p for p in places if p is not None]
        apart = ANCHOR_DISTANCE * math.sqrt(history.space.dimension)
        short = [
            history.point(s.index)
            for s in history.told("completed")
            if s.horizon == "short" and history.is_inside(s.index)
        ]
        known = [self._held(p) for p in (*short, *history.past_points()) if p is not None]
        candidates = [p for p in known if all(math.dist(p, a) > apart for a in anchors)]
        if not candidates:
            return None
        means = self._surrogate.posterior.mean(np.asarray(candidates))
        return candidates[int(np.argmin(means))]

    def _held(self, point: Point) -> Point:
        return tuple(self._fixed.get(k, x) for k, x in enumerate(point))
