"""A search by asynchronous workers on a surface, with a clock that jumps from end to end.

    run = simulate(surface("tuning-weights2-0"), Ours(...), budget=24.0, seed=0)
    run.regret

A method is anything with ``ask``, ``tell`` and ``recommend``. Cost is counted in long runs: a
long run costs 1, a short one the surface's ``short_cost``, and a long run that goes on from a
finished short run of the same point costs the difference. Diverged runs cost as much as others.
Durations are costs times a random factor, so that workers do not march in step. Run number k of
repetition r has noise of its own, the same for every method, whatever the order of the ends.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from benchmarks.search.surfaces import Horizon, Surface

NUM_WORKERS = 4
DURATION_SPREAD = 0.15  # standard deviation of the logarithm of a run's duration
SLACK = 1e-9  # of sums of costs that are no binary fractions


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One run that a method wants.

    Attributes:
        token: the method's own handle.
        continues: it is a long run that goes on from a finished short run of this point.
    """

    point: tuple[float, ...]
    horizon: Horizon
    token: object = None
    continues: bool = False

    def cost(self, surface: Surface) -> float:
        """In long runs."""
        if self.horizon == "short":
            return surface.short_cost
        return 1.0 - surface.short_cost if self.continues else 1.0


class Method(Protocol):
    """A search method on one surface."""

    def ask(self, remaining: float) -> Request | None:
        """The next run, costing at most ``remaining``; None: wait for a result, or no more."""

    def tell(self, request: Request, value: float | None) -> None:
        """Its objective, or None if it diverged."""

    def recommend(self) -> tuple[float, ...]:
        """The point to use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRun:
    """What came of a search.

    Attributes:
        spent: cost of all runs.
        wall: when the last run ended, if a long run takes 1.
        num_short: short runs.
        num_long: long runs.
        num_diverged: runs that diverged.
    """

    recommended: tuple[float, ...]
    regret: float
    spent: float
    wall: float
    num_short: int
    num_long: int
    num_diverged: int


def simulate(surface: Surface, method: Method, *, budget: float, seed: int) -> SearchRun:
    """Spend the budget and ask for a recommendation.

    Raises:
        ValueError: the method asked for a run that costs more than what remains.
    """
    running: list[tuple[float, int, Request, float | None]] = []
    now = spent = 0.0
    counts = {"short": 0, "long": 0, "diverged": 0}
    number = 0
    while True:
        while len(running) < NUM_WORKERS:
            remaining = budget - spent + SLACK
            request = method.ask(remaining)
            if request is None:
                break
            cost = request.cost(surface)
            if cost > remaining:
                raise ValueError(f"a run of cost {cost} was asked for with {remaining} left")
            generator = np.random.default_rng([22, seed, number])
            duration = cost * float(np.exp(DURATION_SPREAD * generator.normal()))
            value = surface.sample(request.point, request.horizon, generator)
            heapq.heappush(running, (now + duration, number, request, value))
            spent += cost
            number += 1
            counts[request.horizon] += 1
            counts["diverged"] += value is None
        if not running:
            break
        now, _, request, value = heapq.heappop(running)
        method.tell(request, value)
    point = tuple(float(x) for x in method.recommend())
    return SearchRun(
        recommended=point,
        regret=surface.regret(point),
        spent=spent,
        wall=now,
        num_short=counts["short"],
        num_long=counts["long"],
        num_diverged=counts["diverged"],
    )
