"""The evaluations of trained models, as runs for the workers.

The file beside a model is the record: there is no log.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from prior_search.model_evaluation import known_evaluation
from prior_search.model_file import MODEL_NAME
from prior_search.retries import MAX_RETRIES, Retries
from prior_search.trial import MetricPoint, TrialResult, TrialSpec


class EvaluationRuns:
    """Evaluations as a ``runner.TrialSource``; a model that has its record is not done again.

    Args:
        specs: of final trainings that left a model.
        trials_folder: holds a folder per training.

    Attributes:
        errors: what went wrong with evaluations that were given up, by label.
    """

    def __init__(self, specs: Sequence[TrialSpec], trials_folder: Path) -> None:
        self.specs = list(specs)
        self.errors: dict[str, str] = {}
        self._retries = Retries()
        self._waiting = deque(
            dataclasses.replace(spec, stage="evaluation", attempt=0)
            for spec in specs
            if known_evaluation(trials_folder / spec.label / MODEL_NAME) is None
        )
        self._open = {spec.key[:2]: spec for spec in self._waiting}

    @property
    def is_finished(self) -> bool:
        """Whether every model has its record or was given up."""
        return not self._open

    @property
    def num_ended(self) -> int:
        """Models that have their record or were given up."""
        return len(self.specs) - len(self._open)

    def next_trial(self) -> TrialSpec | None:
        """The next model to evaluate, or None."""
        return self._waiting.popleft() if self._waiting else None

    def record_start(self, spec: TrialSpec, worker: str) -> None:
        """Nothing: an evaluation that was cut short is done again."""

    def record_point(self, spec: TrialSpec, point: MetricPoint) -> None:
        """Nothing: the file has all numbers."""

    def record(self, result: TrialResult) -> None:
        """An evaluation has ended; lost and failed ones are tried again, within limits."""
        spec = self._open.get(result.key[:2])
        if spec is None or result.attempt != spec.attempt:
            return
        if result.status in MAX_RETRIES:
            if self._retries.grants(spec.label, result.status):
                self._open[spec.key[:2]] = spec.retry()
                self._waiting.append(self._open[spec.key[:2]])
                return
            self.errors[spec.label] = result.error or result.status
        del self._open[spec.key[:2]]
