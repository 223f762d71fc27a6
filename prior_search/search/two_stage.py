"""The two-stage optimizer: broad Sobol samples at the short horizon, then a Gaussian process.

``ask`` is a function of the space, the plan, the seed and the history alone: replaying a history
with ``adopt`` and ``tell`` and asking again gives the same suggestion, bit for bit.
"""

from __future__ import annotations

import dataclasses
import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prior_search.search.history import History
from prior_search.search.leaders import Leaders
from prior_search.search.one_thread import one_thread
from prior_search.search.plan import SearchPlan
from prior_search.search.space import SearchSpace
from prior_search.search.stages import Stages
from prior_search.search.suggestion import Observation, PastRun, Recommendation, Suggestion


class TwoStageOptimizer:
    """Ask for suggestions, tell their outcomes, in any order.

    Args:
        space: what to search.
        plan: how much to spend.
        seed: of everything random, >= 0.

    Raises:
        ValueError: the seed is no integer >= 0.
    """

    def __init__(self, space: SearchSpace, plan: SearchPlan, seed: int) -> None:
        given: object = seed  # also of those without a type checker
        if not isinstance(given, numbers.Integral) or seed < 0:
            raise ValueError(f"seed must be an integer >= 0, got {seed!r}")
        self.first_space, self.plan, self.seed = space, plan, int(seed)
        self.changes: list[tuple[str, Any]] = []  # what ``record`` writes down
        self.history = History(space)
        self._stages = Stages(self.history, plan, self.seed)
        self._queue: list[dict[str, float]] = []
        self._fixed: dict[str, float] = {}
        self._prepared: Suggestion | None = None
        self._prepared_for: list[tuple[float, ...]] = []  # points pending when it was
        self._waits = False  # the last answer was none, and nothing has changed since

    # --- the protocol

    @property
    def space(self) -> SearchSpace:
        """The present search space."""
        return self.history.space

    def ask(self, pending: Sequence[Mapping[str, float]] = ()) -> Suggestion | None:
        """The next suggestion; None if all are asked, or if this one has to wait for a tell.

        Args:
            pending: values of long runs under way that this optimizer did not suggest.

        Raises:
            ValueError: what is pending lacks a parameter, or is outside the space.
            SurrogateFitError: the Gaussian process could not be fitted.
        """
        suggestion = self._prepare(pending)
        if suggestion is not None:
            self._take(suggestion)
        return suggestion

    def adopt(self, suggestion: Suggestion) -> None:
        """Take the next suggestion from a record instead of computing it.

        Raises:
            ValueError: it is not the next one.
        """
        self._take(suggestion)

    def tell(self, observation: Observation) -> None:
        """Take an outcome.

        Raises:
            ValueError: it was never suggested, or told before.
        """
        self.history.tell(observation)
        self._waits = False
        self.changes.append(("observation", observation))

    @property
    def is_finished(self) -> bool:
        """Whether all is told and nothing more to ask: the plan is spent, or the rest not needed.

        Raises:
            SurrogateFitError: the Gaussian process could not be fitted.
        """
        if len(self.history.suggestions) > len(self.history.observations):
            return False
        # nothing is under way, so None means that nothing is left
        return self._prepare(()) is None

    @property
    def has_recommendation(self) -> bool:
        """Whether a run at the long horizon has completed."""
        return bool(self.history.measured_long())

    @one_thread()
    def recommend(self) -> Recommendation:
        """The lowest posterior mean among configurations measured at the long horizon.

        Raises:
            ValueError: there is none.
        """
        return Leaders(self.history, self._stages.fixed).recommend()

    def believed(self) -> dict[int, tuple[float, float]]:
        """Posterior mean and deviation of every configuration measured at the long horizon.

        Raises:
            ValueError: there is none.
        """
        return Leaders(self.history, self._stages.fixed).believed

    # --- what a user may change on the way

    def enqueue(self, values: Mapping[str, float]) -> None:
        """Have a configuration of one's own run next, at the long horizon, as part of stage 2.

        Raises:
            ValueError: it is outside the space, or stage 2 has no run left.
        """
        self._encode(values)  # refuses what is outside
        if self.history.made("stage2") + len(self._queue) >= self.plan.stage2_trials:
            raise ValueError(f"all {self.plan.stage2_trials} runs of stage 2 are taken")
        plain = {name: float(value) for name, value in values.items()}
        self._queue.append(plain)
        self._note("enqueue", plain)

    def fix(self, name: str, value: float | None) -> None:
        """Hold a weight in all suggestions to come; None lets it go.

        Raises:
            ValueError: no such weight, or the value is outside its range.
        """
        if name not in self.space.names:
            raise ValueError(f"unknown weight {name!r}; expected {', '.join(self.space.names)}")
        if value is None:
            self._fixed.pop(name, None)
        else:
            self.space.parameters[self.space.names.index(name)].encode(value)
            value = self._fixed[name] = float(value)
        self._stages.hold(self._fixed)
        self._note("fix", (name, value))

    def change_space(self, space: SearchSpace) -> None:
        """Narrow or extend the ranges; runs outside stay evidence, but are not recommended.

        Raises:
            ValueError: the parameters differ, or a fixed or enqueued value is outside.
        """
        for p in space.parameters:
            for values in (self._fixed, *self._queue):
                if p.name in values:
                    p.encode(values[p.name])
        self.history.move_to(space)
        self._stages.hold(self._fixed)
        self._note("change_space", space)

    def warm_start(self, runs: Iterable[PastRun]) -> None:
        """Learn from other studies: each horizon of each is one more fidelity.

        Raises:
            ValueError: a run lacks a parameter of the space.
        """
        own = tuple(dataclasses.replace(run) for run in runs)  # with a copy of its values each
        self.history.remember(own)
        self._note("warm_start", own)

    # --- inside

    def _note(self, kind: str, change: object) -> None:
        """A change by the user: write it down, and forget what was prepared without it."""
        self.changes.append((kind, change))
        self._prepared, self._waits = None, False

    def _prepare(self, pending: Sequence[Mapping[str, float]]) -> Suggestion | None:
        """What the next ``ask`` returns, computed once; whether there is any is up to tells."""
        points = [self._encode(values) for values in pending]
        is_known = self._prepared is not None and points == self._prepared_for
        if not is_known and not self._waits:
            self._prepared, self._prepared_for = self._next(points), points
            self._waits = self._prepared is None
        return self._prepared

    def _take(self, suggestion: Suggestion) -> None:
        self._prepared, self._waits = None, False
        # the caller's values may be changed later
        suggestion = dataclasses.replace(suggestion, values=dict(suggestion.values))
        self.history.add(suggestion)
        self.changes.append(("suggestion", suggestion))
        if suggestion.role == "manual" and dict(suggestion.values) in self._queue:
            self._queue.remove(dict(suggestion.values))

    def _next(self, pending: Sequence[tuple[float, ...]]) -> Suggestion | None:
        if self._queue:
            return self._stages.manual(self._queue[0])
        return self._stages.next(pending)

    def _encode(self, values: Mapping[str, float]) -> tuple[float, ...]:
        """A user's configuration as a point."""
        if set(values) != set(self.space.names):
            raise ValueError(
                f"values must be given for {', '.join(self.space.names)}, got {dict(values)}"
            )
        return self.space.encode(values)
