"""Several plausible hyperparameters instead of the best ones alone.

With few runs, many length scales and noise levels explain the data about as well. Averaging over
them keeps one lucky fit from deciding where to look, and widens intervals to what is known.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import special
from scipy.stats import qmc

from prior_search.search.evidence import Evidence, Rows
from prior_search.search.gp import FARTHEST, Posterior
from prior_search.search.layout import Layout, prior_of

NUM_MEMBERS = 2  # of each model, besides its best fit
STEP = 1e-3  # of the finite differences that curvatures are estimated with


def members(rows: Rows, layout: Layout, theta: np.ndarray, count: int) -> list[np.ndarray]:
    """``theta`` and ``count`` quasi-random draws of Laplace's approximation around it."""
    if count == 0:
        return [theta]
    evidence = Evidence(rows, layout)
    slope = evidence(theta)[1]
    steps = STEP * np.eye(layout.size)
    curvature = np.stack([(evidence(theta + step)[1] - slope) / STEP for step in steps])
    mean, sd = prior_of(layout)
    # in units of the prior, the posterior is at least about as narrow
    scaled = 0.5 * (curvature + curvature.T) * np.outer(sd, sd)
    values, vectors = np.linalg.eigh(scaled)
    root = sd[:, None] * vectors / np.sqrt(np.maximum(values, 1.0))
    sobol = qmc.Sobol(layout.size, scramble=True, rng=np.random.default_rng(0))
    uniform = sobol.random_base2(count.bit_length())[:count]
    z = special.ndtri(np.clip(uniform, 1e-6, 1 - 1e-6))
    low, high = mean - FARTHEST * sd, mean + FARTHEST * sd
    return [theta, *np.clip(theta + z @ root.T, low, high)]


class Mixture:
    """Posteriors of equal weight, by their moments; the first is the best fit without a bowl."""

    def __init__(self, posteriors: Sequence[Posterior]) -> None:
        self.posteriors = tuple(posteriors)

    @property
    def best(self) -> Posterior:
        """Of the best fit without a bowl."""
        return self.posteriors[0]

    def mean(self, points: np.ndarray) -> np.ndarray:
        """Of the long horizon at [m, d] -> [m]."""
        total: np.ndarray = np.mean([p.mean(points) for p in self.posteriors], axis=0)
        return total

    def marginal(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation at the long horizon, [m, d] -> [m], [m]."""
        each = [p.marginal(points) for p in self.posteriors]
        means = np.stack([mean for mean, _ in each])
        variances = np.stack([sd * sd for _, sd in each])
        return means.mean(0), np.sqrt(variances.mean(0) + means.var(0))

    def joint(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance at the long horizon, [m, d] -> [m], [m, m]."""
        each = [p.joint(points) for p in self.posteriors]
        means = np.stack([mean for mean, _ in each])
        gaps = means - means.mean(0)
        between = gaps.T @ gaps / len(each)
        return means.mean(0), np.stack([c for _, c in each]).mean(0) + between

    def above(self, points: np.ndarray, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of how far [m, d] are above [d] -> [m], [m]."""
        mean, covariance = self.joint(np.vstack([points, point]))
        variance = np.diag(covariance)
        difference = variance[:-1] + variance[-1] - 2.0 * covariance[-1, :-1]
        return mean[:-1] - mean[-1], np.sqrt(np.maximum(difference, 1e-12))
