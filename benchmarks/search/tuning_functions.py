"""Standard functions to tune on, so that constants do not fit the weight surfaces alone.

None of them is among those that are reported. A seed flips and swaps coordinates and draws the
noise and the short horizon, as for the other surfaces: ``tuning-levy3-2`` is Levy's function in
d = 3, seed 2. Formulas after Surjanovic and Bingham, https://www.sfu.ca/~ssurjano/optimization.html;
Rosenbrock's and Goldstein and Price's are taken by their logarithm.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.search.standard_functions import standard_surface
from benchmarks.search.surfaces import Field, Surface

NUM_SEEDS = 4  # of each function


def rosenbrock(x: np.ndarray) -> np.ndarray:
    """[n, d] -> [n]."""
    u = 4.0 * x - 2.0
    value = (100.0 * (u[:, 1:] - u[:, :-1] ** 2) ** 2 + (1.0 - u[:, :-1]) ** 2).sum(1)
    return np.log1p(value)


def camel(x: np.ndarray) -> np.ndarray:
    """Six-hump camel, [n, 2] -> [n]."""
    a, b = 4.0 * x[:, 0] - 2.0, 2.0 * x[:, 1] - 1.0
    return (4.0 - 2.1 * a**2 + a**4 / 3.0) * a**2 + a * b + (4.0 * b**2 - 4.0) * b**2


def levy(x: np.ndarray) -> np.ndarray:
    """[n, d] -> [n]."""
    w = 1.0 + (10.0 * x - 6.0) / 4.0
    first = np.sin(np.pi * w[:, 0]) ** 2
    middle = (w[:, :-1] - 1.0) ** 2 * (1.0 + 10.0 * np.sin(np.pi * w[:, :-1] + 1.0) ** 2)
    last = (w[:, -1] - 1.0) ** 2 * (1.0 + np.sin(2.0 * np.pi * w[:, -1]) ** 2)
    return first + middle.sum(1) + last


def styblinski(x: np.ndarray) -> np.ndarray:
    """[n, d] -> [n]."""
    u = 10.0 * x - 5.0
    return 0.5 * (u**4 - 16.0 * u**2 + 5.0 * u).sum(1)


def goldstein(x: np.ndarray) -> np.ndarray:
    """[n, 2] -> [n]."""
    a, b = 4.0 * x[:, 0] - 2.0, 4.0 * x[:, 1] - 2.0
    first = 19 - 14 * a + 3 * a**2 - 14 * b + 6 * a * b + 3 * b**2
    second = 18 - 32 * a + 12 * a**2 + 48 * b - 36 * a * b + 27 * b**2
    return np.log((1 + (a + b + 1) ** 2 * first) * (30 + (2 * a - 3 * b) ** 2 * second))


def basins(seed: int, dimension: int) -> Field:
    """Five Gaussian basins."""
    generator = np.random.default_rng([77, seed, dimension])
    center = generator.uniform(0.1, 0.9, (5, dimension))
    width = generator.uniform(0.15, 0.5, (5, dimension))
    depth = generator.uniform(0.3, 1.0, 5)

    def value(x: np.ndarray) -> np.ndarray:
        distance = (((x[:, None, :] - center) / width) ** 2).sum(-1)
        return -(depth * np.exp(-0.5 * distance)).sum(1)

    return value


def cone(seed: int, dimension: int) -> Field:
    """A rotated elliptic cone with a rounded tip."""
    generator = np.random.default_rng([78, seed, dimension])
    axes, _ = np.linalg.qr(generator.normal(size=(dimension, dimension)))
    stretch = 10.0 ** generator.uniform(-1.0, 0.0, dimension)
    tip = generator.uniform(0.2, 0.8, dimension)
    return lambda x: np.sqrt(0.02 + (((x - tip) @ axes) ** 2 * stretch).sum(1))


def always(function: Field) -> Callable[[int, int], Field]:
    """The same function for every seed."""
    return lambda seed, dimension: function


# name: of a seed and d, and d; places in here are part of the seeds
FUNCTIONS: dict[str, tuple[Callable[[int, int], Field], int]] = {
    "rosenbrock2": (always(rosenbrock), 2),
    "camel2": (always(camel), 2),
    "levy3": (always(levy), 3),
    "styblinski3": (always(styblinski), 3),
    "goldstein2": (always(goldstein), 2),
    "rosenbrock4": (always(rosenbrock), 4),
    "levy4": (always(levy), 4),
    "styblinski4": (always(styblinski), 4),
    "basins3": (basins, 3),
    "basins4": (basins, 4),
    "cone4": (cone, 4),
    "cone3": (cone, 3),
}


def tuning_names() -> list[str]:
    """All of them, seeds outermost."""
    return [f"tuning-{name}-{seed}" for seed in range(NUM_SEEDS) for name in FUNCTIONS]


def tuning_surface(name: str) -> Surface:
    """The surface ``tuning-<function>-<seed>``.

    Raises:
        KeyError: no such function.
    """
    kind, seed_text = name.removeprefix("tuning-").rsplit("-", 1)
    make, dimension = FUNCTIONS[kind]
    seed = int(seed_text)
    generator = np.random.default_rng([79, list(FUNCTIONS).index(kind), seed])
    function = make(seed, dimension)
    flip = generator.random(dimension) < 0.5
    order = generator.permutation(dimension)

    def moved(x: np.ndarray) -> np.ndarray:
        return function(np.where(flip, 1.0 - x, x)[:, order])

    return standard_surface(name, moved, dimension, generator)
