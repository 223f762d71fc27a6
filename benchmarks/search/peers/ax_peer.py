"""Ax with its default generation strategy. Extra: bench-ax.

``Client`` chooses a Sobol start and then BoTorch's modular model with log noisy EI, fits the noise
(no standard errors are given), conditions on running trials, and recommends by the model's own
prediction. Ax forgets failed trials; a diverged run is told as the worst value so far instead.
"""

from __future__ import annotations

import logging
import warnings

from ax.api.client import Client
from ax.api.configs import RangeParameterConfig
from ax.utils.common.logger import set_ax_logger_levels

from benchmarks.search.peers.record import RunRecord
from benchmarks.search.simulate import Request
from benchmarks.search.surfaces import Surface

set_ax_logger_levels(logging.CRITICAL)


class Ax:
    """Long runs only."""

    def __init__(self, surface: Surface, budget: float, seed: int) -> None:
        self._names = [f"x{k}" for k in range(surface.dimension)]
        self._client = Client(random_seed=seed)
        self._client.configure_experiment(
            parameters=[
                RangeParameterConfig(name=n, parameter_type="float", bounds=(0.0, 1.0))
                for n in self._names
            ]
        )
        self._client.configure_optimization(objective="-loss")
        self._client.configure_generation_strategy(method="fast", initialization_random_seed=seed)
        self._record = RunRecord(surface.dimension)

    def ask(self, remaining: float) -> Request | None:
        """A long run as long as there is budget for one."""
        if remaining < 1.0:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of numerics, by the dozen
            trials = self._client.get_next_trials(max_trials=1)
        for index, parameters in trials.items():
            return Request(point=self._point(parameters), horizon="long", token=index)
        return None

    def tell(self, request: Request, value: float | None) -> None:
        """The value, or the worst so far."""
        for known, told, _ in self._record.to_tell(request, value):
            assert isinstance(known.token, int)
            self._client.complete_trial(known.token, raw_data={"loss": told})

    def recommend(self) -> tuple[float, ...]:
        """Ax's model-based best parameterization."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parameters, *_ = self._client.get_best_parameterization(use_model_predictions=True)
        return self._point(parameters)

    def _point(self, parameters: object) -> tuple[float, ...]:
        assert isinstance(parameters, dict)
        return tuple(float(parameters[n]) for n in self._names)
