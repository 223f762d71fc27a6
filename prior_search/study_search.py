"""One search of a study: its optimizer, and the training runs that each suggestion asks for.

A search has one or several *arms*: bottlenecks that every suggestion is trained with, each as a
trial of its own, with one seed for all. The optimizer hears of a suggestion when all arms of it
have ended, and gets what ``search.over_arms`` makes of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from prior_search.request import StudyRequest
from prior_search.search import Observation, Suggestion, TwoStageOptimizer, over_arms
from prior_search.search.record import apply
from prior_search.steering import Steering
from prior_search.trial import Bottleneck, TrialResult, TrialSpec
from prior_search.weights import RegularizerWeights


def derive_seed(*parts: object) -> int:
    """A 63-bit seed from names and numbers: the same parts give the same seed everywhere."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@dataclass(slots=True)
class Run:
    """One training run on its way: its suggestion, its current attempt and its outcome."""

    search: StudySearch
    suggestion: Suggestion
    spec: TrialSpec
    outcome: TrialResult | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastTraining:
    """A training that another study has done, to be taken over where this one wants the same.

    Attributes:
        source: the other study and its trial, in words.
    """

    spec: TrialSpec
    result: TrialResult
    source: str


class StudySearch:
    """The optimizer of one search and what it has spent.

    Args:
        request: of the study.
        name: of the search.
    """

    def __init__(self, request: StudyRequest, name: str) -> None:
        self._request, self.name = request, name
        self.arms = request.searches[name]
        self.runs: dict[int, list[Run]] = {}  # by index of the suggestion, in the arms' order
        plan = request.budget.plan()
        # One seed for all searches: in the same space they start from the same Sobol points, so
        # bottlenecks are compared on them and a matched control need not train them again.
        seed = derive_seed(request.seed, "search")
        self.optimizer = TwoStageOptimizer(request.space(self.arms[0]), plan, seed)
        self.budget = float(request.planned_steps * self.width)
        self.spent = 0.0  # in steps, as the budget
        self.trial_numbers: dict[int, int] = {}  # the optimizer's -> the study's of the first arm

    @property
    def width(self) -> int:
        """Runs per suggestion."""
        return len(self.arms)

    def missing_arms(self, suggestion: Suggestion, next_trial: int) -> Iterator[TrialSpec]:
        """Trials of the arms that were not added yet, in order.

        Args:
            suggestion: asked for or adopted.
            next_trial: number of the first arm's trial, if the configuration is new.
        """
        first = self.trial_numbers.get(suggestion.trial, next_trial)
        known = len(self.runs.get(suggestion.index, ()))
        for number, arm in list(enumerate(self.arms))[known:]:
            yield self._spec(suggestion, arm, first + number)

    def add(self, suggestion: Suggestion, spec: TrialSpec) -> Run:
        """Take the next arm of a suggestion."""
        run = Run(search=self, suggestion=suggestion, spec=spec)
        self.runs.setdefault(suggestion.index, []).append(run)
        self.trial_numbers[suggestion.trial] = self.first_trial(run)
        self.spent += spec.horizon
        return run

    def first_trial(self, run: Run) -> int:
        """Number of the trial of the first arm; those of the others follow it."""
        return run.spec.trial - self.arms.index(run.spec.bottleneck)

    def steer(self, steering: Steering) -> None:
        """Make a user's change.

        Raises:
            ValueError: the optimizer cannot take it.
        """
        apply(self.optimizer, steering.kind, steering.change)

    def tell(self, index: int) -> None:
        """Tell the optimizer of a suggestion, if all its arms have ended."""
        outcomes = []
        for run in self.runs[index]:
            if run.outcome is None:
                return
            status = run.outcome.status
            told = status if status in ("completed", "diverged") else "failed"
            outcomes.append(Observation(index=index, value=run.outcome.objective, status=told))
        if len(outcomes) == self.width:
            self.optimizer.tell(over_arms(outcomes))

    def _spec(self, suggestion: Suggestion, arm: Bottleneck, trial: int) -> TrialSpec:
        request = self._request
        return TrialSpec(
            study=request.name,
            search=self.name,
            trial=trial,
            replicate=suggestion.replicate,
            stage=suggestion.stage,
            role=suggestion.role,
            task=request.task,
            bottleneck=arm,
            family=request.family,
            preset=request.preset,
            weights=RegularizerWeights.from_mapping(suggestion.values),
            settings=request.settings,
            horizon=request.horizon(suggestion.horizon),
            # paired: the same for all bottlenecks, in their own searches and in a control
            seed=derive_seed(request.seed, "trial", suggestion.trial, suggestion.replicate),
        )
