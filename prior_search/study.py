"""A study: the searches of one request, sharing the workers, recorded event by event.

``Study`` hands out trials and takes their results; it knows neither Ray nor MLflow nor torch. Each
change is in the event log before anyone acts on it, so a study whose driver died is opened again
by replaying the log: suggestions are adopted, not computed anew, and trials that were running are
handed out again, one attempt later.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from prior_search.errors import RecordError, RequestError
from prior_search.event_log import Event, EventLog, holds_study
from prior_search.request import StudyRequest
from prior_search.search import Recommendation, Suggestion, TwoStageOptimizer
from prior_search.steering import Steering
from prior_search.storage.working_copy import publish
from prior_search.study_runs import StudyRuns
from prior_search.study_search import PastTraining, Run, StudySearch
from prior_search.trial import MetricPoint, TrialResult, TrialSpec

logger = logging.getLogger(__name__)


class Study:
    """The state of a study; satisfies ``runner.TrialSource``.

    Args:
        folder: holds ``study.toml`` and ``events.jsonl``; ``create`` or an earlier driver made it.
        listener: called with every new event, after it is in the log.
        read_only: only look, also while another process runs the study.

    Raises:
        RequestError: there is no study in ``folder``, or another process runs it.
        RecordError: the log is damaged or contradicts the request.
    """

    def __init__(
        self,
        folder: Path,
        listener: Callable[[Event], None] | None = None,
        *,
        read_only: bool = False,
    ) -> None:
        self.folder = folder
        if not holds_study(folder):
            raise RequestError(f"no study in {folder}: events.jsonl is missing or has no event")
        self.request = StudyRequest.read(folder / "study.toml")
        self._log = EventLog(folder / "events.jsonl", read_only=read_only)
        self._listener = listener
        self._searches = {name: StudySearch(self.request, name) for name in self.request.searches}
        self._runs = StudyRuns()
        self._steered: list[Steering] = []
        self._finished_searches: set[str] = set()
        self._past: dict[tuple[object, ...], PastTraining] = {}
        for event in self._log.events:
            self._replay(event)

    @staticmethod
    def create(folder: Path, request: StudyRequest, facts: Mapping[str, Any]) -> None:
        """Make the folder of a new study; ``facts`` (versions, data, ...) go into its first event.

        Raises:
            RequestError: the folder cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            request.write(folder / "study.toml")
            publish(folder)
            with EventLog(folder / "events.jsonl") as log:
                if log.events:
                    raise RequestError(f"another process has just made the study in {folder}")
                data = request.as_dict()
                data |= {"study": request.name, "searches": list(request.searches), **facts}
                log.append("study_created", data)
        except OSError as error:
            raise RequestError(f"cannot write the study to {folder}: {error}") from error

    # --- what a runner calls

    def begin(self, facts: Mapping[str, Any]) -> None:
        """Record a driver's start and take up again the runs that the last driver left behind."""
        self._append("driver_started", facts)
        for run in self._runs.open:
            if not self._reuse(run):
                self._retry(run, "driver ended")
        for search in self._searches.values():
            for runs in list(search.runs.values()):
                self._hand_out(search, runs[0].suggestion)  # arms that the driver came not to

    def reuse(self, trainings: Iterable[PastTraining]) -> None:
        """Take over these results for trials to come that would train exactly the same.

        To be called before ``begin``. The caller answers for equal data.
        """
        for training in trainings:
            if training.result.status in ("completed", "diverged"):
                self._past[training.spec.training] = training

    def steer(self, steering: Steering) -> None:
        """Record a user's change to a search and make it, unless that was done before.

        Raises:
            ValueError: the search cannot take it, or the study is finished.
        """
        last = next((s for s in reversed(self._steered) if steering.concerns(s)), None)
        if last is not None and steering.repeats(last):
            return
        if self.is_finished:
            raise ValueError(f"the study is finished; {steering.kind} comes too late")
        self._searches[steering.search].steer(steering)
        self._append("search_steered", steering.as_dict())
        self._steered.append(steering)

    def next_trial(self) -> TrialSpec | None:
        """The next attempt to run; None while every search waits for results or is done."""
        while not self._runs.num_waiting and self._suggest():
            pass  # all arms of a suggestion may be known already
        return self._runs.take_waiting()

    def record_start(self, spec: TrialSpec, worker: str) -> None:
        """An attempt has begun."""
        data = {"search": spec.search, "key": list(spec.key), "worker": worker}
        self._append("trial_started", data)

    def record_point(self, spec: TrialSpec, point: MetricPoint) -> None:
        """Metrics of a running attempt."""
        self._append(
            "metric_point", {"search": spec.search, "key": list(spec.key), **point.as_dict()}
        )

    def record(self, result: TrialResult) -> None:
        """An attempt has ended. A second result of the same run is logged and changes nothing.

        Raises:
            RecordError: the study never handed out this attempt.
        """
        run = self._run_of(result)
        kind = "trial_ended" if run.outcome is None else "late_result"
        event = self._append(kind, {"search": run.search.name, "result": result.as_dict()})
        if kind == "late_result":
            return
        if self._runs.end(run, TrialResult.from_dict(event["result"])):
            self._retry(run, result.error or result.status)

    @property
    def is_finished(self) -> bool:
        """Whether every search has spent its budget and every run has its outcome."""
        return not self._runs.open and all(
            search.optimizer.is_finished for search in self._searches.values()
        )

    @property
    def num_ended(self) -> int:
        """Training runs that have their outcome."""
        return self._runs.num_ended

    # --- what the commands and the report call

    @property
    def events(self) -> list[Event]:
        """All events, oldest first."""
        return self._log.events

    @property
    def has_recommendation(self) -> bool:
        """Whether any search has one."""
        return any(search.optimizer.has_recommendation for search in self._searches.values())

    def recommend(self, name: str) -> Recommendation:
        """A search's recommendation; ``.trial`` is the study's trial number of the first arm."""
        search = self._searches[name]
        recommendation = search.optimizer.recommend()
        trial = search.trial_numbers[recommendation.trial]
        return dataclasses.replace(recommendation, trial=trial)

    def finish(self) -> dict[str, Recommendation | None]:
        """Record the recommendations of a finished study; None where no long trial succeeded."""
        recommendations: dict[str, Recommendation | None] = {}
        for name, search in self._searches.items():
            found = search.optimizer.has_recommendation
            recommendations[name] = self.recommend(name) if found else None
            if name not in self._finished_searches:
                best = recommendations[name]
                data = None if best is None else best.as_dict()
                self._append("search_finished", {"search": name, "recommendation": data})
                self._finished_searches.add(name)
        if not any(event["event"] == "study_finished" for event in self.events):
            self._append("study_finished", {})
        return recommendations

    def optimizer(self, name: str) -> TwoStageOptimizer:
        """The optimizer of one search, for diagnostics."""
        return self._searches[name].optimizer

    def close(self) -> None:
        """Release the log."""
        self._log.close()

    # --- inside

    def _append(self, kind: str, data: Mapping[str, Any]) -> Event:
        event = self._log.append(kind, data)
        if self._listener is not None:
            self._listener(event)
        return event

    def _run_of(self, result: TrialResult) -> Run:
        run = self._runs.of(result)
        if run is None:
            raise RecordError(f"a result for attempt {result.key}, which was never handed out")
        return run

    def _suggest(self) -> bool:
        """Hand out a suggestion of the search that has spent least; False: there is none."""
        for search in sorted(self._searches.values(), key=lambda s: s.spent / s.budget):
            suggestion = search.optimizer.ask()
            if suggestion is not None:
                self._hand_out(search, suggestion)
                return True
        return False

    def _hand_out(self, search: StudySearch, suggestion: Suggestion) -> None:
        """Record all arms of a suggestion that the log does not have, and let them wait."""
        for spec in search.missing_arms(suggestion, self._runs.next_trial):
            data: dict[str, Any] = {"search": search.name, "trial": spec.trial}
            data |= {"replicate": spec.replicate}
            data |= {"suggestion": suggestion.as_dict(), "spec": spec.as_dict()}
            self._append("trial_suggested", data)
            run = search.add(suggestion, spec)
            self._runs.add(run)
            if not self._reuse(run):
                self._runs.wait(run)

    def _reuse(self, run: Run) -> bool:
        """Record what is known of a training instead of doing it again; False if nothing is."""
        past = self._past.get(run.spec.training)
        if past is None:
            return False
        trial, replicate, attempt = run.spec.key
        result = dataclasses.replace(
            past.result, trial=trial, replicate=replicate, attempt=attempt, wall_seconds=0.0
        )
        data = {"search": run.search.name, "result": result.as_dict(), "reused": past.source}
        self._append("trial_ended", data)
        self._runs.end(run, result)
        return True

    def _retry(self, run: Run, reason: str) -> None:
        spec = run.spec.retry()
        data = {"search": spec.search, "spec": spec.as_dict(), "reason": reason}
        self._append("trial_retried", data)
        self._runs.wait(self._runs.retry(spec))

    def _replay(self, event: Event) -> None:
        kind = event["event"]
        if kind == "trial_suggested":
            search = self._searches[event["search"]]
            suggestion = Suggestion.from_dict(event["suggestion"])
            if suggestion.index not in search.runs:  # its first arm
                search.optimizer.adopt(suggestion)
            self._runs.add(search.add(suggestion, TrialSpec.from_dict(event["spec"])))
        elif kind == "trial_retried":
            self._runs.retry(TrialSpec.from_dict(event["spec"]))
        elif kind == "trial_ended":
            result = TrialResult.from_dict(event["result"])
            self._runs.end(self._run_of(result), result)
        elif kind == "search_steered":
            steering = Steering.from_dict(event)
            self._searches[steering.search].steer(steering)
            self._steered.append(steering)
        elif kind == "search_finished":
            self._finished_searches.add(event["search"])
