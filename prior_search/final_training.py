"""Final training: one exported configuration at its full horizon with several new seeds."""

from __future__ import annotations

import dataclasses
import json
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from prior_search.errors import ChangedRequestError
from prior_search.event_log import Event, EventLog
from prior_search.report import Export
from prior_search.report.statistics import mean_and_interval
from prior_search.retries import Retries
from prior_search.study_search import derive_seed
from prior_search.trial import MetricPoint, TrialResult, TrialSpec


class FinalTraining:
    """The seeds of one export as a ``runner.TrialSource``, with an event log of its own.

    A folder that an earlier run left unfinished is continued: finished seeds are kept.

    Args:
        export: what to train.
        folder: for the log, the models and ``metrics.json``.
        num_seeds: how many seeds.
        steps: optimization steps; the export's by default.
        listener: called with every new event.

    Raises:
        ChangedRequestError: the folder holds the training of another configuration.
        RequestError: another process trains it.
    """

    def __init__(
        self,
        export: Export,
        folder: Path,
        *,
        num_seeds: int,
        steps: int | None = None,
        listener: Callable[[Event], None] | None = None,
    ) -> None:
        self.export, self.folder = export, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.specs = [self._spec(k, steps or export.steps) for k in range(num_seeds)]
        self._log = EventLog(folder / "events.jsonl")
        self._listener = listener
        self._results: dict[int, TrialResult] = {}
        self._retries = Retries()
        self._attempts: dict[int, int] = {}  # the next one of every seed
        self._open_log()
        self._waiting = deque(
            dataclasses.replace(spec, attempt=self._attempts.get(spec.replicate, 0))
            for spec in self.specs
            if spec.replicate not in self._results
        )

    def _spec(self, replicate: int, steps: int) -> TrialSpec:
        export = self.export
        return TrialSpec(
            study=f"{export.study}-final",
            search=export.bottleneck,
            trial=export.trial,
            replicate=replicate,
            stage="final",
            role="final",
            task=export.task,
            bottleneck=export.bottleneck,
            family=export.family,
            preset=export.preset,
            weights=export.weights,
            settings=export.settings,
            horizon=steps,
            # another stream than the search's, so that no seed of the search is trained again;
            # the same for every bottleneck and configuration, so that replicates are pairs
            seed=derive_seed(export.study_seed, "final", replicate),
        )

    def _open_log(self) -> None:
        """Take over what the log holds, and let it have what it lacks."""
        known = self._read_log()
        if not self._log.events:
            self._append("study_created", self._description())
        no_surrogate = {"predicted_mean": None, "predicted_sd": None, "acquisition": None}
        for spec in self.specs:
            if spec.replicate not in known:
                data = {"search": spec.search, "trial": spec.trial, "replicate": spec.replicate}
                data |= {"suggestion": no_surrogate, "spec": spec.as_dict()}
                self._append("trial_suggested", data)

    def _description(self) -> dict[str, Any]:
        """What the first event says."""
        export, first = self.export, self.specs[0]
        return {
            "study": first.study,
            "family": first.family,
            "task": first.task,
            "preset": first.preset,
            "seed": export.study_seed,
            "searches": [first.search],
            "data_fingerprint": export.data_fingerprint,
            "data": export.data,
            "experiment": export.study,
            "versions": dict(export.versions),
        }

    def _read_log(self) -> set[int]:
        """Results of earlier runs; returns the replicates that were handed out."""
        known = set()
        for event in self._log.events:
            if event["event"] == "trial_suggested":
                known.add(event["replicate"])
                self._check(TrialSpec.from_dict(event["spec"]))
            elif event["event"] == "trial_ended":
                result = TrialResult.from_dict(event["result"])
                if result.replicate < len(self.specs):  # fewer seeds may be asked for now
                    self._take(result)
        return known

    def _check(self, spec: TrialSpec) -> None:
        """Refuse a log of another configuration."""
        if spec.replicate < len(self.specs) and spec != self.specs[spec.replicate]:
            self.close()
            raise ChangedRequestError(
                f"{self.folder} holds the final training of another configuration; "
                "give another folder with --out"
            )

    def _append(self, kind: str, data: Mapping[str, Any]) -> None:
        event = self._log.append(kind, data)
        if self._listener is not None:
            self._listener(event)

    @property
    def events(self) -> list[Event]:
        """All events, oldest first."""
        return self._log.events

    @property
    def is_finished(self) -> bool:
        """Whether every seed has its result."""
        return len(self._results) == len(self.specs)

    @property
    def completed(self) -> list[TrialSpec]:
        """Seeds that left a model, in order."""
        return [
            spec
            for spec in self.specs
            if spec.replicate in self._results
            and self._results[spec.replicate].status == "completed"
        ]

    @property
    def failures(self) -> list[tuple[TrialSpec, str]]:
        """Seeds that have ended without a model, and why."""
        return [
            (spec, result.error or result.status)
            for spec in self.specs
            if (result := self._results.get(spec.replicate)) and result.status != "completed"
        ]

    @property
    def num_ended(self) -> int:
        """Seeds that have their result."""
        return len(self._results)

    def next_trial(self) -> TrialSpec | None:
        """The next seed to train, or None."""
        return self._waiting.popleft() if self._waiting else None

    def record_start(self, spec: TrialSpec, worker: str) -> None:
        """An attempt has begun."""
        self._append(
            "trial_started", {"search": spec.search, "key": list(spec.key), "worker": worker}
        )

    def record_point(self, spec: TrialSpec, point: MetricPoint) -> None:
        """Metrics of a running attempt."""
        self._append(
            "metric_point", {"search": spec.search, "key": list(spec.key), **point.as_dict()}
        )

    def record(self, result: TrialResult) -> None:
        """An attempt has ended; lost and failed ones are tried again, as often as in a search."""
        spec = self.specs[result.replicate]
        self._append("trial_ended", {"search": spec.search, "result": result.as_dict()})
        if self._take(result):
            return
        again = dataclasses.replace(spec, attempt=result.attempt + 1)
        reason = result.error or result.status
        data = {"search": spec.search, "spec": again.as_dict(), "reason": reason}
        self._append("trial_retried", data)
        self._waiting.append(again)

    def _take(self, result: TrialResult) -> bool:
        """Let a recorded result change the state; False if the seed is to be tried again."""
        self._attempts[result.replicate] = result.attempt + 1
        if self._retries.grants(result.replicate, result.status):
            return False
        self._results[result.replicate] = result
        return True

    def write_metrics(self) -> dict[str, Any]:
        """Write ``metrics.json``: every metric over the completed seeds, with its interval."""
        done = [r for r in self._results.values() if r.status == "completed"]
        values: dict[str, list[float]] = {}
        for result in sorted(done, key=lambda r: r.replicate):
            assert result.objective is not None  # of a completed run
            for name, value in {"objective": result.objective, **result.metrics}.items():
                values.setdefault(name, []).append(value)
        summary = {name: mean_and_interval(v) | {"values": v} for name, v in values.items()}
        content = {"completed": len(done), "seeds": len(self.specs), "metrics": summary}
        (self.folder / "metrics.json").write_text(json.dumps(content, indent=2) + "\n")
        return content

    def close(self) -> None:
        """Release the log."""
        self._log.close()
