"""The surrogate: from runs and their objectives to a posterior of the noiseless long horizon."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prior_search.errors import SurrogateFitError
from prior_search.search.ensemble import NUM_MEMBERS, Mixture, members
from prior_search.search.evidence import Rows, prior_of
from prior_search.search.gp import Posterior, fit
from prior_search.search.kernel import Layout
from prior_search.search.targets import TargetScale, good_spread

LONG, SHORT = 0, 1  # fidelities; higher ones are the horizons of other studies
MAX_AVERAGED_ROWS = 60  # more leave little doubt about hyperparameters
MAX_FIT_ROWS = 100  # hyperparameters are fitted to so many rows
MAX_ROWS = 1000  # of the posterior, which takes their square in memory and their cube in time


class Surrogate:
    """A Gaussian process fitted to runs, with its target scales.

    Args:
        points: of runs, [n, d], repeated where a configuration was run with several seeds.
        fidelities: 0 for long, 1 for short, more for other studies, [n].
        values: objectives, [n], to minimize.
        previous: hyperparameters of an earlier fit, as one more starting point.
        is_fitted: take ``previous`` as it is.

    Raises:
        SurrogateFitError: the fit failed.
    """

    def __init__(
        self,
        points: Sequence[Sequence[float]],
        fidelities: Sequence[int],
        values: Sequence[float],
        previous: Sequence[float] | None = None,
        *,
        is_fitted: bool = False,
    ) -> None:
        y = np.asarray(values, dtype=float)
        if not np.isfinite(y).all():
            raise SurrogateFitError(f"observations must be finite, got {y[~np.isfinite(y)]}")
        s = np.asarray(fidelities, dtype=int)
        x = np.asarray(points, dtype=float)
        self._scales = target_scales(s, y)
        target = np.empty_like(y)
        for fidelity, scale in self._scales.items():
            target[s == fidelity] = scale.forward(y[s == fidelity])
        self.layout = Layout(dimension=x.shape[1], num_fidelities=max(2, int(s.max()) + 1))
        rows = averaged(x, s, target)
        rows = rows.take(_chosen(rows, MAX_ROWS))
        earlier = None
        if previous is not None and len(previous) == self.layout.size:
            earlier = np.asarray(previous, dtype=float)
        if is_fitted and earlier is not None:
            self.theta = earlier
        else:
            self.theta = self._fit(rows, earlier)
        count = NUM_MEMBERS if len(rows.y) <= MAX_AVERAGED_ROWS else 0
        thetas = members(rows, self.layout, self.theta, count)
        self.posterior = Mixture([Posterior(rows, self.layout, t) for t in thetas])

    @property
    def noise_sd(self) -> float:
        """Standard deviation of one long run's target."""
        return float(np.sqrt(self.posterior.best.covariance.noise[LONG]))

    def predict(self, points: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
        """Posterior mean and standard deviation of the noiseless long-horizon objective.

        In the units of the objective; the mean is the image of the target's mean, so in the
        compressed half it is a median, and the deviation is first order.
        """
        mean, sd = self.posterior.marginal(np.asarray(points, dtype=float))
        scale = self._scales[LONG]
        return [
            (scale.backward(m), s * scale.slope(m))
            for m, s in zip(mean.tolist(), sd.tolist(), strict=True)
        ]

    def objectives(self, targets: np.ndarray) -> tuple[float, ...]:
        """Long-horizon targets in the units of the objective."""
        return tuple(self._scales[LONG].backward(t) for t in targets.tolist())

    # --- inside

    def _fit(self, rows: Rows, earlier: np.ndarray | None) -> np.ndarray:
        middle, _ = prior_of(self.layout)
        wiggly = middle.copy()
        wiggly[self.layout.latent] -= 1.0
        wiggly[self.layout.noise] -= 1.0
        starts = [middle, wiggly] if earlier is None else [earlier, middle, wiggly]
        return fit(rows.take(_chosen(rows, MAX_FIT_ROWS)), self.layout, starts)


def averaged(x: np.ndarray, s: np.ndarray, target: np.ndarray) -> Rows:
    """One row per configuration and fidelity, its target the mean over its runs."""
    keys = np.column_stack([x, s])
    _, first, group = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    runs = np.bincount(group.ravel()).astype(float)
    mean = np.bincount(group.ravel(), target) / runs
    order = np.argsort(first)  # as they came
    return Rows(x[first][order], s[first][order], mean[order], runs[order])


def target_scales(s: np.ndarray, y: np.ndarray) -> dict[int, TargetScale]:
    """Scales by fidelity: own medians; long and short share the spread of the more frequent.

    The long runs crowd around the optimum later, so that their own spread would shrink.
    """
    short, long = s == SHORT, s == LONG
    pair = y[short] if short.sum() > long.sum() else y[long]
    spread = good_spread(pair if len(pair) else y)
    scales = {}
    for fidelity in sorted({LONG, SHORT, *s.tolist()}):
        chosen = y[s == fidelity]
        own = spread if fidelity <= SHORT else good_spread(chosen)
        scales[fidelity] = TargetScale.of(chosen if len(chosen) else y, own)
    return scales


def _chosen(rows: Rows, limit: int) -> np.ndarray:
    """At most so many rows: half of them the lowest, and of the others evenly many."""
    if len(rows.y) <= limit:
        return np.arange(len(rows.y))
    order = np.lexsort((rows.y, rows.s))  # long runs first, good ones before bad ones
    low, rest = order[: limit // 2], order[limit // 2 :]
    picked = np.linspace(0, len(rest) - 1, limit - len(low)).round().astype(int)
    return np.sort(np.concatenate([low, rest[picked]]))
