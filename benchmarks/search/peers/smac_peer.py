"""SMAC3: its black-box facade, and its multi-fidelity facade on both horizons. Extra: bench-smac.

``SmacBlackBox`` is the Gaussian-process facade with one run per configuration, long runs only.
``SmacHyperband`` is the multi-fidelity facade (random forest, Hyperband) with the short run's cost
as smallest budget and a reduction factor that leaves two rungs; a promoted configuration goes on
from its short run and pays the difference only. Diverged runs are told as CRASHED with the worst
value so far. Both recommend SMAC's incumbent.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from ConfigSpace import ConfigurationSpace, Float
from smac.facade import AbstractFacade, BlackBoxFacade, MultiFidelityFacade
from smac.runhistory.dataclasses import TrialInfo, TrialValue
from smac.runhistory.enumerations import StatusType
from smac.scenario import Scenario

from benchmarks.search.peers.record import RunRecord
from benchmarks.search.simulate import Request
from benchmarks.search.surfaces import Horizon, Surface

logging.getLogger("smac").setLevel(logging.CRITICAL)


class _Smac:
    """Ask and tell, whatever the facade."""

    def __init__(self, surface: Surface) -> None:
        self._names = [f"x{k}" for k in range(surface.dimension)]
        self._short_cost = surface.short_cost
        self._record = RunRecord(surface.dimension)
        self._ran_short: set[tuple[float, ...]] = set()
        self._waiting: TrialInfo | None = None  # costs more than what remained
        self._folder = tempfile.TemporaryDirectory()
        self._facade: AbstractFacade

    def _scenario(self, surface: Surface, seed: int, **budgets: float) -> Scenario:
        space = ConfigurationSpace(seed=seed)
        space.add([Float(name, (0.0, 1.0)) for name in self._names])
        return Scenario(
            space, deterministic=True, n_trials=10_000, seed=seed,
            output_directory=Path(self._folder.name), **budgets,  # type: ignore[arg-type]
        )  # fmt: skip

    def _horizon(self, info: TrialInfo) -> Horizon:
        return "short" if info.budget is not None and info.budget < 0.999 else "long"

    def ask(self, remaining: float) -> Request | None:
        """SMAC's next trial, if the budget allows it."""
        info = self._waiting or self._facade.ask()
        point = tuple(float(info.config[n]) for n in self._names)
        horizon = self._horizon(info)
        continues = horizon == "long" and point in self._ran_short
        request = Request(point=point, horizon=horizon, token=info, continues=continues)
        cost = self._short_cost if horizon == "short" else 1.0
        affordable = cost - (self._short_cost if continues else 0.0) <= remaining
        self._waiting = None if affordable else info
        return request if affordable else None

    def tell(self, request: Request, value: float | None) -> None:
        """The value, or a crash."""
        if request.horizon == "short":
            self._ran_short.add(request.point)
        for known, told, diverged in self._record.to_tell(request, value):
            assert isinstance(known.token, TrialInfo)
            status = StatusType.CRASHED if diverged else StatusType.SUCCESS
            self._facade.tell(known.token, TrialValue(cost=told, time=0.0, status=status))

    def recommend(self) -> tuple[float, ...]:
        """SMAC's incumbent; the best observed long run if it has none."""
        incumbent = self._facade.intensifier.get_incumbent()
        if incumbent is None:
            return self._record.best()
        return tuple(float(incumbent[n]) for n in self._names)


class SmacBlackBox(_Smac):
    """Gaussian process, long runs only; a quarter of the budget is the initial design."""

    def __init__(self, surface: Surface, budget: float, seed: int) -> None:
        super().__init__(surface)
        scenario = self._scenario(surface, seed)
        self._facade = BlackBoxFacade(
            scenario,
            _never_called,
            initial_design=BlackBoxFacade.get_initial_design(
                scenario, n_configs=max(4, round(budget / 4))
            ),
            overwrite=True,
            logging_level=False,
        )


class SmacHyperband(_Smac):
    """Random forest and Hyperband over the two horizons."""

    def __init__(self, surface: Surface, budget: float, seed: int) -> None:
        super().__init__(surface)
        scenario = self._scenario(surface, seed, min_budget=surface.short_cost, max_budget=1.0)
        eta = round(1.0 / surface.short_cost)
        self._facade = MultiFidelityFacade(
            scenario,
            _never_called,
            intensifier=MultiFidelityFacade.get_intensifier(scenario, eta=eta),
            initial_design=MultiFidelityFacade.get_initial_design(
                scenario, n_configs=max(4, round(budget / 4))
            ),
            overwrite=True,
            logging_level=False,
        )


def _never_called(config: object, seed: int = 0, budget: float | None = None) -> float:
    raise AssertionError("SMAC is asked and told")
