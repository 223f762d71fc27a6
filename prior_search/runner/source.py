"""Where trials come from and results go: what an executor needs of a study."""

from __future__ import annotations

from typing import Protocol

from prior_search.trial import MetricPoint, TrialResult, TrialSpec


class TrialSource(Protocol):
    """All calls come from the driver's one thread."""

    def next_trial(self) -> TrialSpec | None:
        """The next attempt to run; None while there is nothing to hand out."""

    def record_start(self, spec: TrialSpec, worker: str) -> None:
        """An attempt has begun on a worker."""

    def record_point(self, spec: TrialSpec, point: MetricPoint) -> None:
        """Metrics of a running attempt."""

    def record(self, result: TrialResult) -> None:
        """An attempt has ended; a lost or failed one may come again from ``next_trial``."""

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to run or to wait for."""
