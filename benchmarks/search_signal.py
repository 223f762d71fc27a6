"""Does a study's objective carry a signal, and do its recommendations hold? From new trainings.

    python benchmarks/search_signal.py STUDY_FOLDER DATA.arrow [--points 12] [--seeds 3]

For each bottleneck of a finished study: ``points`` Sobol configurations at both horizons, and the
recommended weights and all weights at zero with ``seeds`` new seeds each. Prints

- the standard deviation of the full-horizon objective over weights, over seeds, and their ratio;
- Spearman's rank correlation of the two horizons with a 95 % bootstrap interval;
- mean and 95 % interval of the recommended weights, of zero weights, and the median over points.
"""

from __future__ import annotations

import argparse
import json
from collections import deque
from pathlib import Path

import numpy as np
from scipy import stats

from prior_search.report import read_export
from prior_search.report.statistics import mean_and_interval
from prior_search.request import StudyRequest
from prior_search.runner import LocalExecutor, WorkerSettings
from prior_search.study_search import derive_seed
from prior_search.trial import Bottleneck, MetricPoint, TrialResult, TrialSpec
from prior_search.weights import RegularizerWeights


class Batch:
    """A list of trainings as a trial source; their objectives by (kind, number)."""

    def __init__(self, specs: list[TrialSpec]) -> None:
        self._specs = {spec.trial: spec for spec in specs}
        self._waiting = deque(specs)
        self.objectives: dict[int, float] = {}
        self._ended = 0

    def next_trial(self) -> TrialSpec | None:
        """The next training."""
        return self._waiting.popleft() if self._waiting else None

    def record_start(self, spec: TrialSpec, worker: str) -> None:
        """Nothing to do."""

    def record_point(self, spec: TrialSpec, point: MetricPoint) -> None:
        """Nothing to do."""

    def record(self, result: TrialResult) -> None:
        """Keep the objective; a run that did not complete counts as missing and is printed."""
        self._ended += 1
        if result.objective is None:
            print(f"{self._specs[result.trial]}: {result.status} {result.error}")
        else:
            self.objectives[result.trial] = result.objective

    @property
    def is_finished(self) -> bool:
        """Whether all have ended."""
        return self._ended == len(self._specs)


def specs_of(
    request: StudyRequest,
    bottleneck: Bottleneck,
    best: dict[str, float],
    options: argparse.Namespace,
) -> dict[str, list[TrialSpec]]:
    space = request.space(bottleneck)
    sobol = stats.qmc.Sobol(space.dimension, rng=np.random.default_rng(options.seed))
    points = sobol.random_base2(int(np.ceil(np.log2(options.points))))[: options.points]

    def spec(weights: dict[str, float], horizon: int, name: str, number: int) -> TrialSpec:
        return TrialSpec(
            study=request.name, search=bottleneck, trial=0, stage="stage2", role="manual",
            bottleneck=bottleneck, family=request.family, preset=request.preset,
            weights=RegularizerWeights.from_mapping(weights), settings=request.settings,
            horizon=horizon, seed=derive_seed(options.seed, "signal", bottleneck, name, number),
        )  # fmt: skip

    short, full = request.horizon("short"), request.horizon("long")
    configurations = [space.decode(tuple(p)) for p in points]
    return {
        "short": [spec(w, short, "short", k) for k, w in enumerate(configurations)],
        "long": [spec(w, full, "long", k) for k, w in enumerate(configurations)],
        "best": [spec(best, full, "seeds", k) for k in range(options.seeds)],
        "zero": [spec({}, full, "seeds", k) for k in range(options.seeds)],
    }


def rank_correlation(short: np.ndarray, full: np.ndarray) -> tuple[float, float, float]:
    """Spearman's rho with a 95 % percentile bootstrap interval."""
    generator = np.random.default_rng(0)
    draws = generator.integers(len(short), size=(2000, len(short)))
    drawn = [stats.spearmanr(short[d], full[d]).statistic for d in draws if len(set(d)) > 2]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return float(stats.spearmanr(short, full).statistic), float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--points", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    request = StudyRequest.read(options.study / "study.toml")
    groups: dict[tuple[str, str], list[int]] = {}
    every: list[TrialSpec] = []
    for bottleneck in request.bottlenecks:
        weights = read_export(options.study / "best" / f"{bottleneck}.toml").weights.as_dict()
        for name, specs in specs_of(request, bottleneck, weights, options).items():
            numbered = [
                TrialSpec.from_dict(s.as_dict() | {"trial": len(every) + k})
                for k, s in enumerate(specs)
            ]
            groups[bottleneck, name] = [s.trial for s in numbered]
            every += numbered
    batch = Batch(every)
    settings = WorkerSettings(data=str(options.data), trials_folder=str(options.study / "signal"))
    LocalExecutor(settings, num_workers=options.workers).run(batch)
    found = {}
    for bottleneck in request.bottlenecks:
        values = {
            n: np.array([batch.objectives[k] for k in groups[bottleneck, n]])
            for n in ("short", "long", "best", "zero")
        }
        over_weights, over_seeds = values["long"].std(ddof=1), values["best"].std(ddof=1)
        found[bottleneck] = {
            "sd over weights": over_weights,
            "sd over seeds": over_seeds,
            "ratio": over_weights / over_seeds,
            "rank correlation, low, high": rank_correlation(values["short"], values["long"]),
            "recommended": mean_and_interval(values["best"].tolist()),
            "zero weights": mean_and_interval(values["zero"].tolist()),
            "median over points": float(np.median(values["long"])),
            "objectives": {name: v.round(4).tolist() for name, v in values.items()},
        }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
