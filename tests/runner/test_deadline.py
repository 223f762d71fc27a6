from __future__ import annotations

from typing import Any

from prior_search.runner.deadline import (
    GRACE_SECONDS,
    PACE_FACTOR,
    UNKNOWN_SECONDS,
    Deadlines,
    overdue_result,
)


def test_an_attempt_is_overdue_after_its_seconds_and_no_earlier(make_spec: Any) -> None:
    deadlines = Deadlines(seconds=10.0)
    first, second = make_spec(trial=0), make_spec(trial=1)
    deadlines.begin(first, now=0.0)
    deadlines.begin(second, now=5.0)
    assert deadlines.overdue(now=10.0) == []
    assert deadlines.overdue(now=10.1) == [first]
    deadlines.end(first)
    assert deadlines.overdue(now=10.1) == []
    assert deadlines.overdue(now=20.0) == [second]
    deadlines.end(second)
    assert deadlines.overdue(now=20.0) == []


def test_a_driver_that_asks_at_every_message_looks_once_a_second(make_spec: Any) -> None:
    deadlines = Deadlines(seconds=10.0)
    spec = make_spec()
    deadlines.begin(spec, now=0.0)
    assert deadlines.look(now=9.9) == []
    assert deadlines.look(now=10.8) == []  # not looked at
    assert deadlines.look(now=10.9) == [spec]


def test_trials_of_two_studies_with_one_number_have_clocks_of_their_own(make_spec: Any) -> None:
    deadlines = Deadlines(seconds=10.0)
    first, second = make_spec(study="a"), make_spec(study="b")
    deadlines.begin(first, now=0.0)
    deadlines.begin(second, now=5.0)
    assert deadlines.overdue(now=11.0) == [first]
    deadlines.end(first)
    assert deadlines.overdue(now=16.0) == [second]


def test_the_slowest_pace_so_far_decides_how_long_a_trial_may_take(make_spec: Any) -> None:
    deadlines = Deadlines()
    assert deadlines.limit(horizon=100) == UNKNOWN_SECONDS
    slow, quick = make_spec(trial=0), make_spec(trial=1)
    deadlines.begin(slow, now=0.0)
    deadlines.begin(quick, now=0.0)
    deadlines.progress(quick, step=10, now=1.0)
    deadlines.progress(slow, step=10, now=20.0)
    assert deadlines.limit(horizon=100) == GRACE_SECONDS + PACE_FACTOR * 2.0 * 100


def test_the_first_point_of_a_later_attempt_tells_no_pace(make_spec: Any) -> None:
    """It may have begun at a checkpoint: 90 of these steps were done before."""
    deadlines = Deadlines()
    spec = make_spec().retry()
    deadlines.begin(spec, now=0.0)
    deadlines.progress(spec, step=100, now=10.0)
    assert deadlines.limit(horizon=1) == UNKNOWN_SECONDS
    deadlines.progress(spec, step=110, now=20.0)
    assert deadlines.limit(horizon=1) == GRACE_SECONDS + PACE_FACTOR * 1.0


def test_the_result_of_an_overdue_attempt_names_it_and_the_limit(make_spec: Any) -> None:
    result = overdue_result(make_spec(trial=7), 90.0)
    assert result.status == "failed"
    assert result.error == "t0007: no result after 90 s, so its process was ended"
