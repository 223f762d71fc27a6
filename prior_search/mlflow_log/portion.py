"""A portion of a log, by run: what many events change in a store, said once.

A store takes some milliseconds per call, whatever it carries. So the events of a portion are put
together first, without the store: all metrics of a run, its params, the last value of each tag
and its last status. Sending them takes four calls for a run that begins and ends in the portion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from prior_search.event_log import Event
from prior_search.mlflow_log import fields
from prior_search.mlflow_log.fields import run_key, search_key
from prior_search.mlflow_log.log_state import LogState, ended_key
from prior_search.trial import TrialSpec

STATUS = {"completed": "FINISHED", "diverged": "FINISHED", "stopped": "KILLED"}
RUNNING = "RUNNING"
ENDS = ("trial_ended", "search_finished")


@dataclass(frozen=True, slots=True)
class Birth:
    """How a run is made; ``when`` in Unix seconds, ``parent`` by key."""

    name: str
    when: float
    parent: str | None = None


class Value(NamedTuple):
    """A metric at a step; ``time`` in Unix milliseconds."""

    name: str
    value: float
    time: int
    step: int


@dataclass(slots=True)
class RunChange:
    """All that a portion says of one run.

    Attributes:
        birth: if the run begins here.
        status: the last one; None if nothing is said of it.
        ended: when it was reached, in Unix seconds; only of a run that does not go on.
    """

    birth: Birth | None = None
    metrics: list[Value] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    status: str | None = None
    ended: float = 0.0

    def note(
        self,
        when: float,
        *,
        metrics: Mapping[str, float] | None = None,
        step: int = 0,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> None:
        """Add metrics, params and tags; ``when`` in Unix seconds."""
        milliseconds = int(when * 1000)
        self.metrics += [Value(n, v, milliseconds, step) for n, v in (metrics or {}).items()]
        self.params |= {name: str(value) for name, value in (params or {}).items()}
        self.tags |= {name: str(value) for name, value in (tags or {}).items()}

    def end(self, status: str, when: float) -> None:
        """The run does not go on, for all that is known."""
        self.status, self.ended = status, when


class Portion:
    """Events that go to a store together.

    Args:
        state: of the log; each event must be noted there before it is taken here.
    """

    def __init__(self, state: LogState) -> None:
        self._state = state
        self.runs: dict[str, RunChange] = {}  # by key; a parent before its children
        self.num_events = 0
        self.last = -1  # seq
        # seq of the last end of a run or a search: what comes after it may yet be lost with the
        # driver's machine, and the next driver gives its numbers to other events
        self.last_end: int | None = None

    def take(self, event: Event) -> None:
        """Put the next event to the others."""
        handler = getattr(self, f"_on_{event['event']}", None)
        if handler is not None:
            handler(event)
        self.num_events += 1
        self.last = event["seq"]
        if event["event"] in ENDS:
            self.last_end = event["seq"]

    def _of(self, key: str) -> RunChange:
        return self.runs.setdefault(key, RunChange())

    # --- one method per kind of event

    def _on_study_created(self, event: Event) -> None:
        for search in event["searches"]:
            run = self._of(search_key(search))
            run.birth = Birth(self._state.name_of(search), event["time"])
            tags, params = fields.search_tags(event, search), fields.search_params(event)
            run.note(event["time"], tags=tags, params=params)

    def _on_trial_suggested(self, event: Event) -> None:
        spec = self._state.specs[(event["trial"], event["replicate"])]
        is_third_level = spec.replicate and (spec.trial, 0) in self._state.specs
        parent = run_key((spec.trial, 0)) if is_third_level else search_key(spec.search)
        run = self._of(run_key(spec.key))
        run.birth = Birth(fields.trial_name(spec), event["time"], parent)
        run.note(
            event["time"],
            tags=fields.trial_tags(spec),
            params=fields.trial_params(spec),
            metrics=fields.predictions(event["suggestion"]),
        )
        if self._state.is_final:  # a seed more, maybe of a training that had ended
            self._of(search_key(spec.search)).status = RUNNING

    def _on_trial_started(self, event: Event) -> None:
        tags = {"state": "running", "attempt": event["key"][2]}
        self._of(run_key(event["key"])).note(event["time"], tags=tags)

    def _on_metric_point(self, event: Event) -> None:
        run = self._of(run_key(event["key"]))
        run.note(event["time"], metrics=event["metrics"], step=event["step"])

    def _on_trial_ended(self, event: Event) -> None:
        result, run = event["result"], self._of(run_key(ended_key(event)))
        metrics, tags = fields.ended_metrics(event), fields.ended_tags(event)
        run.note(event["time"], metrics=metrics, step=result["steps"], tags=tags)
        run.end(STATUS.get(result["status"], "FAILED"), event["time"])
        self._note_best(event)
        if not self._state.open_searches:
            self._of(search_key(event["search"])).end("FINISHED", event["time"])

    def _note_best(self, event: Event) -> None:
        """The lowest objective of a search so far, by the number of its runs that ended."""
        search = event["search"]
        best = self._state.lowest(search)
        if best is not None and event["result"]["status"] != "lost":
            run, step = self._of(search_key(search)), self._state.num_ended(search)
            run.note(event["time"], metrics={"best_objective": best}, step=step)

    def _on_trial_retried(self, event: Event) -> None:
        run = self._of(run_key(TrialSpec.from_dict(event["spec"]).key))
        run.note(event["time"], tags={"state": "pending"})
        run.status = RUNNING

    def _on_search_finished(self, event: Event) -> None:
        run, best = self._of(search_key(event["search"])), event["recommendation"]
        if best is not None:
            params = {f"best.{name}": value for name, value in best["values"].items()}
            names = ("predicted_mean", "predicted_sd")
            metrics = {f"best.{name}": best[name] for name in names if best[name] is not None}
            run.note(event["time"], params=params, metrics=metrics)
        run.end("FINISHED", event["time"])
