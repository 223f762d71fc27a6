"""The project's own optimizer as a method of the benchmark, through its public protocol."""

from __future__ import annotations

from benchmarks.search.simulate import Request
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


def plan_for(budget: float, short_cost: float, stage1_share: float = 0.2) -> SearchPlan:
    """Stage 1 gets its share of the cost, a sixth of the rest confirms, six anchors."""
    stage1 = max(2, round(stage1_share * budget / short_cost))
    long_runs = int(budget - stage1 * short_cost + 1e-9)
    confirm = long_runs // 6
    return SearchPlan(
        stage1_trials=stage1,
        stage2_trials=long_runs - confirm,
        confirm_trials=confirm,
        num_anchors=min(6, long_runs - confirm),
    )


class Ours:
    """``TwoStageOptimizer``; recommends by its posterior."""

    def __init__(self, surface: Surface, budget: float, seed: int) -> None:
        self._space = unit_cube(surface.dimension)
        self._optimizer = TwoStageOptimizer(
            self._space, plan_for(budget, surface.short_cost), seed
        )
        self._short_cost = surface.short_cost

    def ask(self, remaining: float) -> Request | None:
        """The optimizer's next suggestion; its plan keeps the budget."""
        suggestion = self._optimizer.ask()
        if suggestion is None:
            return None
        return Request(point=suggestion.point, horizon=suggestion.horizon, token=suggestion.index)

    def tell(self, request: Request, value: float | None) -> None:
        """Pass it on."""
        status = "diverged" if value is None else "completed"
        assert isinstance(request.token, int)
        self._optimizer.tell(Observation(index=request.token, value=value, status=status))

    def recommend(self) -> tuple[float, ...]:
        """The posterior's choice."""
        return self._space.encode(self._optimizer.recommend().values)
