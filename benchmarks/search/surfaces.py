"""Response surfaces with a known answer, to compare search methods on.

A surface is a noiseless objective of a long run over the unit cube, with what makes regularizer
weights hard to search added to it: heavy-tailed noise whose scale depends on the point, a biased
short horizon, and regions where runs diverge. Everything is a function of the surface's name:

    from benchmarks.search.surfaces import surface, names
    s = surface("tuning-weights3-7")         # d = 3, seed 7
    s.sample((0.2, 0.5, 0.1), "short", rng)  # a run: its objective, or None if it diverged
    s.regret((0.2, 0.5, 0.1))                # of recommending that point; 0 is the best

    names("tuning")     # seeds 0-999: for choosing constants and for ablations, as are
                        # the functions of ``tuning_functions``
    names("reporting")  # seeds 1000-1999 and the standard functions: for results only

Whoever tunes anything on a reporting surface makes every number in docs/search_benchmark.md void.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy import optimize, stats

Horizon = Literal["short", "long"]
Split = Literal["tuning", "reporting"]
Field = Callable[[np.ndarray], np.ndarray]  # points of the unit cube [n, d] -> [n]
Shock = Callable[[np.random.Generator], float]

SEEDS: dict[Split, range] = {"tuning": range(1000), "reporting": range(1000, 2000)}
SHORT_COSTS = (1 / 4, 1 / 6, 1 / 8)
DIMENSIONS = (2, 3, 4)
STANDARD = ("branin", "hartmann3", "hartmann6", "ackley2", "ackley4")
CUBE_POINTS = 2**12  # Sobol points that stand for the cube


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """A search problem whose answer is known.

    Attributes:
        short_cost: of a short run, in long runs.
        long: expectation of a completed long run.
        short: expectation of a completed short run.
        divergence: probability that a run diverges, at both horizons.
        noise: scale of the noise of a long run.
        short_noise: of a short run.
        shock: draws the noise in units of its scale.
        ceiling: what recommending a point costs where its runs diverge.
        minimum: of ``truth`` over the cube.
        median: of ``truth`` over the cube.
    """

    name: str
    dimension: int
    short_cost: float
    long: Field
    short: Field
    divergence: Field
    noise: Field
    short_noise: Field
    shock: Shock
    ceiling: float
    minimum: float
    median: float

    def truth(self, points: np.ndarray) -> np.ndarray:
        """The noiseless objective [n] of points [n, d]; divergence counts as the ceiling."""
        return expected(self.long, self.divergence, self.ceiling, points)

    def regret(self, point: Sequence[float]) -> float:
        """Truth above the minimum, in units of the median's distance: 1 is a median guess."""
        value = float(self.truth(np.asarray([point], dtype=float))[0])
        return max(0.0, (value - self.minimum) / (self.median - self.minimum))

    def sample(
        self, point: Sequence[float], horizon: Horizon, generator: np.random.Generator
    ) -> float | None:
        """The objective of one run; None if it diverged."""
        x = np.asarray([point], dtype=float)
        if generator.random() < self.divergence(x)[0]:
            return None
        is_short = horizon == "short"
        scale = (self.short_noise if is_short else self.noise)(x)[0]
        mean = (self.short if is_short else self.long)(x)[0]
        return float(mean + scale * self.shock(generator))


def expected(long: Field, divergence: Field, ceiling: float, points: np.ndarray) -> np.ndarray:
    """Mean objective [n] if a diverged run counts as the ceiling."""
    probability = divergence(points)
    return (1.0 - probability) * long(points) + probability * ceiling


def names(split: Split, per_dimension: int = 4) -> tuple[str, ...]:
    """The surfaces of a split: so many for each d; for reporting, the standard functions too."""
    first = SEEDS[split].start
    weights = [f"{split}-weights{d}-{first + k}" for d in DIMENSIONS for k in range(per_dimension)]
    standard = [f"reporting-{name}" for name in STANDARD] if split == "reporting" else []
    return (*weights, *standard)


def tuning_weights(seeds: str) -> list[str]:
    """Weight surfaces for tuning in every d, of seeds ``first-last``."""
    first, last = (int(end) for end in seeds.split("-"))
    return [f"tuning-weights{d}-{k}" for k in range(first, last + 1) for d in DIMENSIONS]


@lru_cache(maxsize=256)
def surface(name: str) -> Surface:
    """The surface of a name.

    Raises:
        ValueError: no such name, or a seed outside its split.
    """
    from benchmarks.search.standard_functions import reporting_surface
    from benchmarks.search.tuning_functions import tuning_names, tuning_surface
    from benchmarks.search.weight_surfaces import weight_surface

    if name.removeprefix("reporting-") in STANDARD:
        return reporting_surface(name)
    if name in tuning_names():
        return tuning_surface(name)
    matched = re.fullmatch(r"(tuning|reporting)-weights([234])-(\d+)", name)
    if matched is None:
        raise ValueError(
            f"no surface {name!r}; expected tuning-weightsD-SEED, reporting-weightsD-SEED "
            f"with D in {DIMENSIONS}, reporting- with one of {', '.join(STANDARD)}, or one of "
            f"{', '.join(tuning_names())}"
        )
    seeds = SEEDS["tuning" if matched[1] == "tuning" else "reporting"]
    if int(matched[3]) not in seeds:
        raise ValueError(f"{matched[1]} seeds are {seeds.start} to {seeds.stop - 1}: {name!r}")
    return weight_surface(name, int(matched[2]), int(matched[3]))


def with_noise(known: Surface, factor: float) -> Surface:
    """The same surface with the noise of all runs multiplied."""
    return dataclasses.replace(
        known,
        noise=scaled(known.noise, factor),
        short_noise=scaled(known.short_noise, factor),
    )


def with_optimum_at_bound(known: Surface) -> Surface:
    """The larger part of the same surface, cut through its optimum across the first weight."""
    points = cube(known.dimension, 2**14)
    optimum = float(points[np.argmin(known.truth(points))][0])
    start, length = (optimum, 1.0 - optimum) if optimum < 0.5 else (0.0, optimum)

    def cut(field: Field) -> Field:
        return lambda x: field(np.column_stack([start + length * x[:, :1], x[:, 1:]]))

    part = dataclasses.replace(
        known,
        long=cut(known.long),
        short=cut(known.short),
        divergence=cut(known.divergence),
        noise=cut(known.noise),
        short_noise=cut(known.short_noise),
    )
    minimum = minimum_over_cube(part.truth, known.dimension)
    median = float(np.median(part.truth(cube(known.dimension))))
    return dataclasses.replace(part, minimum=minimum, median=median)


# --- what surfaces are built with


def cube(dimension: int, count: int = CUBE_POINTS) -> np.ndarray:
    """Unscrambled Sobol points [count, d]; ``count`` is a power of two."""
    sobol = stats.qmc.Sobol(dimension, scramble=False)
    return sobol.random_base2(count.bit_length() - 1)


def minimum_over_cube(field: Field, dimension: int) -> float:
    """Global minimum: the best 12 of a dense Sobol set, followed downhill without gradients."""
    points = cube(dimension, 2**14)
    starts = points[np.argsort(field(points))[:12]]
    found = [
        optimize.minimize(
            lambda x: float(field(x[None, :])[0]),
            start,
            method="Nelder-Mead",
            bounds=[(0.0, 1.0)] * dimension,
            options={"xatol": 1e-6, "fatol": 1e-9, "maxiter": 400 * dimension},
        ).fun
        for start in starts
    ]
    return float(min(found))


def student(degrees: float) -> Shock:
    """Noise with heavy tails."""
    return lambda generator: float(generator.standard_t(degrees))


def scaled(field: Field, factor: float) -> Field:
    """``factor`` times the field."""
    return lambda x: factor * field(x)


def short_horizon(long: Field, dimension: int, generator: np.random.Generator) -> Field:
    """A short run's expectation: offset + gain · long + a smooth discrepancy of its own.

    The discrepancy is a tilt plus random cosines; its size is set so that Spearman's rank
    correlation with the long horizon over the cube is uniform in 0.6-0.9. Its sign is the one
    that misleads, so that there is such a size.
    """
    frequency = generator.normal(scale=2.5, size=(8, dimension))
    phase = generator.uniform(0, 2 * np.pi, size=8)
    tilt = generator.normal(size=dimension)
    tilt /= np.linalg.norm(tilt)
    gain, offset = generator.uniform(0.4, 1.0), generator.uniform(0.2, 0.8)
    target = generator.uniform(0.6, 0.9)
    points = cube(dimension, 1024)
    reference = long(points)
    spread = float(reference.std())

    def waves(x: np.ndarray) -> np.ndarray:
        return spread * (np.cos(x @ frequency.T + phase).sum(1) / 2.0 + 2.0 * (x - 0.5) @ tilt)

    sign = -1.0 if stats.spearmanr(reference, waves(points)).statistic > 0 else 1.0

    def excess(amplitude: float) -> float:
        short = reference + sign * amplitude * waves(points)
        return float(stats.spearmanr(reference, short).statistic) - target

    amplitude = sign * float(optimize.brentq(excess, 0.0, 64.0, xtol=1e-3))
    return lambda x: offset + gain * (long(x) + amplitude * waves(x))
