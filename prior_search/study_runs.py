"""The training runs of a study: which wait for a worker, which are under way, which have ended.

Only state, and the same whether a study runs or is replayed: ``Study`` writes the events.
"""

from __future__ import annotations

from collections import deque

from prior_search.retries import MAX_RETRIES, Retries
from prior_search.study_search import Run
from prior_search.trial import TrialResult, TrialSpec

RunKey = tuple[int, int]  # (trial, replicate): one training run, whatever the attempt


class StudyRuns:
    """Every run that was suggested, by trial and replicate, and its current attempt."""

    def __init__(self) -> None:
        self._runs: dict[RunKey, Run] = {}
        self._waiting: deque[TrialSpec] = deque()
        self._open: dict[RunKey, Run] = {}  # suggested, and not ended; in the order of attempts
        self._retries = Retries()
        self.next_trial = 0

    @property
    def num_ended(self) -> int:
        """Runs that have their outcome."""
        return len(self._runs) - len(self._open)

    @property
    def num_waiting(self) -> int:
        """Attempts that no worker has taken yet."""
        return len(self._waiting)

    @property
    def open(self) -> list[Run]:
        """Runs without outcome, whether they wait or are under way."""
        return list(self._open.values())

    def add(self, run: Run) -> None:
        """Take a new run, with its first attempt."""
        key = run.spec.key[:2]
        self.next_trial = max(self.next_trial, run.search.first_trial(run) + run.search.width)
        self._runs[key] = self._open[key] = run

    def of(self, result: TrialResult) -> Run | None:
        """The run that a result is of; None if its attempt was never handed out."""
        run = self._runs.get(result.key[:2])
        return None if run is None or result.attempt > run.spec.attempt else run

    def wait(self, run: Run) -> None:
        """Queue the current attempt of a run for a worker."""
        self._waiting.append(run.spec)

    def take_waiting(self) -> TrialSpec | None:
        """The attempt that has waited longest; None if none waits."""
        return self._waiting.popleft() if self._waiting else None

    def retry(self, spec: TrialSpec) -> Run:
        """Make this the current attempt of its run."""
        key = spec.key[:2]
        run = self._runs[key]
        run.spec = spec
        self._open.pop(key, None)
        self._open[key] = run
        return run

    def end(self, run: Run, result: TrialResult) -> bool:
        """Let a result change the state; returns whether the run has to be tried again."""
        if result.status == "stopped":
            return False  # by the user: the run stays open, and the next driver goes on with it
        key = result.key[:2]
        if result.status in MAX_RETRIES:
            if result.attempt < run.spec.attempt:
                return False  # an attempt that was given up has ended without a value
            if self._retries.grants(key, result.status):
                return True
        run.outcome = result
        del self._open[key]
        self._waiting = deque(spec for spec in self._waiting if spec.key[:2] != key)
        run.search.tell(run.suggestion.index)
        return False
