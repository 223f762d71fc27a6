"""Branin, Hartmann and Ackley, with the noise and the short horizon of the weight surfaces.

Formulas and constants after Surjanovic and Bingham, https://www.sfu.ca/~ssurjano/optimization.html.
Values are shifted and scaled so that the minimum is 0 and the median over the cube is 1.
"""

from __future__ import annotations

import zlib

import numpy as np

from benchmarks.search.surfaces import (
    SHORT_COSTS,
    Field,
    Surface,
    cube,
    minimum_over_cube,
    scaled,
    short_horizon,
    student,
)

HARTMANN_ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
HARTMANN3_A = np.array([[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]])
HARTMANN3_P = np.array(
    [[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]]
)
HARTMANN6_A = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
HARTMANN6_P = np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)
ACKLEY_REACH = 5.0  # half width of its box; the usual 32 leaves a needle in a plain
ACKLEY_SHIFT = np.array([0.7, 0.4, 0.25, 0.55])  # where its minimum lies: the center is a gift


def branin(x: np.ndarray) -> np.ndarray:
    """On the unit square [n, 2] -> [n]; minimum 0.397887."""
    u, v = 15.0 * x[:, 0] - 5.0, 15.0 * x[:, 1]
    bowl = (v - 5.1 / (4 * np.pi**2) * u**2 + 5.0 / np.pi * u - 6.0) ** 2
    return bowl + 10.0 * (1.0 - 1.0 / (8 * np.pi)) * np.cos(u) + 10.0


def hartmann3(x: np.ndarray) -> np.ndarray:
    """[n, 3] -> [n]; minimum -3.86278."""
    return _hartmann(x, HARTMANN3_A, HARTMANN3_P)


def hartmann6(x: np.ndarray) -> np.ndarray:
    """[n, 6] -> [n]; minimum -3.32237."""
    return _hartmann(x, HARTMANN6_A, HARTMANN6_P)


def _hartmann(x: np.ndarray, a: np.ndarray, p: np.ndarray) -> np.ndarray:
    inner = (a * (x[:, None, :] - 1e-4 * p) ** 2).sum(-1)  # [n, 4]
    return -np.exp(-inner) @ HARTMANN_ALPHA


def ackley(x: np.ndarray) -> np.ndarray:
    """[n, d] -> [n]; minimum 0 at ``ACKLEY_SHIFT``, its usual ripples one unit apart."""
    u = 2 * ACKLEY_REACH * (x - ACKLEY_SHIFT[: x.shape[1]])
    radius = np.sqrt((u**2).mean(1))
    ripples = np.exp(np.cos(2 * np.pi * u).mean(1))
    return -20.0 * np.exp(-0.2 * radius) - ripples + 20.0 + np.e


FUNCTIONS: dict[str, tuple[Field, int]] = {
    "branin": (branin, 2),
    "hartmann3": (hartmann3, 3),
    "hartmann6": (hartmann6, 6),
    "ackley2": (ackley, 2),
    "ackley4": (ackley, 4),
}


def reporting_surface(name: str) -> Surface:
    """The surface ``reporting-<function>``."""
    function, dimension = FUNCTIONS[name.removeprefix("reporting-")]
    generator = np.random.default_rng([21, zlib.crc32(name.encode())])
    return standard_surface(name, function, dimension, generator)


def standard_surface(
    name: str, function: Field, dimension: int, generator: np.random.Generator
) -> Surface:
    """A function of the unit cube as a surface; ``generator`` draws noise and short horizon."""
    lowest = minimum_over_cube(function, dimension)
    unit = float(np.median(function(cube(dimension)))) - lowest

    def long(x: np.ndarray) -> np.ndarray:
        return (function(x) - lowest) / unit

    sigma = float(np.exp(generator.uniform(np.log(0.03), np.log(0.12))))

    def noise(x: np.ndarray) -> np.ndarray:
        return sigma * (1.0 + 0.5 * np.clip(long(x), 0.0, 2.0))

    return Surface(
        name=name,
        dimension=dimension,
        short_cost=float(generator.choice(SHORT_COSTS)),
        long=long,
        short=short_horizon(long, dimension, generator),
        divergence=lambda x: np.zeros(len(x)),
        noise=noise,
        short_noise=scaled(noise, generator.uniform(1.0, 1.8)),
        shock=student(generator.choice([3, 4, 5])),
        ceiling=float(long(cube(dimension)).max()),
        minimum=0.0,
        median=1.0,
    )
