"""When a trial has had its time: a hanging worker must not hold a search for ever.

The limit is asked for, or derived from the pace of the trials so far **(ours)**: ten times what
the slowest of them would have taken for the same horizon, and ten minutes. It is kept by the
driver, which ends the process of an attempt that is over it; the attempt counts as failed, not as
lost, since a machine that went away is noticed otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from prior_search.trial import AttemptKey, TrialResult, TrialSpec

PACE_FACTOR = 10.0  # of the slowest trial seen
GRACE_SECONDS = 600.0  # for starting up, validation, and a machine that is busy
UNKNOWN_SECONDS = 6 * 3600.0  # while no trial has reported anything
WATCH_SECONDS = 1.0  # between two looks of a driver


@dataclass(slots=True)
class _Clock:
    """One running attempt: when it began, and its last sign of life."""

    spec: TrialSpec
    began: float
    seen: float
    step: int = 0


class Deadlines:
    """The running attempts of one driver, in seconds of a monotonic clock that is handed in.

    Args:
        seconds: that every attempt gets; None derives them.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = seconds
        self._running: dict[AttemptKey, _Clock] = {}
        self._pace = 0.0  # seconds per step of the slowest trial seen
        self._looked = -math.inf

    def begin(self, spec: TrialSpec, now: float) -> None:
        """An attempt has started."""
        self._running[spec.attempt_key] = _Clock(spec, now, now)

    def progress(self, spec: TrialSpec, step: int, now: float) -> None:
        """A running attempt has come to a step; this says how long trials take."""
        clock = self._running.get(spec.attempt_key)
        if clock is None or step <= clock.step:
            return
        # a later attempt may have begun at a checkpoint: its first steps tell no pace, nor does
        # an evaluation, which takes no steps
        tells = clock.step > 0 or spec.attempt == 0
        if tells and spec.stage != "evaluation":
            self._pace = max(self._pace, (now - clock.seen) / (step - clock.step))
        clock.seen, clock.step = now, step

    def end(self, spec: TrialSpec) -> None:
        """An attempt has ended, however."""
        self._running.pop(spec.attempt_key, None)

    def limit(self, horizon: int) -> float:
        """Seconds that an attempt of so many steps gets."""
        if self._seconds is not None:
            return self._seconds
        return (
            GRACE_SECONDS + PACE_FACTOR * self._pace * horizon if self._pace else UNKNOWN_SECONDS
        )

    def overdue(self, now: float) -> list[TrialSpec]:
        """Attempts that have had their time."""
        clocks = self._running.values()
        return [c.spec for c in clocks if now - c.began > self.limit(c.spec.horizon)]

    def look(self, now: float) -> list[TrialSpec]:
        """``overdue``, for a driver that asks at every message; nothing between two looks."""
        if now - self._looked < WATCH_SECONDS:
            return []
        self._looked = now
        return self.overdue(now)


def overdue_result(spec: TrialSpec, seconds: float) -> TrialResult:
    """The result of an attempt that was ended because it had had its time."""
    text = f"{spec.label}: no result after {seconds:.0f} s, so its process was ended"
    return TrialResult.without_value(spec, "failed", text, wall_seconds=seconds)
