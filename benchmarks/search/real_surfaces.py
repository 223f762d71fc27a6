"""Surfaces replayed from recorded trainings: ``real-gaussian-prior`` and the like.

``real_trials.csv``, written by record_table.py, holds trainings of the tiny preset at Sobol points
of the shipped search spaces, at both horizons with several seeds. Between the points a surface is
a spline through the means over seeds, so that methods with a Gaussian process are not handed
their own prior: a thin plate, smoothed as leave-one-out error has it best, and for a single weight
a monotone one. The noise of a run is resampled: a residual of the whole search, in units of the
scale at the three nearest points. The truth is the spline of the long horizon; its minimum, like
that of any fit, is uncertain by about the standard error of a point (docs/search_benchmark.md).
"""

from __future__ import annotations

import csv
from collections import defaultdict
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.interpolate import PchipInterpolator, RBFInterpolator
from scipy.spatial import KDTree

from benchmarks.search.surfaces import (
    Field,
    Shock,
    Surface,
    cube,
    expected,
    minimum_over_cube,
)

TABLE = Path(__file__).parent / "real_trials.csv"
SMOOTHING = (0.0, *np.logspace(-4, 1, 11))
MIN_POINTS = 8  # of a search with all runs, to make a surface
NEIGHBORS = 3

Runs = dict[tuple[float, ...], dict[str, list[float]]]  # point -> horizon -> objectives


def read_table(path: Path = TABLE) -> tuple[dict[str, Runs], dict[str, float]]:
    """Completed runs of every search, and the cost of its short runs.

    Raises:
        ValueError: a run diverged; a surface of those is not implemented, as none has.
    """
    runs: dict[str, Runs] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    steps: dict[str, dict[str, int]] = defaultdict(dict)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["status"] != "completed":
                raise ValueError(f"{path}: {row['search']} point {row['point']} {row['status']}")
            point = tuple(map(float, row["x"].split()))
            runs[row["search"]][point][row["horizon"]].append(float(row["objective"]))
            steps[row["search"]][row["horizon"]] = int(row["steps"])
    costs = {s: n["short"] / n["long"] for s, n in steps.items() if {"short", "long"} <= set(n)}
    return dict(runs), costs


def table_names() -> tuple[str, ...]:
    """The searches that the table holds enough of."""
    runs, costs = read_table()
    return tuple(f"real-{s}" for s in runs if s in costs and len(complete(runs[s])) >= MIN_POINTS)


def complete(runs: Runs) -> Runs:
    """Points with as many runs at both horizons as the best recorded one."""
    most = max(len(of["long"]) for of in runs.values())
    return {x: of for x, of in runs.items() if len(of["long"]) == len(of["short"]) == most}


def leave_one_out(points: np.ndarray, values: np.ndarray, smoothing: float) -> float:
    """Mean squared error of each value predicted from the others."""
    errors = []
    for k in range(len(points)):
        rest = np.arange(len(points)) != k
        spline = RBFInterpolator(points[rest], values[rest], smoothing=smoothing)
        errors.append(float(spline(points[k : k + 1])[0]) - values[k])
    return float(np.mean(np.square(errors)))


def smoothed(points: np.ndarray, values: np.ndarray) -> Field:
    """The spline, held constant outside the box of the recorded points.

    In one dimension it is a monotone one: beside a cliff a thin plate swings below all that was
    measured, and the lowest point of MBOP's surfaces would be one that nobody has seen.
    """
    if points.shape[1] == 1:
        order = np.argsort(points[:, 0])
        knots = points[order, 0]
        monotone = PchipInterpolator(knots, values[order])
        return lambda x: monotone(np.clip(x[:, 0], knots[0], knots[-1]))
    best = min(SMOOTHING, key=lambda s: leave_one_out(points, values, s))
    spline = RBFInterpolator(points, values, smoothing=best)
    low, high = points.min(0), points.max(0)
    return lambda x: spline(np.clip(x, low, high))


def local_scale(points: np.ndarray, deviations: np.ndarray) -> Field:
    """Root mean square of the deviations [n, seeds] at the nearest points."""
    tree = KDTree(points)
    squares = (deviations**2).mean(1)

    def scale(x: np.ndarray) -> np.ndarray:
        _, nearest = tree.query(x, k=NEIGHBORS)
        return np.sqrt(squares[nearest].mean(1))

    return scale


def resampled(residuals: np.ndarray) -> Shock:
    """One of the residuals."""
    return lambda generator: float(generator.choice(residuals))


@lru_cache(maxsize=16)
def real_surface(name: str) -> Surface:
    """The surface of a recorded search.

    Raises:
        ValueError: the table holds too little of it.
    """
    if name not in table_names():
        raise ValueError(f"no recorded search {name!r}; the table has {', '.join(table_names())}")
    search = name.removeprefix("real-")
    runs, costs = read_table()
    return surface_of(name, complete(runs[search]), costs[search])


def surface_of(name: str, runs: Runs, short_cost: float) -> Surface:
    """The surface of runs with equally many seeds at every point and horizon, two at least."""
    points = np.array(list(runs))  # [n, d]
    fields, scales, shocks = {}, {}, []
    for horizon in ("long", "short"):
        values = np.array([of[horizon] for of in runs.values()])  # [n, seeds]
        seeds = values.shape[1]
        deviations = (values - values.mean(1, keepdims=True)) * np.sqrt(seeds / (seeds - 1))
        fields[horizon] = smoothed(points, values.mean(1))
        scales[horizon] = local_scale(points, deviations)
        shocks.append((deviations / scales[horizon](points)[:, None]).ravel())
    dimension = points.shape[1]

    def never(x: np.ndarray) -> np.ndarray:
        return np.zeros(len(x))

    ceiling = float(fields["long"](cube(dimension)).max())
    truth = expected(fields["long"], never, ceiling, cube(dimension))
    return Surface(
        name=name, dimension=dimension, short_cost=short_cost,
        long=fields["long"], short=fields["short"], divergence=never,
        noise=scales["long"], short_noise=scales["short"], shock=resampled(np.concatenate(shocks)),
        ceiling=ceiling, minimum=minimum_over_cube(fields["long"], dimension),
        median=float(np.median(truth)),
    )  # fmt: skip
