"""What went wrong in a study, and what was done about it."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from prior_search.event_log import Event

WRONG = {
    "lost": "the machine or the worker went away",
    "failed": "the code raised an error",
    "diverged": "the loss ceased to be a finite number: a result, told to the search",
    "stopped": "the user ended the driver; the run is taken up again by the next one",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One attempt that did not complete, a retry, a late result or a new driver.

    Attributes:
        when: in UTC, to the second.
        run: label of the run, or "study".
        kind: lost, failed, diverged, stopped, retry, late result, driver restarted.
        text: the error message as it was recorded, or what happened.
    """

    when: str
    run: str
    kind: str
    text: str


def incidents(events: Iterable[Event]) -> list[Incident]:
    """In the order in which they happened."""
    found = []
    drivers = 0
    for event in events:
        kind = event["event"]
        if kind == "driver_started":
            drivers += 1
            if drivers > 1:
                text = f"driver {drivers} took over the study"
                found.append(_incident(event, "study", "driver restarted", text))
        elif kind == "trial_retried":
            spec = event["spec"]
            label = f"{_label(spec)}, attempt {spec['attempt'] + 1}"
            found.append(_incident(event, label, "retry", f"handed out again: {event['reason']}"))
        elif kind in ("trial_ended", "late_result"):
            found += _of_result(event, event["result"])
    return found


def clock(seconds: float) -> str:
    """Unix seconds as a date and time in UTC."""
    when = datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC)
    return when.strftime("%Y-%m-%d %H:%M:%S UTC")


def _of_result(event: Event, result: Event) -> list[Incident]:
    label = f"{_label(result)}, attempt {result['attempt'] + 1}"
    if event["event"] == "late_result":
        text = f"{result['status']}, after the run had its outcome; not counted"
        return [_incident(event, label, "late result", text)]
    if result["status"] in WRONG:
        text = result["error"] or WRONG[result["status"]]
        return [_incident(event, label, result["status"], text)]
    return []


def _incident(event: Event, run: str, kind: str, text: str) -> Incident:
    return Incident(when=clock(event["time"]), run=run, kind=kind, text=text)


def _label(run: Event) -> str:
    return f"t{run['trial']:04d}" + (f"-r{run['replicate']}" if run["replicate"] else "")
