"""The two-stage optimizer: broad Sobol samples at the short horizon, then a Gaussian process.

``ask`` is a function of the space, the plan, the seed and the history alone: replaying a history
with ``adopt`` and ``tell`` and asking again gives the same suggestion, bit for bit.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from scipy.stats import qmc

from prior_search.search.acquisition import Feasibility, maximize_improvement, minimize_mean
from prior_search.search.gp import Surrogate
from prior_search.search.space import SearchSpace
from prior_search.search.suggestion import (
    Observation,
    Recommendation,
    Role,
    SearchPlan,
    Stage,
    Suggestion,
)

MIN_OBSERVATIONS = 3  # before a surrogate is asked for its opinion
ANCHOR_DISTANCE = 0.1  # between anchors, in the unit cube, per square root of the dimension
SAME_POINT = 1e-3  # closer than this, a posterior-mean candidate adds nothing


@contextlib.contextmanager
def _jitter_is_routine() -> Iterator[None]:
    """Covariances of repeated points are singular; it is mended, with a warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="A not p.d., added jitter")
        yield


class TwoStageOptimizer:
    """Ask for suggestions, tell their outcomes, in any order.

    Args:
        space: what to search.
        plan: how much to spend.
        seed: of everything random.
    """

    def __init__(self, space: SearchSpace, plan: SearchPlan, seed: int) -> None:
        self.space, self.plan, self.seed = space, plan, seed
        self._suggestions: list[Suggestion] = []
        self._observations: dict[int, Observation] = {}
        sobol = qmc.Sobol(space.dimension, scramble=True, rng=np.random.default_rng(seed))
        count = plan.stage1_trials + plan.stage2_trials  # the latter if the surrogate never starts
        self._sobol = sobol.random_base2(math.ceil(math.log2(count)))

    # --- the protocol

    def ask(self) -> Suggestion | None:
        """The next suggestion; None if all are asked, or if this one has to wait for a tell.

        Raises:
            SurrogateFitError: the Gaussian process could not be fitted.
        """
        with _jitter_is_routine():
            suggestion = self._next()
        if suggestion is not None:
            self._suggestions.append(suggestion)
        return suggestion

    def adopt(self, suggestion: Suggestion) -> None:
        """Take the next suggestion from a record instead of computing it.

        Raises:
            ValueError: it is not the next one.
        """
        if suggestion.index != len(self._suggestions):
            raise ValueError(
                f"expected suggestion {len(self._suggestions)}, got {suggestion.index}"
            )
        self._suggestions.append(suggestion)

    def tell(self, observation: Observation) -> None:
        """Take an outcome.

        Raises:
            ValueError: it was never suggested, or told before.
        """
        if not 0 <= observation.index < len(self._suggestions):
            raise ValueError(f"suggestion {observation.index} was never made")
        if observation.index in self._observations:
            raise ValueError(f"suggestion {observation.index} was told before")
        self._observations[observation.index] = observation

    @property
    def is_finished(self) -> bool:
        """Whether all of the plan is asked and told."""
        return len(self._observations) == self.plan.total

    @property
    def has_recommendation(self) -> bool:
        """Whether a run at the long horizon has completed."""
        return bool(self._measured_long())

    def recommend(self) -> Recommendation:
        """The lowest posterior mean among configurations measured at the long horizon.

        Raises:
            ValueError: there is none.
        """
        measured = self._measured_long()
        if not measured:
            raise ValueError("no run at the long horizon has completed")
        with _jitter_is_routine():
            means = self._believed(measured)
        trial = min(measured, key=lambda t: (means[t][0], t))
        mean, sd = means[trial]
        return Recommendation(
            trial=trial,
            values=dict(self._suggestions[trial].values),
            predicted_mean=mean,
            predicted_sd=sd,
            low=mean - 1.96 * sd,
            high=mean + 1.96 * sd,
            num_runs=len(measured[trial]),
        )

    # --- inside

    def _next(self) -> Suggestion | None:
        index, plan = len(self._suggestions), self.plan
        if index < plan.stage1_trials:
            return self._new("stage1", "sobol", self._sobol[index].tolist())
        if index < plan.stage1_trials + plan.stage2_trials:
            return self._ask_stage2(index - plan.stage1_trials)
        if index < plan.total:
            return self._ask_confirm()
        return None

    def _key(self) -> int:
        text = f"{self.seed}/suggestion/{len(self._suggestions)}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1

    def _new(self, stage: Stage, role: Role, point: Sequence[float]) -> Suggestion:
        index = len(self._suggestions)
        return Suggestion(
            index=index,
            trial=index,
            stage=stage,
            role=role,
            horizon="short" if stage == "stage1" else "long",
            point=tuple(point),
            values=self.space.decode(point),
            rng_key=self._key(),
        )

    def _told(self, status: str) -> list[Suggestion]:
        return [
            s
            for s in self._suggestions
            if s.index in self._observations and self._observations[s.index].status == status
        ]

    def _value(self, suggestion: Suggestion) -> float:
        value = self._observations[suggestion.index].value
        assert value is not None  # only asked of completed runs
        return value

    def _measured_long(self) -> dict[int, list[float]]:
        """Objectives of completed long runs by configuration."""
        found: dict[int, list[float]] = {}
        for s in self._told("completed"):
            if s.horizon == "long":
                found.setdefault(s.trial, []).append(self._value(s))
        return found

    def _fit(self) -> tuple[Surrogate, Feasibility]:
        completed, diverged = self._told("completed"), self._told("diverged")
        with torch.random.fork_rng(devices=[]):  # BoTorch restarts a failed fit at random
            torch.manual_seed(self._key())
            surrogate = Surrogate(
                [s.point for s in completed],
                [s.horizon == "short" for s in completed],
                [self._value(s) for s in completed],
            )
        points = [s.point for s in (*completed, *diverged)]
        return surrogate, Feasibility(points, [False] * len(completed) + [True] * len(diverged))

    def _believed(self, measured: dict[int, list[float]]) -> dict[int, tuple[float, float]]:
        """Posterior mean and deviation of configurations; of too few runs, their plain means."""
        if len(self._told("completed")) < MIN_OBSERVATIONS:
            everything = [v for values in measured.values() for v in values]
            sd = float(np.std(everything)) if len(everything) > 1 else math.inf
            return {t: (float(np.mean(v)), sd) for t, v in measured.items()}
        surrogate, _ = self._fit()
        predicted = surrogate.predict([self._suggestions[t].point for t in measured])
        return dict(zip(measured, predicted, strict=True))

    def _ask_stage2(self, number: int) -> Suggestion | None:
        told = sum(
            s.stage == "stage1" and s.index in self._observations for s in self._suggestions
        )
        if told < math.ceil(self.plan.stage1_trials / 2):
            return None
        if len(self._told("completed")) < MIN_OBSERVATIONS:
            if told < self.plan.stage1_trials:
                return None
            point = self._sobol[self.plan.stage1_trials + number].tolist()
            return self._new("stage2", "sobol", point)
        surrogate, feasibility = self._fit()
        if number < self.plan.num_anchors:
            anchor = self._best_anchor(surrogate)
            if anchor is not None:
                return self._with_prediction("anchor", anchor.point, surrogate)
        if (number + 1) % self.plan.posterior_mean_every == 0:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self._key())
                point, _ = minimize_mean(surrogate, feasibility)
            if self._is_new(point):
                return self._with_prediction("posterior_mean", point, surrogate)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._key())
            pending = [s.point for s in self._suggestions if s.index not in self._observations]
            point, value = maximize_improvement(surrogate, feasibility, pending, self._key())
        return self._with_prediction("expected_improvement", point, surrogate, value)

    def _with_prediction(
        self,
        role: Role,
        point: Sequence[float],
        surrogate: Surrogate,
        acquisition: float | None = None,
    ) -> Suggestion:
        plain = self._new("stage2", role, point)
        return self._predicted(plain, surrogate, acquisition)

    @staticmethod
    def _predicted(
        plain: Suggestion, surrogate: Surrogate, acquisition: float | None = None
    ) -> Suggestion:
        mean, sd = surrogate.predict([plain.point])[0]
        data = {"predicted_mean": mean, "predicted_sd": sd, "acquisition": acquisition}
        return Suggestion.from_dict(plain.as_dict() | data)

    def _is_new(self, point: Sequence[float]) -> bool:
        taken = [s.point for s in self._suggestions if s.horizon == "long"]
        return all(math.dist(point, other) > SAME_POINT for other in taken)

    def _best_anchor(self, surrogate: Surrogate) -> Suggestion | None:
        """The best stage-1 point by posterior mean that keeps its distance from other anchors."""
        anchors = [s.point for s in self._suggestions if s.role == "anchor"]
        apart = ANCHOR_DISTANCE * math.sqrt(self.space.dimension)
        candidates = [
            s
            for s in self._told("completed")
            if s.stage == "stage1" and all(math.dist(s.point, a) > apart for a in anchors)
        ]
        if not candidates:
            return None
        means = surrogate.predict([s.point for s in candidates])
        ranked = sorted(zip(means, candidates, strict=True), key=lambda pair: pair[0][0])
        return ranked[0][1]

    def _ask_confirm(self) -> Suggestion | None:
        """One more seed for a leading configuration: of the near-best, the least often run."""
        told = sum(
            s.stage == "stage2" and s.index in self._observations for s in self._suggestions
        )
        measured = self._measured_long()
        if told < self.plan.stage2_trials and (told < self.plan.stage2_trials - 1 or not measured):
            return None
        if not measured:
            point = self._sobol[self.plan.stage1_trials].tolist()
            return self._new("confirm", "sobol", point)
        believed = self._believed(measured)
        best_mean, best_sd = min(believed.values())
        near = [t for t in measured if believed[t][0] <= best_mean + best_sd]
        runs = {t: sum(s.trial == t for s in self._suggestions) for t in near}
        trial = min(near, key=lambda t: (runs[t], believed[t][0], t))
        data = self._suggestions[trial].as_dict() | {
            "index": len(self._suggestions),
            "trial": trial,
            "replicate": runs[trial],
            "stage": "confirm",
            "rng_key": self._key(),
            "predicted_mean": believed[trial][0],
            "predicted_sd": believed[trial][1] if math.isfinite(believed[trial][1]) else None,
            "acquisition": None,
        }
        return Suggestion.from_dict(data)
