"""Optuna: TPE, GPSampler, and TPE with successive halving. Extra: bench-optuna.

All through ``study.ask`` and ``study.tell``. TPE is multivariate and has the constant liar, as its
documentation advises for parallel runs; GPSampler treats the objective as noisy (its default) and
conditions on running trials by itself. Neither averages or recommends: the best observed trial is
the answer, as ``study.best_trial`` would have it. A diverged run is told as the worst value so
far, as failed trials are ignored by both samplers and would be suggested again.
"""

from __future__ import annotations

import warnings

import optuna

from benchmarks.search.peers.record import RunRecord
from benchmarks.search.simulate import Request
from benchmarks.search.surfaces import Surface

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

# Random trials before the model, and one short run in how many is continued; the best of
# {5, 10, 16} and {2, 4, 6} on the tuning surfaces. For GPSampler of {4, 10}.
TPE_STARTUP = 10
GP_STARTUP = 4
REDUCTION = 2


class _Long:
    """Long runs only, by one sampler."""

    def __init__(self, surface: Surface, sampler: optuna.samplers.BaseSampler) -> None:
        self._names = [f"x{k}" for k in range(surface.dimension)]
        self._study = optuna.create_study(sampler=sampler, pruner=optuna.pruners.NopPruner())
        self._record = RunRecord(surface.dimension)

    def _new(self) -> tuple[optuna.Trial, tuple[float, ...]]:
        trial = self._study.ask()
        return trial, tuple(trial.suggest_float(name, 0.0, 1.0) for name in self._names)

    def ask(self, remaining: float) -> Request | None:
        """A long run as long as there is budget for one."""
        if remaining < 1.0:
            return None
        trial, point = self._new()
        return Request(point=point, horizon="long", token=trial)

    def tell(self, request: Request, value: float | None) -> None:
        """The value, or the worst so far."""
        for known, told, _ in self._record.to_tell(request, value):
            self._study.tell(known.token, told)  # type: ignore[arg-type]  # the trial asked for

    def recommend(self) -> tuple[float, ...]:
        """The best observed point."""
        return self._record.best()


class TPE(_Long):
    """TPESampler(multivariate, constant_liar)."""

    def __init__(self, surface: Surface, budget: float, seed: int) -> None:
        super().__init__(surface, _tpe(seed))


class GPSampler(_Long):
    """GPSampler: noisy objective (its default), q-log-EI with running trials."""

    def __init__(self, surface: Surface, budget: float, seed: int) -> None:
        super().__init__(
            surface, optuna.samplers.GPSampler(seed=seed, n_startup_trials=GP_STARTUP)
        )


class TPEHalving(_Long):
    """TPE with Optuna's asynchronous SuccessiveHalvingPruner over the two horizons.

    The best of ``REDUCTION`` short runs goes on to the long horizon, paying the difference only
    (more than a user of the real short horizon would get, see ``SobolHalving``).
    """

    def __init__(self, surface: Surface, budget: float, seed: int) -> None:
        super().__init__(surface, _tpe(seed))
        self._study.pruner = optuna.pruners.SuccessiveHalvingPruner(
            min_resource=1, reduction_factor=REDUCTION
        )
        self._short_cost = surface.short_cost
        self._promoted: list[Request] = []

    def ask(self, remaining: float) -> Request | None:
        """A promoted run first; else a new short one."""
        if self._promoted and remaining >= 1.0 - self._short_cost:
            return self._promoted.pop(0)
        if remaining < self._short_cost:
            return None
        trial, point = self._new()
        return Request(point=point, horizon="short", token=trial)

    def tell(self, request: Request, value: float | None) -> None:
        """Let the pruner decide on a short run."""
        for known, told, diverged in self._record.to_tell(request, value):
            trial = known.token
            assert isinstance(trial, optuna.Trial)
            trial.report(told, step=1 if known.horizon == "short" else REDUCTION)
            if known.horizon == "long":
                self._study.tell(trial, told)
            elif diverged or trial.should_prune():
                self._study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            else:
                self._promoted.append(
                    Request(point=known.point, horizon="long", token=trial, continues=True)
                )


def _tpe(seed: int) -> optuna.samplers.TPESampler:
    return optuna.samplers.TPESampler(
        seed=seed, multivariate=True, constant_liar=True, n_startup_trials=TPE_STARTUP
    )
