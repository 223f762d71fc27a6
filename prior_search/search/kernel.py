"""Covariance of the objective over points and fidelities, in autoregressive form.

Notation (n rows, d parameters, fidelity 0 is the long horizon):

    x        [n, d]    points in the unit cube
    s        [n]       fidelity of a row: 0 long, 1 short, 2... other studies
    f_0      = m_0 + g(x)                          g ~ GP(0, scale² Matern-5/2 with ARD)
    f_s      = m_s + rho_s g(x) + delta_s(x)       delta_s ~ GP(0, scale² share_s² Matern-5/2)
    m_s      ~ N(0, OFFSET_SD²), integrated out

after Kennedy and O'Hagan (2000), with the roles of base and correction exchanged: long is the
latent function, as it is the one that is asked for. Pooling horizons unmarked is much worse.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from prior_search.search.layout import Layout

ADDITIVE = 0.5  # share of the variance of g that is a sum of main effects
OFFSET_SD = 0.5  # of a fidelity's level, in units of the targets
ROOT5 = math.sqrt(5.0)


class Matern(NamedTuple):
    """Matern-5/2 between pairs of rows, in any shape, and what its gradient needs."""

    value: np.ndarray
    radial: np.ndarray  # minus the derivative by half the squared distance

    def by_log_length(self, weight: np.ndarray, scaled: np.ndarray) -> np.ndarray:
        """Sum over P pairs of weight [P] · dk/dlog length, for squared distances [d, P] -> [d]."""
        product: np.ndarray = scaled @ (weight * self.radial)
        return product


def matern(squared: np.ndarray) -> Matern:
    """Matern-5/2 of squared scaled distances r²."""
    r = ROOT5 * np.sqrt(squared)
    decay = np.exp(-r)
    linear = (1.0 + r) * decay
    return Matern(linear + squared * (decay * (5.0 / 3.0)), linear * (5.0 / 3.0))


class Latent(NamedTuple):
    """k_g: a share of main effects, one Matern-5/2 per parameter, and one over all of them."""

    joint: Matern  # [...]
    single: Matern  # [d, ...]

    @classmethod
    def of(cls, scaled: np.ndarray) -> Latent:
        """Of squared scaled distances by parameter, [d, ...]."""
        return cls(matern(scaled.sum(0)), matern(scaled))

    @property
    def value(self) -> np.ndarray:
        """Correlations; 1 at distance 0."""
        effects: np.ndarray = self.single.value.mean(0)
        return (1.0 - ADDITIVE) * self.joint.value + ADDITIVE * effects

    def by_log_length(self, weight: np.ndarray, scaled: np.ndarray) -> np.ndarray:
        """Sum over P pairs of weight [P] · dk/dlog length, for squared distances [d, P] -> [d]."""
        share = ADDITIVE / len(scaled)
        effects = (self.single.radial * scaled) @ weight
        return (1.0 - ADDITIVE) * self.joint.by_log_length(weight, scaled) + share * effects


class Covariance:
    """Covariances between rows for one theta.

    Args:
        layout: of theta.
        theta: hyperparameters.
    """

    def __init__(self, layout: Layout, theta: np.ndarray) -> None:
        self.layout, self.theta = layout, theta
        self.length = np.exp(theta[layout.latent])
        self.own_length = np.exp(theta[layout.discrepancy])
        self.variance = math.exp(2.0 * theta[layout.scale])
        self.rho = np.concatenate([[1.0], theta[layout.rho]])
        self.share = np.concatenate([[0.0], np.exp(theta[layout.share])])
        self.noise = np.exp(theta[layout.noise])

    def between(self, x: np.ndarray, s: np.ndarray, z: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Rows x [n, d], s [n] against z [m, d], t [m] -> [n, m]."""
        latent = Latent.of(gaps_by_parameter(x / self.length, z / self.length)).value
        covariance = self.variance * np.outer(self.rho[s], self.rho[t]) * latent
        for fidelity in range(1, self.layout.num_fidelities):
            rows, columns = np.flatnonzero(s == fidelity), np.flatnonzero(t == fidelity)
            if len(rows) and len(columns):
                squared = squared_distances(
                    x[rows] / self.own_length, z[columns] / self.own_length
                )
                own = self.variance * self.share[fidelity] ** 2 * matern(squared).value
                covariance[np.ix_(rows, columns)] += own
        covariance += OFFSET_SD**2 * (s[:, None] == t[None, :])
        return covariance

    @property
    def prior_variance(self) -> float:
        """Of the objective at the long horizon, anywhere."""
        return self.variance + OFFSET_SD**2


def gaps_by_parameter(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Squared distances of rows along each coordinate, [n, d] and [m, d] -> [d, n, m]."""
    difference: np.ndarray = x.T[:, :, None] - z.T[:, None, :]
    return difference * difference


def squared_distances(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Squared distances of rows, [n, d] and [m, d] -> [n, m]."""
    total: np.ndarray = gaps_by_parameter(x, z).sum(0)
    return total
