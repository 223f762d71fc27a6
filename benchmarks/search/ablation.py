"""What each design choice of the engine is worth, on tuning surfaces only.

    OMP_NUM_THREADS=1 python -m benchmarks.search.ablation [--repetitions 6] [--only NAME ...]
        [--functions] [--noise 0.3] [--at-bound]

Surfaces are those of weights, and with ``--functions`` those of ``tuning_functions`` too. Every
variant changes one part of the engine or one entry of the plan and repeats the same searches with
the same noise. Printed are medians and means of the regret, and the mean difference of log(regret
+ 0.003) to the engine as it is, with its standard error and Wilcoxon's p: positive is worse.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from benchmarks.search import ours
from benchmarks.search.paired import COLUMNS, cells, log_difference, signed_rank_p
from benchmarks.search.simulate import NUM_WORKERS, Request, simulate
from benchmarks.search.surfaces import (
    Surface,
    surface,
    tuning_weights,
    with_noise,
    with_optimum_at_bound,
)
from benchmarks.search.tuning_functions import tuning_names
from prior_search.search import SearchPlan, TwoStageOptimizer
from prior_search.search.feasibility import Feasibility
from prior_search.search.surrogate import LONG, Surrogate

BUDGETS = (16.0, 24.0, 32.0)
ENGINE = "the engine"
SHARES = ("stage1_share", "confirm_share", "num_anchors")
OBSERVED = "recommends the best observed"
AHEAD = "computes each suggestion right after the last one"
NOT_OF_PLAN = (*SHARES, OBSERVED, AHEAD)
MIN_LONG = 4  # runs that are evidence enough without the short ones


class Blind(Feasibility):
    """Takes every run for one that ended well."""

    def __init__(self, points: Sequence[Sequence[float]], diverged: Sequence[bool]) -> None:
        super().__init__(points, [False] * len(diverged))


def of_long_runs(
    points: Sequence[Sequence[float]],
    fidelities: Sequence[int],
    values: Sequence[float],
    **more: Any,
) -> Surrogate:
    """A surrogate that forgets the short runs once there are some long ones."""
    chosen = [k for k, fidelity in enumerate(fidelities) if fidelity == LONG]
    if len(chosen) < MIN_LONG:
        chosen = list(range(len(points)))
    return Surrogate(
        [points[k] for k in chosen],
        [fidelities[k] for k in chosen],
        [values[k] for k in chosen],
        **more,
    )


Change = Mapping[str, Any]  # "module.NAME", entry of the plan, OBSERVED or AHEAD: its value
VARIANTS: dict[str, Change] = {
    ENGINE: {},
    "horizons pooled": {"history.SHORT": LONG},
    "long runs alone": {"history.Surrogate": of_long_runs},
    "divergence ignored": {"history.Feasibility": Blind},
    "best observed recommended": {OBSERVED: True},
    "priors by hand": {  # those before they were fitted
        "layout.LATENT": (-1.2, 0.4),
        "layout.DISCREPANCY": (0.4, 0.5),
        "layout.SCALE": (0.7, 0.7),
        "layout.RHO": (1.0, 0.3),
        "layout.SHARE": (-0.22, 0.7),
        "layout.LONG_NOISE": (-4.5, 1.0),
        "layout.OTHER_NOISE": (-4.5, 1.0),
        "layout.HEIGHT": (-0.5, 1.0),
        "layout.CENTER": (0.5, 0.3),
        "layout.SKEW": (0.0, 0.25),
    },
    "prepared ahead": {AHEAD: True},
    "long length scales": {"layout.LATENT": (0.0, 0.8)},
    "much noise expected": {"layout.LONG_NOISE": (-3.5, 1.5)},
    "no main effects": {"kernel.ADDITIVE": 0.0},
    "mostly main effects": {"kernel.ADDITIVE": 0.8},
    "one fit of each model": {"surrogate.NUM_MEMBERS": 0},
    "no bowl": {"surrogate.MAX_BOWL_ROWS": 0},
    "no bowl, as many fits": {"surrogate.MAX_BOWL_ROWS": 0, "surrogate.NUM_MEMBERS": 5},
    "stage 1: 5 %": {"stage1_share": 0.05},
    "stage 1: 25 %": {"stage1_share": 0.25},
    "stage 1: 35 %": {"stage1_share": 0.35},
    "no anchors": {"num_anchors": 0},
    "three anchors": {"num_anchors": 3},
    "no confirmation": {"confirm_share": 0.0},
    "confirmation: 20 %": {"confirm_share": 0.2},
    "confirmation of leaders only": {"stages.CONFIRM_DISTANCE": 10.0},
    "posterior mean every 2nd": {"posterior_mean_every": 2},
    "posterior mean always": {"posterior_mean_every": 1},
    "never the posterior mean": {"posterior_mean_every": 1000},
}


@contextmanager
def changed(change: Change) -> Iterator[None]:
    """Names in the engine's modules replaced for a while."""
    places = []
    for name, value in change.items():
        if "." in name:
            module_name, constant = name.rsplit(".", 1)
            module = importlib.import_module(f"prior_search.search.{module_name}")
            places.append((module, constant, getattr(module, constant)))
            setattr(module, constant, value)
    try:
        yield
    finally:
        for module, constant, value in places:
            setattr(module, constant, value)


class Variant(ours.Ours):
    """The engine with another plan, or another recommendation."""

    def __init__(self, known: Surface, budget: float, seed: int, change: Change) -> None:
        super().__init__(known, budget, seed)
        plan = SearchPlan.for_budget(
            budget, known.short_cost, NUM_WORKERS, **{k: change[k] for k in SHARES if k in change}
        )
        rest = {k: v for k, v in change.items() if "." not in k and k not in NOT_OF_PLAN}
        plan = dataclasses.replace(plan, **rest)
        self._optimizer = TwoStageOptimizer(self._space, plan, seed)
        self._recommends_observed = change.get(OBSERVED, False)
        self._is_ahead = change.get(AHEAD, False)

    def ask(self, remaining: float) -> Request | None:
        """The next suggestion; if ahead, it was made when the one before it was asked for."""
        request = super().ask(remaining)
        if self._is_ahead and request is not None:
            self._optimizer._prepare(())
        return request

    def recommend(self) -> tuple[float, ...]:
        """The posterior's choice, or the lowest mean of the long runs."""
        if not self._recommends_observed:
            return super().recommend()
        history = self._optimizer.history
        measured = history.measured_long()
        best = min(measured, key=lambda trial: float(np.mean(measured[trial])))
        return history.suggestions[best].point


def regrets(change: Change, surfaces: Sequence[Surface], repetitions: int) -> np.ndarray:
    """Of all searches, [repetitions · surfaces]."""
    found = []
    with changed(change):
        for repetition in range(repetitions):
            budget = BUDGETS[repetition % len(BUDGETS)]
            for known in surfaces:
                method = Variant(known, budget, repetition, change)
                run = simulate(known, method, budget=budget, seed=repetition)
                found.append(run.regret)
    return np.asarray(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=6)
    parser.add_argument("--seeds", default="0-3", help="of the surfaces, first-last")
    parser.add_argument("--only", nargs="*", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--functions", action="store_true", help="standard ones as well")
    parser.add_argument("--noise", type=float, default=1.0, help="factor of the surfaces' own")
    parser.add_argument("--at-bound", action="store_true", help="move the optimum to a bound")
    given = parser.parse_args()
    names = tuning_weights(given.seeds)
    names += tuning_names() if given.functions else []
    surfaces = [with_noise(surface(name), given.noise) for name in names]
    if given.at_bound:
        surfaces = [with_optimum_at_bound(known) for known in surfaces]
    print(f"{'variant':28s} {COLUMNS} {'p':>6s}")
    base = regrets({}, surfaces, given.repetitions)
    print(f"{ENGINE:28s} {np.median(base):7.4f} {base.mean():7.4f}", flush=True)
    for name in given.only:
        if name == ENGINE:
            continue
        other = regrets(VARIANTS[name], surfaces, given.repetitions)
        p = signed_rank_p(log_difference(other, base))
        print(f"{name:28s} {cells(other, base)} {p:6.3f}", flush=True)


if __name__ == "__main__":
    main()
