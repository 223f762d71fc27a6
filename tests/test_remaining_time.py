"""The time remaining, against workers whose pace is known."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from rich.console import Console

from prior_search.event_log import Event
from prior_search.progress import ProgressView
from prior_search.remaining_time import RemainingTime, format_duration
from prior_search.trial import TrialResult, TrialSpec

MakeSpec = Callable[..., TrialSpec]


def test_durations_are_told_in_two_units() -> None:
    told = [format_duration(seconds) for seconds in (17.4, 362, 3599.6, 3900)]
    assert told == ["17 s", "6 min 02 s", "1 h 00 min", "1 h 05 min"]


def test_nothing_is_estimated_before_a_run_has_ended(make_spec: MakeSpec) -> None:
    remaining = RemainingTime(1000)
    spec = make_spec(horizon=100)
    assert remaining.seconds is None
    remaining.start(spec, 0.0)
    remaining.reach(spec, 90, 45.0)
    assert remaining.seconds is None
    remaining.end(spec, 50.0)
    assert remaining.seconds == 900 * 0.5


@pytest.mark.parametrize(
    ("workers", "horizons"), [(1, [10, 10, 30]), (2, [10, 20, 20, 10]), (3, [10, 20, 30, 20, 10])]
)
def test_at_a_steady_pace_the_estimate_is_the_truth(
    make_spec: MakeSpec, workers: int, horizons: list[int]
) -> None:
    """So many workers with a step per second each, all of them busy to the end."""
    specs = [make_spec(trial=trial, horizon=horizon) for trial, horizon in enumerate(horizons)]
    ends = simulate(RemainingTime(sum(horizons)), specs, workers)
    total = ends[-1][0]
    assert total == sum(horizons) / workers
    for now, told in ends:
        assert told == pytest.approx(total - now)


def simulate(
    remaining: RemainingTime, specs: Sequence[TrialSpec], workers: int
) -> list[tuple[float, float]]:
    """Run these in order, with a point at every step; (time, estimate) once all that end at a
    time have ended."""
    waiting, running = list(specs), dict[int, tuple[TrialSpec, int]]()
    told, now = [], 0
    while waiting or running:
        for worker in range(workers):
            if worker not in running and waiting:
                running[worker] = (waiting.pop(0), now)
                remaining.start(running[worker][0], now)
        now += 1
        ended = False
        for worker, (spec, began) in list(running.items()):
            if now - began == spec.horizon:
                remaining.end(spec, now)
                del running[worker]
                ended = True
            else:
                remaining.reach(spec, now - began, now)
        if ended:
            assert remaining.seconds is not None
            told.append((float(now), remaining.seconds))
    return told


def test_what_was_done_before_or_is_taken_over_tells_no_pace(make_spec: MakeSpec) -> None:
    remaining = RemainingTime(400)
    first, cut, taken, last = (make_spec(trial=trial, horizon=100) for trial in range(4))
    remaining.start(first, 0.0)
    remaining.end(first, 1.0)
    remaining.start(cut, 1.0)
    remaining.restart()  # another driver, which is slower
    remaining.retry(cut.retry())
    remaining.end(taken, 1000.0)
    assert remaining.seconds is None
    remaining.start(cut.retry(), 1000.0)
    remaining.reach(cut.retry(), 60, 1010.0)  # from a checkpoint: nobody knows where it began
    remaining.reach(cut.retry(), 80, 1020.0)
    remaining.end(cut.retry(), 1080.0)
    assert remaining.seconds == 100 * 80 / 40  # left are those of the last
    remaining.start(last, 1080.0)
    remaining.end(last, 1180.0)
    assert remaining.seconds == 0.0


def test_a_lost_attempt_gains_nothing_and_is_to_be_done_again(make_spec: MakeSpec) -> None:
    remaining = RemainingTime(200)
    lost, other = make_spec(horizon=100), make_spec(trial=1, horizon=100)
    remaining.start(lost, 0.0)
    remaining.end(lost, 50.0)
    remaining.retry(lost.retry())
    assert remaining.seconds is None
    remaining.start(other, 50.0)
    remaining.end(other, 150.0)
    assert remaining.seconds == 100 * 150 / 100


def test_lines_of_a_search_say_what_is_left(make_spec: MakeSpec) -> None:
    shown = io.StringIO()
    specs = [make_spec(trial=trial, horizon=100) for trial in range(3)]
    with ProgressView(Console(file=shown), 3, 300) as view:
        for number, spec in enumerate(specs):
            for event in events_of(spec, 60.0 * number, 60.0):
                view.on_event(event)
    lines = shown.getvalue().splitlines()
    assert ["about 2 min 00 s left" in line for line in lines] == [True, False, False]
    assert ["about 1 min 00 s left" in line for line in lines] == [False, True, False]
    assert "left" not in lines[2]
    assert len(lines) == 3


def events_of(spec: TrialSpec, began: float, took: float) -> list[Event]:
    result = TrialResult.without_value(spec, "diverged", "", wall_seconds=took)
    result = dataclasses.replace(result, error=None)

    def event(kind: str, when: float, **data: Any) -> Event:
        return {"seq": 0, "time": when, "event": kind, **data}

    return [
        event("trial_suggested", began, spec=spec.as_dict()),
        event("trial_started", began, key=list(spec.key)),
        event(
            "metric_point",
            began + took / 2,
            key=list(spec.key),
            step=spec.horizon // 2,
            metrics={},
        ),
        event("trial_ended", began + took, result=result.as_dict()),
    ]
