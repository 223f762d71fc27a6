"""How likely a run is to end with an objective instead of diverging: a GP classifier."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import linalg, special

from prior_search.search.kernel import matern, squared_distances

LENGTH = 0.5  # in the unit square; it grows with the root of the dimension
PRIOR_LOGIT = 2.0  # a run far from all others ends well in 88 of 100 cases
PRIOR_SD = 3.0
MAX_STEPS = 30
TOLERANCE = 1e-8  # of the logits at the runs
MAX_RUNS = 1000  # that are learned from; the posterior takes their square in memory


class Feasibility:
    """Probability that a run does not diverge, by a Gaussian process over its logit.

    The posterior is Laplace's approximation (Rasmussen and Williams, 2006, algorithms 3.1 and
    3.2), with constants instead of fitted hyperparameters: outcomes of one bit cannot fit them.

    Of more than ``MAX_RUNS`` runs, as many are taken evenly from either outcome.

    Args:
        points: where runs ended, [n, d].
        diverged: which of them diverged, [n].
    """

    def __init__(self, points: Sequence[Sequence[float]], diverged: Sequence[bool]) -> None:
        succeeded = 1.0 - np.asarray(diverged, dtype=float)
        self._is_certain = bool(succeeded.all())
        if self._is_certain:
            return
        chosen = _evenly(succeeded)
        succeeded, self._points = succeeded[chosen], np.asarray(points, dtype=float)[chosen]
        self._length = LENGTH * math.sqrt(self._points.shape[1] / 2.0)
        kernel = self._kernel(self._points)
        logit = np.full(len(succeeded), PRIOR_LOGIT)
        for _ in range(MAX_STEPS):
            probability = special.expit(logit)
            weight = np.maximum(probability * (1.0 - probability), 1e-10)
            root = np.sqrt(weight)
            self._factor = linalg.cho_factor(np.eye(len(root)) + kernel * np.outer(root, root))
            ascent = weight * (logit - PRIOR_LOGIT) + succeeded - probability
            inner = linalg.cho_solve(self._factor, root * (kernel @ ascent))
            self._alpha = ascent - root * inner
            step = PRIOR_LOGIT + kernel @ self._alpha - logit
            logit = logit + step
            if np.abs(step).max() < TOLERANCE:
                break
        self._root = root

    def probability(self, points: np.ndarray) -> np.ndarray:
        """[m, d] -> [m], in (0, 1]."""
        if self._is_certain:
            return np.ones(len(points))
        cross = self._kernel(points)  # [m, n]
        mean = PRIOR_LOGIT + cross @ self._alpha
        white = cross * self._root
        explained = (white * linalg.cho_solve(self._factor, white.T).T).sum(1)
        variance = np.maximum(PRIOR_SD**2 - explained, 0.0)
        # MacKay (1992): the logistic function averaged over a normal logit
        share: np.ndarray = special.expit(mean / np.sqrt(1.0 + math.pi * variance / 8.0))
        return share

    def _kernel(self, points: np.ndarray) -> np.ndarray:
        scaled = squared_distances(points / self._length, self._points / self._length)
        covariance: np.ndarray = PRIOR_SD**2 * matern(scaled).value
        return covariance


def _evenly(succeeded: np.ndarray) -> np.ndarray:
    """Which runs are learned from; their share of divergences is that of all."""
    if len(succeeded) <= MAX_RUNS:
        return np.arange(len(succeeded))
    order = np.argsort(succeeded, kind="stable")
    return np.sort(order[np.linspace(0, len(order) - 1, MAX_RUNS).round().astype(int)])
