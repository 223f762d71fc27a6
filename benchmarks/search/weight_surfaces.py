"""Surfaces shaped like a validation loss over the logarithms of regularizer weights.

Along each weight the loss is a skewed valley: it levels off where the weight is too small to act
and grows steeply where it is too large. Valleys are sheared and bent, so that weights interact,
and most have a second, shallower basin. A surface's seed modulo 4 says what is added:

    0  nothing
    1  a plateau: beyond a boundary the tokens collapse and the loss is that of chance
    2  a cliff: beyond a boundary, near the optimum, runs diverge
    3  both
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from benchmarks.search.surfaces import (
    SHORT_COSTS,
    Field,
    Surface,
    cube,
    expected,
    minimum_over_cube,
    scaled,
    short_horizon,
    student,
)

FLOOR = 3.5  # nats: the loss at the bottom, and of chance, as NT-Xent has them at the tiny preset
CHANCE = 6.4
SMOOTH = 0.1  # nats over which the loss approaches chance


@dataclass(frozen=True, slots=True)
class Valley:
    """Skewed, sheared and bent, with a second basin; 0 at the optimum but for that basin."""

    optimum: np.ndarray  # [d]
    importance: np.ndarray  # [d]
    flat_width: np.ndarray  # [d], of the side that levels off
    steep_width: np.ndarray  # [d]
    direction: np.ndarray  # [d], +1 if larger is steep, else -1
    shear: np.ndarray  # [d - 1], of each coordinate by the next
    bend: float
    basin: np.ndarray  # [d]
    basin_depth: float

    @classmethod
    def draw(cls, dimension: int, generator: np.random.Generator) -> Valley:
        """A random one; the optimum of one in four lies close to a bound."""
        optimum = generator.uniform(0.15, 0.85, size=dimension)
        if generator.random() < 0.25:
            edge = generator.uniform(0.02, 0.1)
            optimum[generator.integers(dimension)] = edge if generator.random() < 0.5 else 1 - edge
        return cls(
            optimum=optimum,
            importance=0.15 / dimension + 0.85 * generator.dirichlet(np.full(dimension, 1.5)),
            flat_width=generator.uniform(0.2, 0.5, size=dimension),
            steep_width=generator.uniform(0.12, 0.3, size=dimension),
            direction=np.where(generator.random(dimension) < 0.7, 1.0, -1.0),
            shear=generator.uniform(-0.6, 0.6, size=dimension - 1),
            bend=float(generator.uniform(-1.0, 1.0)),
            basin=generator.uniform(0.1, 0.9, size=dimension),
            basin_depth=float(generator.uniform(0.1, 0.4) if generator.random() < 0.7 else 0.0),
        )

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """[n, d] -> [n]."""
        u = x - self.optimum
        u[:, :-1] += self.shear * (x - self.optimum)[:, 1:]
        u[:, 0] += self.bend * (x - self.optimum)[:, -1] ** 2
        u = u * self.direction
        flat, steep = (u / self.flat_width) ** 2, u / self.steep_width
        height = np.where(u < 0, flat / (1.0 + flat), steep**2 / (1.0 + 0.3 * np.abs(steep)))
        distance = ((x - self.basin) ** 2).sum(1)
        return height @ self.importance - self.basin_depth * np.exp(-distance / (2 * 0.12**2))


def boundary(
    optimum: np.ndarray, margin: float, width: float, generator: np.random.Generator
) -> Field:
    """A soft half-space [n, d] -> [n] from 0 to 1 over 10-35 % of the cube.

    It keeps ``margin`` away from the optimum, and faces the farther side of the cube.
    """
    normal = generator.normal(size=len(optimum))
    normal /= np.linalg.norm(normal)
    if normal @ (optimum - 0.5) > 0:
        normal = -normal
    share = generator.uniform(0.1, 0.35)
    start = max(
        float(np.quantile(cube(len(optimum)) @ normal, 1.0 - share)), normal @ optimum + margin
    )
    return lambda x: expit((x @ normal - start) / width)


def weight_surface(name: str, dimension: int, seed: int) -> Surface:
    """The surface of a seed; splits differ by their seeds alone."""
    generator = np.random.default_rng([20, dimension, seed])
    valley = Valley.draw(dimension, generator)
    depth = generator.uniform(0.8, 1.6)
    collapse = boundary(valley.optimum, 0.2, 0.03, generator)
    cliff = boundary(valley.optimum, 0.1, 0.02, generator)
    has_plateau, has_cliff = seed % 4 in (1, 3), seed % 4 in (2, 3)

    def collapsed(x: np.ndarray) -> np.ndarray:
        return collapse(x) if has_plateau else np.zeros(len(x))

    def divergence(x: np.ndarray) -> np.ndarray:
        return cliff(x) if has_cliff else np.zeros(len(x))

    def long(x: np.ndarray) -> np.ndarray:
        loss = FLOOR + depth * valley(x)
        loss = loss + collapsed(x) * (CHANCE - loss)
        return CHANCE - SMOOTH * np.logaddexp(0.0, (CHANCE - loss) / SMOOTH)

    points = cube(dimension)
    truth = expected(long, divergence, CHANCE, points)
    minimum = minimum_over_cube(lambda x: expected(long, divergence, CHANCE, x), dimension)
    median = float(np.median(truth))
    sigma = (median - minimum) * np.exp(generator.uniform(np.log(0.03), np.log(0.12)))

    def noise(x: np.ndarray) -> np.ndarray:
        edge = 4.0 * collapsed(x) * (1.0 - collapsed(x))  # some seeds collapse, some do not
        height = np.clip((long(x) - minimum) / (median - minimum), 0.0, 2.0)
        return sigma * (1.0 + 0.5 * height + 3.0 * edge)

    return Surface(
        name=name, dimension=dimension, short_cost=float(generator.choice(SHORT_COSTS)),
        long=long, short=short_horizon(long, dimension, generator), divergence=divergence,
        noise=noise, short_noise=scaled(noise, generator.uniform(1.0, 1.8)),
        shock=student(generator.choice([3, 4, 5])), ceiling=CHANCE, minimum=minimum, median=median,
    )  # fmt: skip
