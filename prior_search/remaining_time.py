"""How long a study will take yet, from what its driver has seen so far."""

from __future__ import annotations

from prior_search.trial import TrialSpec

RunKey = tuple[int, int]  # (trial, replicate): one training run, whatever the attempt


def format_duration(seconds: float) -> str:
    """As ``1 h 05 min``, ``6 min 02 s`` or ``17 s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class RemainingTime:
    """Steps of the plan that are left, at the pace at which this driver's attempts gained steps.

    The pace is that of all workers together, pauses and lost attempts included. A run that ends
    early counts as its whole horizon, in what is gained as in what is left. What earlier drivers
    did, or a result that is taken over, makes less to do and tells no pace.

    Args:
        planned_steps: optimization steps of all planned runs.
    """

    def __init__(self, planned_steps: int) -> None:
        self._planned = planned_steps
        self._done: dict[RunKey, int] = {}  # steps of ended runs
        self._gained: dict[RunKey, int] = {}  # of these, by attempts of this driver
        self._first: dict[RunKey, int | None] = {}  # where running attempts began; None: unknown
        self._reached: dict[RunKey, int] = {}
        self._began: float | None = None
        self._now = 0.0

    def restart(self) -> None:
        """A new driver begins: no attempt runs, and it has seen no pace."""
        for seen in (self._gained, self._first, self._reached):
            seen.clear()
        self._began = None

    def start(self, spec: TrialSpec, now: float) -> None:
        """An attempt begins at ``now``, in seconds; a later one maybe at a checkpoint."""
        self._began = now if self._began is None else self._began
        key = spec.key[:2]
        self._first[key] = None if spec.attempt else 0
        self._reached.pop(key, None)

    def reach(self, spec: TrialSpec, step: int, now: float) -> None:
        """A running attempt has come to a step."""
        key = spec.key[:2]
        if key not in self._first:
            return  # it was given up
        if self._first[key] is None:
            self._first[key] = step
        self._reached[key] = step
        self._now = now

    def end(self, spec: TrialSpec, now: float) -> None:
        """A run has ended, by an attempt or by a result that is taken over."""
        key = spec.key[:2]
        self._reached.pop(key, None)
        self._done[key] = spec.horizon
        if key in self._first:
            first = self._first.pop(key)
            self._gained[key] = 0 if first is None else spec.horizon - first
            self._now = now

    def retry(self, spec: TrialSpec) -> None:
        """A run has not ended after all: another attempt at it follows."""
        key = spec.key[:2]
        for known in (self._done, self._gained, self._first, self._reached):
            known.pop(key, None)

    @property
    def seconds(self) -> float | None:
        """Estimate at the last event; None before the first run of this driver has ended."""
        if self._began is None or not any(self._gained.values()):
            return None
        left = self._planned - sum(self._done.values()) - sum(self._reached.values())
        gained = sum(self._gained.values())
        gained += sum(step - (self._first[key] or 0) for key, step in self._reached.items())
        return max(left, 0) * (self._now - self._began) / gained
