"""The surrogate: from runs and their objectives to a posterior of the noiseless long horizon."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prior_search.errors import SurrogateFitError
from prior_search.search.ensemble import NUM_MEMBERS, Mixture, members
from prior_search.search.evidence import Rows
from prior_search.search.gp import Posterior, fit
from prior_search.search.layout import Layout, layouts, prior_of
from prior_search.search.targets import TargetScale, good_spread

LONG, SHORT = 0, 1  # fidelities; higher ones are the horizons of other studies
MAX_AVERAGED_ROWS = 60  # more leave little doubt about hyperparameters
NUM_CENTERED = 3  # best runs, around whose mean the fit of a bowl starts
MAX_BOWL_ROWS = 100  # more show what a valley is like
MAX_FIT_ROWS = 100  # hyperparameters are fitted to so many rows
MAX_ROWS = 1000  # of the posterior, which takes their square in memory and their cube in time


class Surrogate:
    """Gaussian processes fitted to runs, with and without a bowl as mean, and the target scales.

    Averaging the two, with equal weights, is better than either: the bowl finds the bottom of a
    valley from fewer runs, the other is not misled where there is none (docs/search.md).
    ``theta`` holds the hyperparameters of both, one after the other.

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
        if not len(y):
            raise SurrogateFitError("there is no completed run to fit a surrogate to")
        if not np.isfinite(y).all():
            raise SurrogateFitError(f"observations must be finite, got {y[~np.isfinite(y)]}")
        s = np.asarray(fidelities, dtype=int)
        x = np.asarray(points, dtype=float)
        self._scales = target_scales(s, y)
        target = np.empty_like(y)
        for fidelity, scale in self._scales.items():
            target[s == fidelity] = scale.forward(y[s == fidelity])
        rows = Rows(x, s, target, np.ones(len(y)))
        rows = rows.take(_chosen(rows, MAX_ROWS))
        pair = layouts(x.shape[1], max(2, int(s.max()) + 1))
        earlier = _split(previous, pair)
        thetas = [
            _hyperparameters(rows, layout, start, is_fitted=is_fitted)
            for layout, start in zip(pair, earlier, strict=True)
        ]
        self.theta = np.concatenate(thetas)
        count = NUM_MEMBERS if len(rows.y) <= MAX_AVERAGED_ROWS else 0
        self.posterior = Mixture(
            [
                Posterior(rows, layout, member)
                for layout, theta in zip(pair, thetas, strict=True)
                if not _is_left_out(layout, rows)
                for member in members(rows, layout, theta, count)
            ]
        )

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


def _is_left_out(layout: Layout, rows: Rows) -> bool:
    """With many rows the bowl adds nothing; its hyperparameters stay as they were."""
    return layout.has_bowl and len(rows.y) > MAX_BOWL_ROWS


def _split(
    theta: Sequence[float] | None, pair: tuple[Layout, Layout]
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Hyperparameters of each model; None of both if they are of other models."""
    plain, around_bowl = pair
    if theta is None or len(theta) != plain.size + around_bowl.size:
        return None, None
    both = np.asarray(theta, dtype=float)
    return both[: plain.size], both[plain.size :]


def _hyperparameters(
    rows: Rows, layout: Layout, earlier: np.ndarray | None, *, is_fitted: bool
) -> np.ndarray:
    if earlier is not None and (is_fitted or _is_left_out(layout, rows)):
        return earlier
    return prior_of(layout)[0] if _is_left_out(layout, rows) else _fit(rows, layout, earlier)


def _fit(rows: Rows, layout: Layout, earlier: np.ndarray | None) -> np.ndarray:
    middle, _ = prior_of(layout)
    wiggly = middle.copy()
    wiggly[layout.latent] -= 1.0
    wiggly[layout.noise] -= 1.0
    if layout.has_bowl:  # far from its place a bowl explains nothing, and its slope is lost
        long = np.flatnonzero(rows.s == LONG)
        known = long if len(long) >= NUM_CENTERED else np.arange(len(rows.y))
        best = known[np.argsort(rows.y[known], kind="stable")[:NUM_CENTERED]]
        middle[layout.center] = rows.x[best].mean(0)
        wiggly[layout.center] = rows.x[best[0]]
    if earlier is None:
        starts = [middle, wiggly]
    else:
        starts = [earlier] if len(rows.y) > MAX_AVERAGED_ROWS else [earlier, middle]
    return fit(rows.take(_chosen(rows, MAX_FIT_ROWS)), layout, starts)


def _chosen(rows: Rows, limit: int) -> np.ndarray:
    """At most so many rows: half of them the lowest, and of the others evenly many."""
    if len(rows.y) <= limit:
        return np.arange(len(rows.y))
    order = np.lexsort((rows.y, rows.s))  # long runs first, good ones before bad ones
    low, rest = order[: limit // 2], order[limit // 2 :]
    picked = np.linspace(0, len(rest) - 1, limit - len(low)).round().astype(int)
    return np.sort(np.concatenate([low, rest[picked]]))
