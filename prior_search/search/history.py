"""What an optimizer knows: suggestions, their outcomes, and runs of other studies."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from prior_search.search.feasibility import Feasibility
from prior_search.search.one_thread import one_thread
from prior_search.search.past_runs import EndedRun, check_complete, placed
from prior_search.search.space import SearchSpace
from prior_search.search.suggestion import Observation, PastRun, Stage, Status, Suggestion
from prior_search.search.surrogate import LONG, SHORT, Surrogate

MIN_OBSERVATIONS = 3  # before a surrogate is asked for its opinion
SAME_COORDINATE = 1e-6  # of a held weight
OUTSIDE = 1e-9  # of the unit cube; rounding of an encoded bound


class History:
    """Suggestions and observations in one space, and the evidence that they are.

    Args:
        space: that points are encoded in.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self.suggestions: list[Suggestion] = []
        self.observations: dict[int, Observation] = {}
        self.past: list[PastRun] = []
        self._points: list[tuple[float, ...] | None] = []
        self._made: Counter[Stage] = Counter()
        self._told: Counter[Stage] = Counter()
        self._data_changed_at = 0  # suggestions made before tell nothing of the next fit
        self._fitted: tuple[Surrogate, Feasibility] | None = None  # to what is known now

    def add(self, suggestion: Suggestion) -> None:
        """Append the next suggestion.

        Raises:
            ValueError: it is not the next one.
        """
        if suggestion.index != len(self.suggestions):
            raise ValueError(
                f"expected suggestion {len(self.suggestions)}, got {suggestion.index}"
            )
        self._fitted = None
        self.suggestions.append(suggestion)
        self._points.append(suggestion.point)
        self._made[suggestion.stage] += 1

    def tell(self, observation: Observation) -> None:
        """Take an outcome.

        Raises:
            ValueError: it was never suggested, or told before.
        """
        if not 0 <= observation.index < len(self.suggestions):
            raise ValueError(f"suggestion {observation.index} was never made")
        if observation.index in self.observations:
            raise ValueError(f"suggestion {observation.index} was told before")
        self._fitted = None
        self.observations[observation.index] = observation
        self._told[self.suggestions[observation.index].stage] += 1

    def move_to(self, space: SearchSpace) -> None:
        """Encode everything in another space of the same parameters.

        Raises:
            ValueError: it has other parameters.
        """
        if space.names != self.space.names:
            raise ValueError(
                f"a space can change its ranges, not its parameters: {list(self.space.names)} "
                f"to {list(space.names)}"
            )
        self._fitted = None
        self.space = space
        self._points = [space.place(s.values) for s in self.suggestions]
        self._data_changed_at = len(self.suggestions)

    def remember(self, runs: Sequence[PastRun]) -> None:
        """Take runs of another study.

        Raises:
            ValueError: one of them lacks a parameter of the space.
        """
        check_complete(runs, self.space)
        self._fitted = None
        self.past += runs
        self._data_changed_at = len(self.suggestions)

    # --- what is known

    def made(self, stage: Stage) -> int:
        """How many suggestions a stage has."""
        return self._made[stage]

    def num_told(self, stage: Stage) -> int:
        """How many of them have an outcome."""
        return self._told[stage]

    def point(self, index: int) -> tuple[float, ...] | None:
        """Of a suggestion, in the present space; None if it has no place there."""
        return self._points[index]

    def is_inside(self, index: int) -> bool:
        """Whether a suggestion lies in the present space."""
        point = self._points[index]
        return point is not None and all(-OUTSIDE <= x <= 1 + OUTSIDE for x in point)

    def told(self, status: Status) -> list[Suggestion]:
        """Suggestions with such an outcome, in order of suggestion."""
        return [
            s
            for s in self.suggestions
            if s.index in self.observations and self.observations[s.index].status == status
        ]

    @property
    def can_be_fitted(self) -> bool:
        """Whether enough runs completed that have a place in the present space."""
        placed = sum(self._points[s.index] is not None for s in self.told("completed"))
        return placed >= MIN_OBSERVATIONS

    def measured_long(self, fixed: Mapping[int, float] | None = None) -> dict[int, list[float]]:
        """Objectives of completed long runs by configuration, of those in the present space.

        Args:
            fixed: coordinates that are held; only configurations that have these count.
        """
        found: dict[int, list[float]] = {}
        for s in self.told("completed"):
            value = self.observations[s.index].value
            if s.horizon == "long" and value is not None and self._is_held(s.trial, fixed or {}):
                found.setdefault(s.trial, []).append(value)
        return found

    def _is_held(self, index: int, fixed: Mapping[int, float]) -> bool:
        """Whether a suggestion lies in the present space and has the held coordinates."""
        point = self._points[index]
        return (
            point is not None
            and self.is_inside(index)
            and all(math.isclose(point[k], x, abs_tol=SAME_COORDINATE) for k, x in fixed.items())
        )

    def long_trial(self, values: Mapping[str, float]) -> int | None:
        """The trial that first proposed these values at the long horizon, if one did."""
        long = (s for s in self.suggestions if s.horizon == "long")
        return next((s.trial for s in long if s.values == values), None)

    def long_runs(self, trial: int) -> int:
        """How often a trial's configuration was suggested at the long horizon."""
        return sum(s.trial == trial and s.horizon == "long" for s in self.suggestions)

    def pending_long(self) -> list[tuple[float, ...]]:
        """Points of long runs under way."""
        return [
            point
            for s, point in zip(self.suggestions, self._points, strict=True)
            if s.horizon == "long" and s.index not in self.observations and point is not None
        ]

    def as_past_runs(self, study: str) -> list[PastRun]:
        """These runs as another study may learn from them, under a name."""
        return [
            PastRun(
                study=study,
                values=dict(s.values),
                horizon=s.horizon,
                value=self.observations[s.index].value,
            )
            for s in self.suggestions
            if s.index in self.observations and self.observations[s.index].status != "failed"
        ]

    def past_points(self) -> list[tuple[float, ...]]:
        """Points of completed runs of other studies inside the present space."""
        return [
            run.point
            for run in placed(self.past, self.space)
            if run.value is not None and all(0 <= x <= 1 for x in run.point)
        ]

    def evidence(self) -> list[EndedRun]:
        """Every run that completed or diverged, those of other studies last."""
        found = []
        for s, point in zip(self.suggestions, self._points, strict=True):
            outcome = self.observations.get(s.index)
            if outcome is not None and outcome.status != "failed" and point is not None:
                fidelity = SHORT if s.horizon == "short" else LONG
                found.append(EndedRun(point, fidelity, outcome.value))
        return found + placed(self.past, self.space)

    def fit(self) -> tuple[Surrogate, Feasibility]:
        """The surrogate and the feasibility model of the evidence, fitted once until it changes.

        A fit starts from the hyperparameters that the last suggestion recorded, and takes them as
        they are if nothing was told since: a function of the record alone.

        Raises:
            SurrogateFitError: the fit failed.
        """
        if self._fitted is None:
            self._fitted = self._fit()
        return self._fitted

    @one_thread()  # whoever asks first: a report must not leave other digits for a suggestion
    def _fit(self) -> tuple[Surrogate, Feasibility]:
        evidence = self.evidence()
        completed = [run for run in evidence if run.value is not None]
        last = next((s for s in reversed(self.suggestions) if s.hyperparameters), None)
        is_current = (
            last is not None
            and last.index >= self._data_changed_at
            and last.num_told == len(self.observations)
        )
        surrogate = Surrogate(
            [run.point for run in completed],
            [run.fidelity for run in completed],
            [run.value for run in completed if run.value is not None],
            previous=None if last is None else last.hyperparameters,
            is_fitted=is_current,
        )
        points = [run.point for run in evidence]
        return surrogate, Feasibility(points, [run.value is None for run in evidence])
