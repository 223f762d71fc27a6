"""Exact Gaussian process regression over points and fidelities: evidence, fit and posterior.

Plain numpy with closed-form gradients: a fit to 60 runs takes some hundredths of a second, where
automatic differentiation spends most of its time on bookkeeping. ``botorch_model`` has the same
model in GPyTorch, which the tests compare with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import linalg, optimize

from prior_search.errors import SurrogateFitError
from prior_search.search.kernel import OFFSET_SD, Covariance, Latent, Layout, Matern, matern

JITTER = 1e-8  # added to variances of the targets, which are of order 1
FARTHEST = 5.0  # that theta may be from its prior mean, in standard deviations
MAX_ITERATIONS = 60
FAILED = 1e10  # minus the log density where a covariance cannot be factored

# normal priors of theta, mean and standard deviation; targets are of order 1
LATENT = (0.0, 0.8)  # log length scales, at d = 1
DISCREPANCY = (0.4, 0.5)
SCALE = (0.0, 0.7)
RHO = (1.0, 0.3)
SHARE = (math.log(0.8), 0.7)
NOISE = (-3.5, 1.5)  # log variances


@dataclass(frozen=True, slots=True)
class Rows:
    """What a Gaussian process is fitted to.

    Attributes:
        x: points, [n, d].
        s: fidelities, [n].
        y: targets, [n].
        runs: how many runs' worth of evidence each target is; its noise variance is divided by it.
    """

    x: np.ndarray
    s: np.ndarray
    y: np.ndarray
    runs: np.ndarray

    def take(self, chosen: np.ndarray) -> Rows:
        """Some of the rows."""
        return Rows(self.x[chosen], self.s[chosen], self.y[chosen], self.runs[chosen])


def prior_of(layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Normal prior of theta: means and standard deviations.

    Length scales are log-normal and grow with the root of the dimension, after Hvarfner et al.
    (2024); the constants are ours, chosen on the tuning surfaces (docs/search.md).
    """
    mean, sd = np.zeros(layout.size), np.ones(layout.size)
    root = 0.5 * math.log(layout.dimension)
    for place, (center, width) in (
        (layout.latent, (LATENT[0] + root, LATENT[1])),
        (layout.discrepancy, (DISCREPANCY[0] + root, DISCREPANCY[1])),
        (layout.scale, SCALE),
        (layout.rho, RHO),
        (layout.share, SHARE),
        (layout.noise, NOISE),
    ):
        mean[place], sd[place] = center, width
    return mean, sd


class _Terms(NamedTuple):
    """Parts of the covariance of the rows for one theta."""

    covariance: Covariance
    latent: Latent
    gaps: np.ndarray  # [d, n, n]: squared distances in units of the length scales of g
    own: list[tuple[Matern, np.ndarray]]  # per fidelity from 1 on: delta, and its distances
    signal: np.ndarray  # [n, n]


class Evidence:
    """Minus the log posterior density of theta, with its gradient."""

    def __init__(self, rows: Rows, layout: Layout) -> None:
        self._rows, self._layout = rows, layout
        self._prior = prior_of(layout)
        x = rows.x
        self._gaps = np.ascontiguousarray((x.T[:, :, None] - x.T[:, None, :]) ** 2)  # [d, n, n]
        self._same = rows.s[:, None] == rows.s[None, :]
        self._groups = [np.flatnonzero(rows.s == s) for s in range(layout.num_fidelities)]
        self._own_gaps = [self._gaps[:, g[:, None], g[None, :]] for g in self._groups]

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Value, up to a constant, and gradient [size]."""
        rows = self._rows
        terms = self._terms(Covariance(self._layout, theta))
        covariance = terms.signal + OFFSET_SD**2 * self._same
        noise = terms.covariance.noise[rows.s] / rows.runs
        covariance.flat[:: len(covariance) + 1] += noise + JITTER
        try:
            factor = linalg.cholesky(covariance, lower=True, check_finite=False)
        except linalg.LinAlgError:
            return FAILED, np.zeros_like(theta)  # a line search steps back from here
        inverse = inverse_of(factor)
        alpha = inverse @ rows.y
        value = 0.5 * float(rows.y @ alpha) + float(np.log(np.diag(factor)).sum())
        weight = 0.5 * (inverse - np.outer(alpha, alpha))  # d value / d covariance
        gradient = self._gradient(terms, weight)
        diagonal = np.diag(weight) * noise
        gradient[self._layout.noise] = [diagonal[g].sum() for g in self._groups]
        mean, sd = self._prior
        z = (theta - mean) / sd
        return value + 0.5 * float(z @ z), gradient + z / sd

    def _terms(self, c: Covariance) -> _Terms:
        gaps = self._gaps / (c.length**2)[:, None, None]
        latent = Latent.of(gaps)
        rho = c.rho[self._rows.s]
        signal = c.variance * np.outer(rho, rho) * latent.value
        own = []
        for s in range(1, self._layout.num_fidelities):
            own_gaps = self._own_gaps[s] / (c.own_length**2)[:, None, None]
            own.append((matern(own_gaps.sum(0)), own_gaps))
            group = np.ix_(self._groups[s], self._groups[s])
            signal[group] += c.variance * c.share[s] ** 2 * own[-1][0].value
        return _Terms(c, latent, gaps, own, signal)

    def _gradient(self, terms: _Terms, weight: np.ndarray) -> np.ndarray:
        """Of the log evidence by theta but for the noise, given that by the covariance [n, n]."""
        layout, c = self._layout, terms.covariance
        rho = c.rho[self._rows.s]
        gradient = np.zeros(layout.size)
        by_latent = weight * c.variance * np.outer(rho, rho)
        gradient[layout.latent] = terms.latent.by_log_length(by_latent, terms.gaps)
        gradient[layout.scale] = 2.0 * float((weight * terms.signal).sum())
        by_rho = 2.0 * c.variance * (weight * terms.latent.value) @ rho
        for s, (matrix, own_gaps) in enumerate(terms.own, start=1):
            group = self._groups[s]
            block = weight[np.ix_(group, group)] * (c.variance * c.share[s] ** 2)
            gradient[layout.discrepancy] += matrix.by_log_length(block, own_gaps)
            gradient[layout.share.start + s - 1] = 2.0 * float((block * matrix.value).sum())
            gradient[layout.rho.start + s - 1] = by_rho[group].sum()
        return gradient


def inverse_of(factor: np.ndarray) -> np.ndarray:
    """Inverse of the matrix with this lower Cholesky factor."""
    lower = linalg.lapack.dpotri(factor, lower=1)[0]
    full: np.ndarray = np.tril(lower) + np.tril(lower, -1).T
    return full


def fit(rows: Rows, layout: Layout, starts: Sequence[np.ndarray]) -> np.ndarray:
    """The theta of highest posterior density, from the best of several starting points.

    Raises:
        SurrogateFitError: from no starting point was a finite density reached.
    """
    objective = Evidence(rows, layout)
    mean, sd = prior_of(layout)
    bounds = list(zip(mean - FARTHEST * sd, mean + FARTHEST * sd, strict=True))
    found = [
        optimize.minimize(
            objective,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": MAX_ITERATIONS, "ftol": 1e-7, "gtol": 1e-3},
        )
        for start in starts
    ]
    best = min(found, key=lambda result: result.fun)
    if not (math.isfinite(best.fun) and best.fun < FAILED and np.isfinite(best.x).all()):
        raise SurrogateFitError(
            f"the surrogate could not be fitted to {len(rows.y)} observations: {best.message}"
        )
    theta: np.ndarray = best.x
    return theta


class Posterior:
    """The Gaussian process given rows, for one theta."""

    def __init__(self, rows: Rows, layout: Layout, theta: np.ndarray) -> None:
        self.rows, self.layout, self.theta = rows, layout, theta
        self.covariance = Covariance(layout, theta)
        noise = self.covariance.noise[rows.s] / rows.runs
        matrix = self.covariance.between(rows.x, rows.s, rows.x, rows.s)
        matrix.flat[:: len(matrix) + 1] += noise + JITTER
        try:
            self.factor = linalg.cholesky(matrix, lower=True, check_finite=False)
        except linalg.LinAlgError as error:
            raise SurrogateFitError(
                f"the covariance of {len(rows.y)} observations is singular: {error}"
            ) from error
        self.alpha = linalg.cho_solve((self.factor, True), rows.y, check_finite=False)

    def mean(self, points: np.ndarray) -> np.ndarray:
        """Of the long horizon at [m, d] -> [m]."""
        product: np.ndarray = self.cross(points) @ self.alpha
        return product

    def cross(self, points: np.ndarray) -> np.ndarray:
        """Prior covariance of the long horizon at [m, d] with the rows, [m, n]."""
        long = np.zeros(len(points), dtype=int)
        return self.covariance.between(points, long, self.rows.x, self.rows.s)

    def whitened(self, cross: np.ndarray) -> np.ndarray:
        """Cross covariances [m, n] in coordinates in which the rows are white, [n, m]."""
        solved: np.ndarray = linalg.solve_triangular(
            self.factor, cross.T, lower=True, check_finite=False
        )
        return solved

    def marginal(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation at the long horizon, [m, d] -> [m], [m]."""
        cross = self.cross(points)
        white = self.whitened(cross)
        variance = self.covariance.prior_variance - (white * white).sum(0)
        return cross @ self.alpha, np.sqrt(np.maximum(variance, 1e-12))

    def joint(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance at the long horizon, [m, d] -> [m], [m, m]."""
        cross = self.cross(points)
        white = self.whitened(cross)
        long = np.zeros(len(points), dtype=int)
        prior = self.covariance.between(points, long, points, long)
        return cross @ self.alpha, prior - white.T @ white
