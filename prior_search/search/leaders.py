"""Which measured configuration is best, how sure that is, and which to run once more."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from scipy import special, stats
from scipy.stats import qmc

from prior_search.search.history import History
from prior_search.search.suggestion import Recommendation
from prior_search.search.surrogate import Surrogate

NEAR_BOUND = 0.05  # of a range: a best weight so close to its end may have a better one beyond
WIDENING = 1.25  # of the recommendation's deviation: the best-looking of many is a lucky one
MAX_AT_ONCE = 500  # configurations that are predicted together, for the memory that it takes
NUM_SAMPLES = 256  # of the joint posterior at the measured configurations


class Leaders:
    """Configurations measured at the long horizon, as the surrogate sees them.

    Args:
        history: suggestions and outcomes.
        fixed: coordinates that are held; configurations without them count only if none has them.

    Raises:
        ValueError: no run at the long horizon has completed.
        SurrogateFitError: the Gaussian process could not be fitted.
    """

    def __init__(self, history: History, fixed: Mapping[int, float]) -> None:
        self._history, self._fixed = history, fixed
        self._measured = history.measured_long(fixed) or history.measured_long()
        if not self._measured:
            raise ValueError("no run at the long horizon has completed")
        self.trials = list(self._measured)
        self._points = np.asarray([history.point(t) for t in self.trials], dtype=float)
        self.surrogate: Surrogate | None = None
        if history.can_be_fitted:
            self.surrogate, self.feasibility = history.fit()
            parts = np.array_split(self._points, math.ceil(len(self._points) / MAX_AT_ONCE))
            predicted = [p for part in parts for p in self.surrogate.predict(part.tolist())]
            scores = np.concatenate([self._score(part) for part in parts])
        else:
            predicted = self._plain()
            scores = np.asarray([mean for mean, _ in predicted])
        self.believed = dict(zip(self.trials, predicted, strict=True))
        self._scores = scores

    @property
    def best(self) -> int:
        """The configuration of lowest posterior mean, penalized where runs diverge."""
        return self.trials[int(np.argmin(self._scores))]

    @property
    def noise_sd(self) -> float:
        """Of one long run, in the targets that ``expected_loss`` is in; infinite if unknown."""
        return math.inf if self.surrogate is None else self.surrogate.noise_sd

    @property
    def hyperparameters(self) -> tuple[float, ...] | None:
        """Of the surrogate; None if there is none yet."""
        return None if self.surrogate is None else tuple(self.surrogate.theta.tolist())

    def is_separated(self, tolerance: float) -> bool:
        """Whether the best was confirmed once and is expected to lose less than a tolerance.

        Args:
            tolerance: in standard deviations of one run's noise.
        """
        is_confirmed = self._history.long_runs(self.best) > 1
        return is_confirmed and self.expected_loss() < tolerance * self.noise_sd

    def expected_loss(self) -> float:
        """Mean over the posterior of what the best gives away to the best in hindsight."""
        if self.surrogate is None:
            return math.inf
        mean, covariance = self.surrogate.posterior.joint(self._points)
        values, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        sobol = qmc.Sobol(len(mean), scramble=True, rng=np.random.default_rng(0))
        z = special.ndtri(np.clip(sobol.random(NUM_SAMPLES), 1e-9, 1 - 1e-9))
        samples = mean + z @ root.T  # [samples, configurations]
        chosen = samples[:, int(np.argmin(self._scores))]
        return float((chosen - samples.min(1)).mean())

    def least_run(self) -> int:
        """Of the configurations within a deviation of the best, the least often run one."""
        best_mean, best_sd = self.believed[self.best]
        near = [t for t in self.trials if self.believed[t][0] <= best_mean + best_sd]
        return min(near, key=lambda t: (self._history.long_runs(t), self.believed[t][0], t))

    def recommend(self) -> Recommendation:
        """The best configuration, with what is believed of it.

        Its deviation is that of the posterior times ``WIDENING``, as what is chosen for its low
        mean errs to one side. The interval is Student's t, with half as many degrees of freedom
        as runs: few make the noise look small. Both make 95 % intervals hold the truth in about
        95 % of tuning searches (docs/search.md). **(ours)**
        """
        trial = self.best
        mean, sd = self.believed[trial]
        sd *= WIDENING
        half = sd * float(stats.t.ppf(0.975, sum(map(len, self._measured.values())) / 2))
        return Recommendation(
            trial=trial,
            values=dict(self._history.suggestions[trial].values),
            predicted_mean=mean,
            predicted_sd=sd,
            low=mean - half,
            high=mean + half,
            num_runs=len(self._measured[trial]),
            warnings=self._near_bounds(trial),
        )

    # --- inside

    def _score(self, points: np.ndarray) -> np.ndarray:
        """Posterior mean, penalized where runs diverge, [m, d] -> [m]."""
        assert self.surrogate is not None  # scores are asked of one
        penalty: np.ndarray = -np.log(self.feasibility.probability(points))
        return self.surrogate.posterior.mean(points) + penalty

    def _plain(self) -> list[tuple[float, float]]:
        """Means over replicates, and the deviation of all values, of too few runs to fit to."""
        everything = [v for values in self._measured.values() for v in values]
        sd = float(np.std(everything)) if len(everything) > 1 else math.inf
        return [(float(np.mean(self._measured[t])), sd) for t in self.trials]

    def _near_bounds(self, trial: int) -> tuple[str, ...]:
        point = self._history.point(trial)
        assert point is not None  # it is inside the space
        found = []
        for k, (p, x) in enumerate(zip(self._history.space.parameters, point, strict=True)):
            if k not in self._fixed and not NEAR_BOUND <= x <= 1 - NEAR_BOUND:
                end, bound = ("low", p.low) if x < 0.5 else ("high", p.high)
                found.append(
                    f"{p.name} = {p.decode(x):.3g} is within 5 % of the {end} end {bound:g} of "
                    f"its range ({p.scale}); a wider range may hold a better value"
                )
        return tuple(found)
