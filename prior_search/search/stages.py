"""What to suggest next: stage 1, stage 2 and confirmation."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import qmc

from prior_search.search.feasibility import Feasibility
from prior_search.search.history import History
from prior_search.search.leaders import Leaders
from prior_search.search.one_thread import one_thread
from prior_search.search.plan import SearchPlan
from prior_search.search.proposals import Proposals
from prior_search.search.stopping import has_converged
from prior_search.search.suggestion import Horizon, Role, Stage, Suggestion
from prior_search.search.surrogate import Surrogate

SAME_POINT = 1e-3  # closer than this, a posterior-mean candidate adds nothing
CONFIRM_DISTANCE = 0.02  # per root of the dimension: the minimizer is a configuration of its own


class Stages:
    """The rules of the plan; suggestions are made of the history and the seed alone.

    Args:
        history: what is known.
        plan: how much to spend.
        seed: of everything random.
    """

    def __init__(self, history: History, plan: SearchPlan, seed: int) -> None:
        self.history, self.plan, self.seed = history, plan, seed
        self.fixed: dict[int, float] = {}  # coordinates of the unit cube by index
        self._fixed: dict[str, float] = {}
        self._held_since = 0  # suggestions made before were chosen among others
        dimension = history.space.dimension
        sobol = qmc.Sobol(dimension, scramble=True, rng=np.random.default_rng(seed))
        # as many as suggestions, should the surrogate never start
        self._sobol = sobol.random_base2(math.ceil(math.log2(plan.total)))

    def hold(self, fixed: Mapping[str, float]) -> None:
        """Hold weights at values, in the present space."""
        space = self.history.space
        self._fixed, self._held_since = dict(fixed), len(self.history.suggestions)
        places = {name: space.names.index(name) for name in fixed}
        self.fixed = {k: space.parameters[k].encode(fixed[name]) for name, k in places.items()}

    def next(self, pending: Sequence[tuple[float, ...]]) -> Suggestion | None:
        """The next suggestion of the plan; None if it has to wait, or if there is none.

        Args:
            pending: points of long runs under way that are not in the history.

        Raises:
            SurrogateFitError: the Gaussian process could not be fitted.
        """
        history, plan = self.history, self.plan
        if history.made("stage1") < plan.stage1_trials:
            return self._new("stage1", "sobol", self._sobol_point(history.made("stage1")))
        if history.made("stage2") < plan.stage2_trials and not self._has_converged():
            return self._ask_stage2(pending)
        if history.made("confirm") < plan.confirm_trials:
            return self._ask_confirm()
        return None

    def manual(self, values: Mapping[str, float]) -> Suggestion:
        """A user's own configuration, with its values as they were given."""
        return self._new("stage2", "manual", self.history.space.encode(values), values)

    # --- inside

    def _key(self) -> int:
        text = f"{self.seed}/suggestion/{len(self.history.suggestions)}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1

    def _held(self, point: Sequence[float]) -> tuple[float, ...]:
        return tuple(self.fixed.get(k, x) for k, x in enumerate(point))

    def _sobol_point(self, number: int) -> tuple[float, ...]:
        return self._held(self._sobol[number].tolist())

    def _new(
        self,
        stage: Stage,
        role: Role,
        point: Sequence[float],
        values: Mapping[str, float] | None = None,
    ) -> Suggestion:
        """A suggestion without prediction; one more seed of a configuration that was run long."""
        history, index = self.history, len(self.history.suggestions)
        horizon: Horizon = "short" if stage == "stage1" else "long"
        chosen = dict(values or history.space.decode(point) | self._fixed)
        known = history.long_trial(chosen) if horizon == "long" else None
        return Suggestion(
            index=index,
            trial=index if known is None else known,
            replicate=0 if known is None else history.long_runs(known),
            stage=stage,
            role=role,
            horizon=horizon,
            point=tuple(point),
            values=chosen,
            rng_key=self._key(),
            num_told=len(history.observations),
        )

    @one_thread()
    def _ask_stage2(self, pending: Sequence[tuple[float, ...]]) -> Suggestion | None:
        history, plan = self.history, self.plan
        told = history.num_told("stage1")
        if told < math.ceil(plan.stage1_trials / 2):
            return None
        number = history.made("stage2")
        if not history.can_be_fitted:
            if told < plan.stage1_trials:
                return None
            return self._new("stage2", "sobol", self._sobol_point(plan.stage1_trials + number))
        surrogate, feasibility = history.fit()
        proposals = self._proposals(surrogate, feasibility)
        manual = sum(s.role == "manual" for s in history.suggestions)
        if number - manual < plan.num_anchors:
            anchor = proposals.anchor()
            if anchor is not None:
                return self._predicted("stage2", "anchor", anchor, surrogate)
        if (number + 1) % plan.posterior_mean_every == 0:
            point = proposals.minimizer()
            if self._is_apart(point, SAME_POINT):
                return self._predicted("stage2", "posterior_mean", point, surrogate)
        point, value = proposals.improvement([*history.pending_long(), *pending])
        return self._predicted("stage2", "expected_improvement", point, surrogate, value)

    def _proposals(self, surrogate: Surrogate, feasibility: Feasibility) -> Proposals:
        return Proposals(self.history, surrogate, feasibility, self.fixed, self._key())

    def _predicted(
        self,
        stage: Stage,
        role: Role,
        point: Sequence[float],
        surrogate: Surrogate,
        acquisition: float | None = None,
    ) -> Suggestion:
        mean, sd = surrogate.predict([point])[0]
        return dataclasses.replace(
            self._new(stage, role, point),
            predicted_mean=mean,
            predicted_sd=sd,
            acquisition=acquisition,
            hyperparameters=tuple(surrogate.theta.tolist()),
        )

    def _is_apart(self, point: Sequence[float], distance: float) -> bool:
        """Whether no configuration at the long horizon is so close."""
        history = self.history
        taken = [history.point(s.index) for s in history.suggestions if s.horizon == "long"]
        return all(math.dist(point, other) > distance for other in taken if other is not None)

    def _has_converged(self) -> bool:
        """As of what was suggested since a weight was held or let go, or the space moved."""
        recent = self.history.suggestions[self._held_since :]
        return has_converged(recent, self.history.space.dimension, self.plan.stop_below)

    @one_thread()
    def _ask_confirm(self) -> Suggestion | None:
        """The posterior's minimizer, measured; then seeds for leaders until one is separated."""
        history, plan = self.history, self.plan
        told, made = history.num_told("stage2"), history.made("stage2")
        measured = history.measured_long(self.fixed)
        if told < made and (told < made - 1 or not measured):
            return None
        if history.can_be_fitted:
            surrogate, feasibility = history.fit()
            best = self._proposals(surrogate, feasibility).minimizer()
            # without a leader, whatever is near it diverged or has another value of a held weight
            if not measured or self._is_apart(best, CONFIRM_DISTANCE * math.sqrt(len(best))):
                return self._predicted("confirm", "posterior_mean", best, surrogate)
        elif not measured:
            taken = plan.stage1_trials + plan.stage2_trials + history.made("confirm")
            return self._new("confirm", "sobol", self._sobol_point(taken))
        leaders = Leaders(history, self.fixed)
        if leaders.is_separated(plan.separated_below):
            return None
        trial = leaders.least_run()
        mean, sd = leaders.believed[trial]
        again, point = history.suggestions[trial], history.point(trial)
        assert point is not None  # measured configurations are inside the space
        return dataclasses.replace(
            self._new("confirm", again.role, point, again.values),
            predicted_mean=mean,
            predicted_sd=sd if math.isfinite(sd) else None,
            hyperparameters=leaders.hyperparameters,
        )
