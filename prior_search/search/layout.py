"""Hyperparameters of the surrogate: where each is, and what is believed of it beforehand."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

# normal priors of theta, mean and standard deviation; targets are of order 1. About what the
# hyperparameters of noiseless tuning surfaces are: python -m benchmarks.search.fit_priors
LATENT = (-1.2, 0.5)  # log length scales, at d = 1
DISCREPANCY = (-0.3, 0.45)
SCALE = (-0.2, 0.6)
RHO = (0.75, 0.2)
SHARE = (0.15, 0.55)
LONG_NOISE = (-4.4, 1.1)  # log variances
OTHER_NOISE = (-3.0, 1.1)  # short runs are noisier, and mostly uphill, where noise is more
# the same of the bowl's parameters, in their order
HEIGHT = (-0.3, 0.6)  # log
CENTER = (0.5, 0.2)
CURVATURE = (1.8, 0.5)  # log; 1 / 0.4²
SKEW = (0.0, 0.35)
SHEAR = (0.0, 0.25)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where each hyperparameter is in the vector theta.

    theta = [log length scales of g (d), the same of delta (d), log scale,
             rho_s, log share_s for s = 1..., log noise variance_s for s = 0, 1, ...,
             and if there is a bowl: log height, center (d), log curvatures (d), skews (d),
             shears (d (d - 1) / 2)]
    """

    dimension: int
    num_fidelities: int
    has_bowl: bool = False

    @property
    def latent(self) -> slice:
        """Log length scales of g."""
        return slice(0, self.dimension)

    @property
    def discrepancy(self) -> slice:
        """Log length scales of every delta."""
        return slice(self.dimension, 2 * self.dimension)

    @property
    def scale(self) -> int:
        """Log standard deviation of g."""
        return 2 * self.dimension

    @property
    def rho(self) -> slice:
        """Correlations with the long horizon, for s = 1..."""
        start = self.scale + 1
        return slice(start, start + self.num_fidelities - 1)

    @property
    def share(self) -> slice:
        """Log standard deviations of delta_s in units of the scale, for s = 1..."""
        return slice(self.rho.stop, self.rho.stop + self.num_fidelities - 1)

    @property
    def noise(self) -> slice:
        """Log noise variances of one run, for s = 0, 1, ..."""
        return slice(self.share.stop, self.share.stop + self.num_fidelities)

    @property
    def bowl(self) -> slice:
        """Parameters of the bowl; empty if there is none."""
        d = self.dimension
        count = 1 + 3 * d + d * (d - 1) // 2 if self.has_bowl else 0
        return slice(self.noise.stop, self.noise.stop + count)

    @property
    def center(self) -> slice:
        """Where the bowl is lowest."""
        start = self.bowl.start + 1
        return slice(start, start + self.dimension)

    @property
    def size(self) -> int:
        """Number of hyperparameters."""
        return self.bowl.stop


def layouts(dimension: int, num_fidelities: int) -> tuple[Layout, Layout]:
    """Of the two models that are averaged: around a constant, and around a bowl."""
    return (
        Layout(dimension=dimension, num_fidelities=num_fidelities),
        Layout(dimension=dimension, num_fidelities=num_fidelities, has_bowl=True),
    )


def layouts_of(dimension: int, size: int) -> tuple[Layout, Layout] | None:
    """The layouts that together have this size; None if there are none."""
    one, more = (sum(p.size for p in layouts(dimension, count)) for count in (1, 2))
    count, rest = divmod(size - one, more - one)
    return layouts(dimension, 1 + count) if rest == 0 and count > 0 else None


def prior_of(layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Normal prior of theta: means and standard deviations.

    Length scales are log-normal and grow with the root of the dimension, after Hvarfner et al.
    (2024); the constants are ours, fitted to noiseless tuning surfaces (docs/search.md).
    """
    d, root = layout.dimension, 0.5 * math.log(layout.dimension)
    mean, sd = np.zeros(layout.size), np.ones(layout.size)
    for place, (middle, width) in (
        (layout.latent, (LATENT[0] + root, LATENT[1])),
        (layout.discrepancy, (DISCREPANCY[0] + root, DISCREPANCY[1])),
        (layout.scale, SCALE),
        (layout.rho, RHO),
        (layout.share, SHARE),
        (layout.noise, OTHER_NOISE),
        (layout.noise.start, LONG_NOISE),
    ):
        mean[place], sd[place] = middle, width
    if layout.has_bowl:
        counts = (1, d, d, d, d * (d - 1) // 2)
        bowl = np.repeat([HEIGHT, CENTER, CURVATURE, SKEW, SHEAR], counts, axis=0)
        mean[layout.bowl], sd[layout.bowl] = bowl.T
    return mean, sd
