"""The project's own optimizer as a method of the benchmark, through its public protocol.

The plan is the default one for the budget. It pays the full price for every long run, also where
stage 1 had a short run at the same point.
"""

from __future__ import annotations

from benchmarks.search.simulate import NUM_WORKERS, Request
from benchmarks.search.surfaces import Surface
from prior_search.search import (
    Observation,
    Parameter,
    SearchPlan,
    SearchSpace,
    TwoStageOptimizer,
)


def unit_cube(dimension: int) -> SearchSpace:
    """[0, 1]^d as a search space."""
    names = [f"x{k}" for k in range(dimension)]
    return SearchSpace(
        parameters=tuple(Parameter(name=n, low=0.0, high=1.0, scale="linear") for n in names)
    )


class Ours:
    """``TwoStageOptimizer``; recommends by its posterior."""

    def __init__(self, surface: Surface, budget: float, seed: int) -> None:
        self._space = unit_cube(surface.dimension)
        plan = SearchPlan.for_budget(budget, surface.short_cost, NUM_WORKERS)
        self._optimizer = TwoStageOptimizer(self._space, plan, seed)

    def ask(self, remaining: float) -> Request | None:
        """The optimizer's next suggestion; its plan keeps the budget."""
        suggestion = self._optimizer.ask()
        if suggestion is None:
            return None
        return Request(point=suggestion.point, horizon=suggestion.horizon, token=suggestion.index)

    def tell(self, request: Request, value: float | None) -> None:
        """Pass it on."""
        assert isinstance(request.token, int)
        self._optimizer.tell(
            Observation(
                index=request.token,
                value=value,
                status="diverged" if value is None else "completed",
            )
        )

    def recommend(self) -> tuple[float, ...]:
        """The posterior's choice."""
        return self._space.encode(self._optimizer.recommend().values)
