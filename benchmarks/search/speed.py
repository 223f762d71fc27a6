"""Seconds of one core per suggestion, ours next to Optuna's GPSampler at the same observations.

    OMP_NUM_THREADS=1 python -m benchmarks.search.speed        # needs the extra bench-optuna

d = 4, four runs pending, half of the observations of ours at the short horizon. Both are asked
three times in turn in one process; printed are medians of process time, so that other programs
on the machine do not matter, and their ratio.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
import optuna

from prior_search.search import (
    Observation,
    Parameter,
    SearchPlan,
    SearchSpace,
    TwoStageOptimizer,
)

DIMENSION = 4
PENDING = 4
REPEATS = 3
COUNTS = (16, 32, 60, 64, 128, 256, 512, 1000)
NAMES = [f"x{k}" for k in range(DIMENSION)]


def value_at(point: np.ndarray, generator: np.random.Generator) -> float:
    """A noisy bowl."""
    return float(3.0 + ((point - 0.4) ** 2).sum() + 0.05 * generator.normal())


def our_ask(count: int) -> Callable[[], float]:
    """A function that asks once, tells the outcome, and returns the seconds of the asking."""
    space = SearchSpace(
        parameters=tuple(Parameter(name=n, low=0.0, high=1.0, scale="linear") for n in NAMES)
    )
    plan = SearchPlan(
        stage1_trials=count // 2, stage2_trials=2 * count, confirm_trials=0, num_anchors=0
    )
    optimizer = TwoStageOptimizer(space, plan, seed=0)
    generator = np.random.default_rng(0)

    def finish_one(*, is_told: bool = True) -> float:
        start = time.process_time()
        suggestion = optimizer.ask()
        seconds = time.process_time() - start
        assert suggestion is not None
        if is_told:
            value = value_at(np.asarray(suggestion.point), generator)
            observation = Observation(index=suggestion.index, value=value, status="completed")
            optimizer.tell(observation)
        return seconds

    for _ in range(count // 2):
        finish_one()
    for number in range(count - count // 2 + PENDING):
        optimizer.enqueue(space.decode(generator.random(DIMENSION).tolist()))
        finish_one(is_told=number < count - count // 2)
    return finish_one


def optuna_ask(count: int) -> Callable[[], float]:
    """The same with GPSampler."""
    study = optuna.create_study(sampler=optuna.samplers.GPSampler(seed=0))
    distribution = optuna.distributions.FloatDistribution(0.0, 1.0)
    generator = np.random.default_rng(0)
    for _ in range(count):
        point = generator.random(DIMENSION)
        study.add_trial(
            optuna.trial.create_trial(
                params=dict(zip(NAMES, point.tolist(), strict=True)),
                distributions=dict.fromkeys(NAMES, distribution),
                value=value_at(point, generator),
            )
        )

    def ask() -> tuple[optuna.Trial, float]:
        start = time.process_time()
        trial = study.ask(dict.fromkeys(NAMES, distribution))
        return trial, time.process_time() - start

    for _ in range(PENDING):
        ask()

    def finish_one() -> float:
        trial, seconds = ask()
        point = np.array([trial.params[name] for name in NAMES])
        study.tell(trial, value_at(point, generator))
        return seconds

    return finish_one


def main() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    print(f"{'n':>5} {'ours, s':>9} {'GPSampler, s':>13} {'ratio':>7}")
    for count in COUNTS:
        asks = our_ask(count), optuna_ask(count)
        seconds = [[ask() for ask in asks] for _ in range(REPEATS)]
        ours, theirs = (statistics.median(column) for column in zip(*seconds, strict=True))
        print(f"{count:>5} {ours:>9.3f} {theirs:>13.3f} {ours / theirs:>7.2f}", flush=True)


if __name__ == "__main__":
    main()
