"""How long a search takes to go on after a fault: noted by tests, a table at the end of pytest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

PREFIX = "recovered: "

Events = Iterable[Mapping[str, Any]]


@pytest.fixture
def recovered(record_property: Callable[[str, object], None]) -> Callable[[str, float], None]:
    """Notes the seconds that a search took after the fault of this name."""
    return lambda fault, seconds: record_property(f"{PREFIX}{fault}", seconds)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    noted = [
        (name.removeprefix(PREFIX), value)
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name.startswith(PREFIX)
    ]
    if noted:
        terminalreporter.section("seconds to recover")
    for fault, seconds in noted:
        terminalreporter.write_line(f"{seconds:8.1f}  {fault}")


def until_next(events: Events, since: float, kind: str = "trial_started") -> float:
    """Seconds from a moment (of ``time.time``) to the next event of a kind."""
    return min(e["time"] for e in events if e["event"] == kind and e["time"] > since) - since


def until_measured_again(events: Events, trial: int) -> float:
    """Seconds from the last sign of a trial's first attempt to what a later one measured first."""
    signs = [
        (e["key"][2], e["event"], e["time"])
        for e in events
        if e["event"] in ("trial_started", "metric_point") and e["key"][:2] == [trial, 0]
    ]
    last = max(time for attempt, _, time in signs if attempt == 0)
    return min(t for attempt, kind, t in signs if attempt > 0 and kind == "metric_point") - last
