"""A surface as the surrogate would see it if runs had no noise, and what it would make of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.search.surfaces import Surface
from prior_search.search.evidence import Rows
from prior_search.search.gp import fit
from prior_search.search.layout import Layout, prior_of
from prior_search.search.surrogate import LONG, SHORT, target_scales
from prior_search.search.targets import TargetScale

LONG_POINTS = 200
SHORT_POINTS = 60
SHOCKS = 20_000  # draws that the true variance of the noise is taken from
EVIDENCE = 1e6  # runs' worth, of a noiseless value
DIVERGES = 0.5  # probability from which on a point is left out


@dataclass(frozen=True, slots=True, kw_only=True)
class Noiseless:
    """A surface as the surrogate would see it without noise.

    Attributes:
        rows: expectations of runs at random points, as targets.
        scales: from objectives to targets, by fidelity.
        log_noise: log variances of the targets of a long and a short run.
    """

    rows: Rows
    scales: dict[int, TargetScale]
    log_noise: np.ndarray

    @classmethod
    def of(cls, known: Surface) -> Noiseless:
        """Of a surface; always the same."""
        rng = np.random.default_rng(0)
        x = rng.random((LONG_POINTS + SHORT_POINTS, known.dimension))
        s = np.where(np.arange(len(x)) < LONG_POINTS, LONG, SHORT)
        kept = known.divergence(x) < DIVERGES
        x, s = x[kept], s[kept]
        y = np.where(s == LONG, known.long(x), known.short(x))
        scales = target_scales(s, y)
        targets = np.where(s == LONG, scales[LONG].forward(y), scales[SHORT].forward(y))
        long = np.flatnonzero(s == LONG)[np.argsort(y[s == LONG])]
        best, middle = x[long[:1]], x[long[[len(long) // 2]]]
        noise = np.array([known.noise(best)[0], known.short_noise(middle)[0]])
        variance = np.var([known.shock(rng) for _ in range(SHOCKS)])
        spread = np.array([scales[LONG].spread, scales[SHORT].spread])
        return cls(
            rows=Rows(x, s, targets, np.full(len(x), EVIDENCE)),
            scales=scales,
            log_noise=np.log(variance * np.square(noise / spread)),
        )

    def fit(self, layout: Layout) -> np.ndarray:
        """Hyperparameters, with the true noise."""
        start = prior_of(layout)[0]
        if layout.has_bowl:
            start[layout.center] = self.rows.x[np.argmin(self.rows.y)]
        theta = fit(self.rows, layout, [start])
        theta[layout.noise] = self.log_noise
        return theta
