"""How much a better surrogate, or runs without noise, could still gain, on tuning surfaces only.

    OMP_NUM_THREADS=1 python -m benchmarks.search.limits [--seeds 720-731] [--repetitions 3]

The engine searches as it is; with the hyperparameters that explain noiseless runs at 260 random
points of the surface, and the true noise; without noise; and with both. The first bounds what any
other way to find hyperparameters could gain, the last what is left to gain by modelling. Printed
are medians and means of the regret, and mean differences of log(regret + 0.003) to the engine as
it is, with standard errors: negative is better.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from benchmarks.search.ablation import BUDGETS, changed
from benchmarks.search.noiseless import Noiseless
from benchmarks.search.ours import Ours
from benchmarks.search.paired import COLUMNS, cells
from benchmarks.search.simulate import simulate
from benchmarks.search.surfaces import DIMENSIONS, Surface, tuning_weights, with_noise
from benchmarks.search.surfaces import surface as surface_of
from prior_search.search import surrogate
from prior_search.search.evidence import Rows
from prior_search.search.layout import Layout, layouts

SILENT = 1e-3  # factor of the noise where there is to be none


@contextmanager
def told_hyperparameters(known: Surface) -> Iterator[None]:
    """The engine with the scales of the noiseless surface, and its hyperparameters.

    Those of the model around a bowl are fitted as ever: its center would be the answer.
    """
    noiseless = Noiseless.of(known)
    theta = noiseless.fit(layouts(known.dimension, 2)[0])
    usual = surrogate._hyperparameters

    def told(
        rows: Rows, layout: Layout, earlier: np.ndarray | None, *, is_fitted: bool
    ) -> np.ndarray:
        return usual(rows, layout, earlier, is_fitted=is_fitted) if layout.has_bowl else theta

    with changed(
        {
            "surrogate.target_scales": lambda s, y: noiseless.scales,
            "surrogate._hyperparameters": told,
        }
    ):
        yield


def regret(known: Surface, budget: float, seed: int) -> float:
    """Of one search."""
    return simulate(known, Ours(known, budget, seed), budget=budget, seed=seed).regret


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--seeds", default="720-731", help="of the surfaces, first-last")
    given = parser.parse_args()
    names = tuning_weights(given.seeds)
    found: dict[str, list[float]] = {}
    dimensions = []
    for name in names:
        for silent in (False, True):
            known = with_noise(surface_of(name), SILENT if silent else 1.0)
            for repetition in range(given.repetitions):
                budget = BUDGETS[repetition % len(BUDGETS)]
                words = "no noise" if silent else "the engine"
                found.setdefault(words, []).append(regret(known, budget, repetition))
                with told_hyperparameters(known):
                    words = "both" if silent else "hyperparameters told"
                    found.setdefault(words, []).append(regret(known, budget, repetition))
        dimensions += given.repetitions * [surface_of(name).dimension]
    print(f"{'search':22s} {'d':>3s} {COLUMNS}")
    base = np.asarray(found["the engine"])
    for words, regrets in found.items():
        for d in (None, *DIMENSIONS):
            chosen = np.asarray([d is None or d == other for other in dimensions])
            values = np.asarray(regrets)[chosen]
            print(f"{words:22s} {d or 'all':>3} {cells(values, base[chosen])}")


if __name__ == "__main__":
    main()
