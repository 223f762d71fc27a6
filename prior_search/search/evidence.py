"""How well hyperparameters explain the runs: log evidence times prior, with its gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import linalg

from prior_search.search.bowl import PriorMean
from prior_search.search.kernel import OFFSET_SD, Covariance, Latent, Matern, matern
from prior_search.search.layout import Layout, prior_of

JITTER = 1e-8  # added to variances of the targets, which are of order 1
FAILED = 1e10  # minus the log density where a covariance cannot be factored


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


class _Terms(NamedTuple):
    """Parts of the covariance of the pairs of rows for one theta; P pairs, each once."""

    covariance: Covariance
    latent: Latent  # [P]
    gaps: np.ndarray  # [d, P]: squared distances in units of the length scales of g
    own: list[tuple[Matern, np.ndarray]]  # per fidelity from 1 on: delta, and its distances
    signal: np.ndarray  # [P], without the offsets
    diagonal: np.ndarray  # [n], the same of a row with itself


class Evidence:
    """Minus the log posterior density of theta, with its gradient.

    Covariances are symmetric, so that all is computed for the P = n (n - 1) / 2 pairs i > j.
    """

    def __init__(self, rows: Rows, layout: Layout) -> None:
        self._rows, self._layout = rows, layout
        self._prior = prior_of(layout)
        self._pair = np.tril_indices(len(rows.y), -1)
        first, second = self._pair
        self._gaps = np.square(rows.x.T[:, first] - rows.x.T[:, second])  # [d, P]
        self._fidelity = rows.s[first], rows.s[second]
        same = self._fidelity[0] == self._fidelity[1]
        self._offset = OFFSET_SD**2 * same
        self._inside = [
            np.flatnonzero(same & (self._fidelity[0] == s)) for s in range(layout.num_fidelities)
        ]
        self._own_gaps = [self._gaps[:, chosen] for chosen in self._inside]

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Value, up to a constant, and gradient [size]."""
        rows = self._rows
        terms = self._terms(Covariance(self._layout, theta))
        noise = terms.covariance.noise[rows.s] / rows.runs
        matrix = np.zeros((len(rows.y), len(rows.y)))
        matrix[self._pair] = terms.signal + self._offset
        np.fill_diagonal(matrix, terms.diagonal + OFFSET_SD**2 + noise + JITTER)
        try:
            factor = linalg.cholesky(matrix, lower=True, check_finite=False)
        except linalg.LinAlgError:
            return FAILED, np.zeros_like(theta)  # a line search steps back from here
        mean = PriorMean(self._layout, theta)
        y = rows.y - mean.at(rows.x, rows.s)
        alpha = linalg.cho_solve((factor, True), y, check_finite=False)
        value = 0.5 * float(y @ alpha) + float(np.log(np.diag(factor)).sum())
        inverse = linalg.lapack.dpotri(factor, lower=1)[0]  # its lower triangle
        first, second = self._pair
        by_pair = inverse[self._pair] - alpha[first] * alpha[second]  # d value / d covariance
        by_row = 0.5 * (np.diag(inverse) - alpha * alpha)
        gradient = self._gradient(terms, by_pair, by_row)
        count = self._layout.num_fidelities
        gradient[self._layout.noise] = np.bincount(rows.s, by_row * noise, minlength=count)
        gradient -= mean.gradient(rows.x, rows.s, alpha)
        middle, sd = self._prior
        z = (theta - middle) / sd
        return value + 0.5 * float(z @ z), gradient + z / sd

    def _terms(self, c: Covariance) -> _Terms:
        gaps = self._gaps / (c.length**2)[:, None]
        latent = Latent.of(gaps)
        first, second = self._fidelity
        signal = c.variance * c.rho[first] * c.rho[second] * latent.value
        own = []
        for s in range(1, self._layout.num_fidelities):
            own_gaps = self._own_gaps[s] / (c.own_length**2)[:, None]
            own.append((matern(own_gaps.sum(0)), own_gaps))
            signal[self._inside[s]] += c.variance * c.share[s] ** 2 * own[-1][0].value
        diagonal = c.variance * (c.rho**2 + c.share**2)[self._rows.s]
        return _Terms(c, latent, gaps, own, signal, diagonal)

    def _gradient(self, terms: _Terms, by_pair: np.ndarray, by_row: np.ndarray) -> np.ndarray:
        """By theta, but for the noise, given that by the covariances of pairs [P] and rows [n]."""
        layout, c, s_row = self._layout, terms.covariance, self._rows.s
        count, (first, second) = layout.num_fidelities, self._fidelity
        gradient = np.zeros(layout.size)
        by_latent = by_pair * c.variance
        by_shared = by_latent * c.rho[first] * c.rho[second]
        gradient[layout.latent] = terms.latent.by_log_length(by_shared, terms.gaps)
        gradient[layout.scale] = 2.0 * float(by_pair @ terms.signal + by_row @ terms.diagonal)
        by_latent = by_latent * terms.latent.value
        by_rho = np.zeros(count)  # without pairs, bincount returns integers
        by_rho += np.bincount(first, by_latent * c.rho[second], minlength=count)
        by_rho += np.bincount(second, by_latent * c.rho[first], minlength=count)
        rows = np.bincount(s_row, by_row, minlength=count)
        by_rho += 2.0 * c.variance * c.rho * rows
        gradient[layout.rho] = by_rho[1:]
        for s, (matrix, own_gaps) in enumerate(terms.own, start=1):
            scale = c.variance * c.share[s] ** 2
            block = scale * by_pair[self._inside[s]]
            gradient[layout.discrepancy] += matrix.by_log_length(block, own_gaps)
            by_share = float(block @ matrix.value) + scale * rows[s]
            gradient[layout.share.start + s - 1] = 2.0 * by_share
        return gradient


def inverse_of(factor: np.ndarray) -> np.ndarray:
    """Inverse of the matrix with this lower Cholesky factor."""
    lower = linalg.lapack.dpotri(factor, lower=1)[0]
    full: np.ndarray = np.tril(lower) + np.tril(lower, -1).T
    return full
