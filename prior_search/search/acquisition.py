"""Where to look next: log noisy expected improvement or the posterior mean, times feasibility."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import linalg, special
from scipy.stats import qmc

from prior_search.search.evidence import JITTER
from prior_search.search.feasibility import Feasibility
from prior_search.search.gp import Posterior
from prior_search.search.surrogate import Surrogate

NUM_SAMPLES = 64  # of the joint posterior at the leaders and pending points, quasi-random
MIN_SAMPLES = 16  # for each of several hyperparameters
MAX_LEADERS = 16  # evaluated points that may hold the best value
NUM_CANDIDATES = 256  # points of the first look at the cube
NUM_SURVIVORS = 8  # that are followed up
ROUNDS = 5  # of looking closer around the survivors
STEPS = 3  # per survivor, round and dimension
SHRINKAGE = 0.4  # of the neighborhood from round to round
LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)

Score = Callable[[np.ndarray], np.ndarray]  # points [m, d] -> values to maximize [m]


def log_improvement(u: np.ndarray) -> np.ndarray:
    """The log of phi(u) + u Phi(u), stable for very negative u (Ament et al., 2023, eq. 9)."""
    low = np.minimum(u, -1.0)
    # phi(u) + u Phi(u) = phi(u) (1 - |u| sqrt(pi/2) erfcx(|u|/sqrt 2)); 1 - ... ~ 1/u² far out
    ratio = -low * math.sqrt(math.pi / 2.0) * special.erfcx(-low / math.sqrt(2.0))
    tail = np.where(low > -1e3, np.log(np.maximum(1.0 - ratio, 1e-300)), -2.0 * np.log(-low))
    high = np.maximum(u, -1.0)
    density = np.exp(-0.5 * high * high - LOG_ROOT_2PI)
    direct = np.log(density + high * special.ndtr(high))
    value: np.ndarray = np.where(u > -1.0, direct, tail - 0.5 * low * low - LOG_ROOT_2PI)
    return value


class NoisyImprovement:
    """The log of expected improvement over the unknown best of leaders and pending points.

    Noisy EI after Letham et al. (2019): joint posterior samples of the noiseless objective at the
    leaders and the pending points; given a sample, EI is known in closed form; averaged over
    samples. Conditioning on a sample moves the mean only, so all share one factorization.

    Args:
        posterior: what is believed.
        leaders: evaluated points, [l, d].
        pending: points under way, [p, d].
        rng: of the samples.
        num_samples: how many.
    """

    def __init__(
        self,
        posterior: Posterior,
        leaders: np.ndarray,
        pending: np.ndarray,
        rng: np.random.Generator,
        num_samples: int = NUM_SAMPLES,
    ) -> None:
        self._posterior = posterior
        self._base = np.concatenate([leaders, pending])
        mean, covariance = self._posterior.joint(self._base)
        size = len(self._base)
        jitter = 1e-6 * self._posterior.covariance.prior_variance
        covariance.flat[:: size + 1] += max(jitter, JITTER)
        self._factor = linalg.cholesky(covariance, lower=True)
        uniform = qmc.Sobol(size, scramble=True, rng=rng).random(num_samples)
        self._z = special.ndtri(np.clip(uniform, 1e-9, 1 - 1e-9)).T  # [size, samples]
        self._best = (mean[:, None] + self._factor @ self._z).min(0)
        self._white = self._posterior.whitened(self._posterior.cross(self._base))

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """[m, d] -> [m]."""
        posterior = self._posterior
        cross = posterior.cross(points)
        white = posterior.whitened(cross)
        mean = posterior.mean(points, cross)
        long = np.zeros(len(points), dtype=int)
        base = np.zeros(len(self._base), dtype=int)
        prior = posterior.covariance.between(self._base, base, points, long)
        shared = prior - self._white.T @ white  # posterior covariance [size, m]
        known = linalg.solve_triangular(self._factor, shared, lower=True, check_finite=False)
        variance = posterior.covariance.prior_variance - (white * white).sum(0)
        sd = np.sqrt(np.maximum(variance - (known * known).sum(0), 1e-12))
        means = mean[:, None] + known.T @ self._z  # [m, samples]
        logs = log_improvement((self._best - means) / sd[:, None]) + np.log(sd)[:, None]
        value: np.ndarray = special.logsumexp(logs, axis=1) - math.log(self._z.shape[1])
        return value


def maximize_improvement(
    surrogate: Surrogate,
    feasibility: Feasibility,
    evaluated: Sequence[Sequence[float]],
    pending: Sequence[Sequence[float]],
    cube: Cube,
) -> tuple[tuple[float, ...], float]:
    """The point of highest log noisy EI given pending points, and that value."""
    known = np.unique(np.asarray(evaluated, dtype=float), axis=0)
    means = surrogate.posterior.mean(known)
    leaders = known[np.argsort(means, kind="stable")[:MAX_LEADERS]]
    waiting = np.asarray(pending, dtype=float).reshape(-1, known.shape[1])
    members = surrogate.posterior.posteriors
    samples = 1 << (max(MIN_SAMPLES, NUM_SAMPLES // len(members)).bit_length() - 1)  # 2^k
    each = [NoisyImprovement(p, leaders, waiting, cube.rng, samples) for p in members]

    def score(points: np.ndarray) -> np.ndarray:
        values = special.logsumexp([improvement(points) for improvement in each], axis=0)
        total: np.ndarray = values - math.log(len(each))
        return total + np.log(feasibility.probability(points))

    return cube.maximize(score, leaders)


def minimize_mean(
    surrogate: Surrogate,
    feasibility: Feasibility,
    evaluated: Sequence[Sequence[float]],
    cube: Cube,
) -> tuple[tuple[float, ...], float]:
    """The point of lowest posterior mean, penalized where runs diverge, and minus its target."""

    def score(points: np.ndarray) -> np.ndarray:
        return -surrogate.posterior.mean(points) + np.log(feasibility.probability(points))

    return cube.maximize(score, np.asarray(evaluated, dtype=float))


class Cube:
    """Maximizes functions over the unit cube, some coordinates of which may be held.

    Quasi-random points, then ever smaller random steps around the best ones: no gradients, all
    points of a round in one batch.

    Args:
        dimension: d.
        rng: of candidates and steps.
        fixed: coordinates by index that do not move.
    """

    def __init__(
        self, dimension: int, rng: np.random.Generator, fixed: dict[int, float] | None = None
    ) -> None:
        self._dimension, self.rng = dimension, rng
        self._fixed = fixed or {}

    def maximize(self, score: Score, seeds: np.ndarray) -> tuple[tuple[float, ...], float]:
        """The best point found and its score; ``seeds`` [k, d] are looked at as well."""
        sobol = qmc.Sobol(self._dimension, scramble=True, rng=self.rng).random(NUM_CANDIDATES)
        points = self._hold(np.concatenate([sobol, np.clip(seeds, 0.0, 1.0)]))
        values = score(points)
        width = 0.15
        for _ in range(ROUNDS):
            kept = np.argsort(-values, kind="stable")[:NUM_SURVIVORS]
            points, values = points[kept], values[kept]
            steps = self.rng.normal(size=(NUM_SURVIVORS, STEPS * self._dimension, self._dimension))
            around = points[:, None, :] + width * steps[: len(points)]
            nearby = self._hold(np.clip(around, 0.0, 1.0).reshape(-1, self._dimension))
            points = np.concatenate([points, nearby])
            values = np.concatenate([values, score(nearby)])
            width *= SHRINKAGE
        best = int(np.argmax(values))
        return tuple(points[best].tolist()), float(values[best])

    def _hold(self, points: np.ndarray) -> np.ndarray:
        for k, value in self._fixed.items():
            points[:, k] = value
        return points
