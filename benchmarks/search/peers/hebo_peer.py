"""HEBO with its default model (GP with warping) and MACE. Extra: bench-hebo.

``suggest(1)`` whenever a worker is free. HEBO does not condition on running trials; MACE draws
from a Pareto front of three acquisitions, which keeps parallel suggestions apart. It drops values
that are not finite, so a diverged run is told as the worst value so far. It recommends its best
observed point (``best_x``).
"""

from __future__ import annotations

import contextlib
import io
import warnings

import numpy as np
import pandas as pd
import torch
from hebo.design_space.design_space import DesignSpace
from hebo.optimizers.hebo import HEBO

from benchmarks.search.peers.record import RunRecord
from benchmarks.search.simulate import Request
from benchmarks.search.surfaces import Surface


class Hebo:
    """Long runs only."""

    def __init__(self, surface: Surface, budget: float, seed: int) -> None:
        np.random.seed(seed)  # noqa: NPY002  # HEBO and pymoo draw from the global generators
        torch.manual_seed(seed)
        names = [f"x{k}" for k in range(surface.dimension)]
        space = DesignSpace().parse([{"name": n, "type": "num", "lb": 0, "ub": 1} for n in names])
        self._names = names
        self._optimizer = HEBO(space, scramble_seed=seed)
        self._record = RunRecord(surface.dimension)

    def ask(self, remaining: float) -> Request | None:
        """A long run as long as there is budget for one."""
        if remaining < 1.0:
            return None
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # of numerics, by the dozen
            frame = self._optimizer.suggest(n_suggestions=1)
        point = tuple(float(frame[n].iloc[0]) for n in self._names)
        return Request(point=point, horizon="long")

    def tell(self, request: Request, value: float | None) -> None:
        """The value, or the worst so far."""
        for known, told, _ in self._record.to_tell(request, value):
            frame = pd.DataFrame([known.point], columns=self._names)
            self._optimizer.observe(frame, np.array([[told]]))

    def recommend(self) -> tuple[float, ...]:
        """The best observed point."""
        return self._record.best()
