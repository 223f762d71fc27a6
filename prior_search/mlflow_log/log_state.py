"""What later events of a log need of earlier ones, also of those that the store has already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prior_search.event_log import Event
from prior_search.mlflow_log.registry import FinalModel
from prior_search.mlflow_log.runs import run_key
from prior_search.trial import TrialSpec

MODEL_FILE = "model.safetensors"

RunKey = tuple[int, int]  # (trial, replicate)


def ended_key(event: Event) -> RunKey:
    """The run that a result belongs to."""
    return (event["result"]["trial"], event["result"]["replicate"])


class LogState:
    """The log as far as it was read.

    Attributes:
        created: first event; empty before it came.
        specs: of the last attempt of every run.
        outcomes: objectives of runs that have ended; None for those not completed.
        ended: searches that are finished.
        num_events: how far it was read.
    """

    def __init__(self) -> None:
        self.created: Event = {}
        self.specs: dict[RunKey, TrialSpec] = {}
        self.outcomes: dict[RunKey, float | None] = {}
        self.ended: set[str] = set()
        self.num_events = 0

    def note(self, event: Event) -> None:
        """Take in an event; the same one again changes nothing."""
        kind = event["event"]
        self.num_events = max(self.num_events, event["seq"] + 1)
        if kind == "study_created":
            self.created = event
        elif kind in ("trial_suggested", "trial_retried"):
            spec = TrialSpec.from_dict(event["spec"])
            self.specs[spec.key[:2]] = spec
        elif kind == "trial_ended" and event["result"]["status"] != "lost":
            self.outcomes[ended_key(event)] = event["result"]["objective"]
        elif kind == "search_finished":
            self.ended.add(event["search"])

    @property
    def experiment(self) -> str:
        """A final training is in its study's experiment."""
        return str(self.created.get("experiment", self.created["study"]))

    @property
    def is_final(self) -> bool:
        """Whether this is the log of a final training."""
        return "experiment" in self.created

    @property
    def open_searches(self) -> list[str]:
        """Searches that go on; a final training does until all its seeds have ended."""
        if self.is_final and self.specs and self.specs.keys() == self.outcomes.keys():
            return []
        return [search for search in self.created["searches"] if search not in self.ended]

    def final_models(self, folder: Path, run_ids: dict[str, str]) -> Iterator[FinalModel]:
        """Completed final trainings whose model is in the log's folder."""
        for key, spec in self.specs.items():
            file = folder / "trials" / spec.label / MODEL_FILE
            objective = self.outcomes.get(key)
            if spec.stage == "final" and objective is not None and file.exists():
                yield FinalModel(run_ids[run_key(key)], spec, file, objective)
