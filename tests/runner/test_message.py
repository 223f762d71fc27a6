from __future__ import annotations

import math
from collections import deque
from typing import Any

import pytest

from prior_search.runner import message
from prior_search.runner.deadline import GRACE_SECONDS, PACE_FACTOR, Deadlines
from prior_search.runner.message import Teller, take
from prior_search.trial import MetricPoint, TrialResult

RESULT = TrialResult(trial=0, replicate=0, attempt=0, status="completed", objective=0.1 + 0.2)


class Clock:
    """A monotonic clock that the attempt below moves."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


class Attempt:
    """An attempt with points at given seconds; it ends with the last."""

    def __init__(self, seconds: list[float], clock: Clock) -> None:
        self._seconds, self._clock, self._step = deque(seconds), clock, 0

    def advance(self) -> MetricPoint | TrialResult:
        if not self._seconds:
            return RESULT
        self._clock.now = self._seconds.popleft()
        self._step += 1
        return MetricPoint(step=self._step, metrics={"objective": 1 / 3})


def told(seconds: list[float], monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """All messages of an attempt."""
    clock = Clock()
    monkeypatch.setattr(message, "time", clock)
    teller = Teller(Attempt(seconds, clock))  # type: ignore[arg-type]
    messages = [teller.message()]
    while messages[-1]["result"] is None:
        messages.append(teller.message())
    return messages


@pytest.mark.parametrize(
    ("seconds", "steps"),
    [
        ([0.25, 0.5, 0.75, 1.0], [[1], [2, 3, 4]]),
        ([5.0, 10.0, 15.0, 20.0], [[1], [2], [3], [4], []]),
        ([0.6, 1.2, 1.8, 2.4, 3.0], [[1], [2, 3], [4, 5], []]),
        ([], [[]]),
    ],
)
def test_the_first_point_is_told_at_once_and_others_once_a_second(
    seconds: list[float], steps: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = told(seconds, monkeypatch)
    assert [[point["step"] for point in m["points"]] for m in messages] == steps


def test_all_points_and_the_result_arrive_as_they_were(
    make_spec: Any, list_source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec()
    source, deadlines = list_source([spec]), Deadlines()
    messages = told([0.25, 0.5, 0.75, 1.0], monkeypatch)
    results = [take(m, spec, source, deadlines) for m in messages]
    assert results == [None, RESULT]
    assert source.points == [
        MetricPoint(step=k, metrics={"objective": 1 / 3}) for k in range(1, 5)
    ]


def test_points_that_arrive_together_tell_the_pace_of_all_their_steps(
    make_spec: Any, list_source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, clock = make_spec(), Clock()
    source, deadlines = list_source([spec]), Deadlines()
    monkeypatch.setattr(message, "time", clock)
    deadlines.begin(spec, now=0.0)
    clock.now = 10.0
    points = [{"step": step, "metrics": {}} for step in (5, 10, 20)]
    take({"points": points, "result": None}, spec, source, deadlines)
    assert deadlines.limit(horizon=100) == GRACE_SECONDS + PACE_FACTOR * 100 * 10.0 / 20
    assert deadlines.overdue(now=1e9) == [spec]
    take({"points": [], "result": RESULT.as_dict()}, spec, source, deadlines)
    assert deadlines.overdue(now=math.inf) == []
