"""What a search has learned, as data for a report; nothing here is drawn or printed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import qmc

from prior_search.search.evidence import inverse_of
from prior_search.search.two_stage import TwoStageOptimizer

NUM_BASE = 1024  # Sobol points of each of the two samples that importances are estimated from


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The long-horizon objective along one weight, the others as recommended.

    ``low`` and ``high`` are two posterior standard deviations away, on the scale of the targets,
    so they are not symmetric where targets are compressed. ``apart``: how far the mean is above
    that of the recommendation, in standard deviations of their difference.
    """

    name: str
    values: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    apart: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveOneOut:
    """How well the surrogate predicts each configuration from all others.

    Attributes:
        fidelities: 0 long, 1 short, 2... other studies, per configuration and fidelity.
        residuals: mean target minus prediction, in predicted standard deviations of it.
        coverage: share of targets within the central 95 % of their predictions.
        log_density: mean log predictive density of the mean targets.
    """

    fidelities: tuple[int, ...]
    residuals: tuple[float, ...]
    coverage: float
    log_density: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """Shares of the variance of the posterior mean over the space (Sobol indices).

    ``first_order``: of the weight alone; ``total``: with all interactions it takes part in.
    """

    name: str
    first_order: float
    total: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressPoint:
    """The state after one more run at the long horizon ended.

    Attributes:
        cost: of all runs that had ended, in long runs.
        value: of this run; None if it diverged.
        best: lowest value so far; None before the first.
        regret: final posterior mean at the best configuration so far, by its own posterior mean,
            above that of the recommendation; None before the first.
    """

    cost: float
    value: float | None
    best: float | None
    regret: float | None


def slices(optimizer: TwoStageOptimizer, num_values: int = 65) -> tuple[Slice, ...]:
    """One slice per weight through the recommendation.

    Raises:
        ValueError: there is no recommendation yet.
    """
    space = optimizer.space
    center = np.asarray(space.encode(optimizer.recommend().values))
    surrogate, _ = optimizer.history.fit()
    found = []
    for k, parameter in enumerate(space.parameters):
        points = np.tile(center, (num_values, 1))
        points[:, k] = np.linspace(0.0, 1.0, num_values)
        mean, sd = surrogate.posterior.marginal(points)
        difference, its_sd = surrogate.posterior.above(points, center)
        found.append(
            Slice(
                name=parameter.name,
                values=tuple(parameter.decode(x) for x in points[:, k].tolist()),
                mean=surrogate.objectives(mean),
                low=surrogate.objectives(mean - 2.0 * sd),
                high=surrogate.objectives(mean + 2.0 * sd),
                apart=tuple((difference / its_sd).tolist()),
            )
        )
    return tuple(found)


def leave_one_out(optimizer: TwoStageOptimizer) -> LeaveOneOut:
    """In closed form, hyperparameters kept (Rasmussen and Williams, 2006, eq. 5.12).

    Replicates of a configuration are left out together.

    Raises:
        SurrogateFitError: no run has completed, or the fit failed.
    """
    posterior = optimizer.history.fit()[0].posterior.best
    precision, rows = inverse_of(posterior.factor), posterior.rows
    fidelities, errors, variances = [], [], []
    keys = list(map(tuple, np.column_stack([rows.x, rows.s]).tolist()))
    for key in dict.fromkeys(keys):
        runs = np.flatnonzero([other == key for other in keys])
        covariance = np.linalg.inv(precision[np.ix_(runs, runs)])  # of these given all others
        fidelities.append(int(rows.s[runs[0]]))
        errors.append(float((covariance @ posterior.alpha[runs]).mean()))
        variances.append(float(covariance.mean()))
    residuals = np.array(errors) / np.sqrt(variances)
    density = -0.5 * residuals**2 - 0.5 * np.log(variances) - 0.5 * math.log(2.0 * math.pi)
    return LeaveOneOut(
        fidelities=tuple(fidelities),
        residuals=tuple(residuals.tolist()),
        coverage=float((np.abs(residuals) <= 1.96).mean()),
        log_density=float(density.mean()),
    )


def importance(optimizer: TwoStageOptimizer, seed: int = 0) -> tuple[Importance, ...]:
    """Sobol indices of the posterior mean (of targets), estimated as Saltelli et al. (2010) do.

    Raises:
        SurrogateFitError: no run has completed, or the fit failed.
    """
    posterior = optimizer.history.fit()[0].posterior
    dimension = optimizer.space.dimension
    sample = qmc.Sobol(2 * dimension, rng=np.random.default_rng(seed)).random(NUM_BASE)
    first, second = sample[:, :dimension], sample[:, dimension:]
    at_first, at_second = posterior.mean(first), posterior.mean(second)
    variance = max(float(np.concatenate([at_first, at_second]).var()), 1e-12)
    found = []
    for k, name in enumerate(optimizer.space.names):
        mixed = first.copy()
        mixed[:, k] = second[:, k]
        at_mixed = posterior.mean(mixed)
        alone = float((at_second * (at_mixed - at_first)).mean()) / variance
        total = 0.5 * float(((at_first - at_mixed) ** 2).mean()) / variance
        found.append(Importance(name=name, first_order=max(0.0, alone), total=total))
    return tuple(found)


def progress(optimizer: TwoStageOptimizer, short_cost: float) -> tuple[ProgressPoint, ...]:
    """One point per long run, in the order in which they ended.

    Raises:
        ValueError: there is no recommendation yet.
    """
    history = optimizer.history
    final = optimizer.recommend().predicted_mean
    believed = optimizer.believed()
    cost, best, seen = 0.0, None, []
    found = []
    for index, outcome in history.observations.items():
        suggestion = history.suggestions[index]
        cost += short_cost if suggestion.horizon == "short" else 1.0
        if suggestion.horizon == "short" or outcome.status == "failed":
            continue
        if outcome.value is not None:
            best = outcome.value if best is None else min(best, outcome.value)
            seen += [believed[suggestion.trial][0]] if suggestion.trial in believed else []
        regret = max(0.0, min(seen) - final) if seen else None
        found.append(ProgressPoint(cost=cost, value=outcome.value, best=best, regret=regret))
    return tuple(found)
