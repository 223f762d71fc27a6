"""What later events of a log need of earlier ones, also of those that the store has already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from prior_search.event_log import Event
from prior_search.mlflow_log.fields import run_key
from prior_search.mlflow_log.registry import FinalModel
from prior_search.trial import TrialSpec

MODEL_FILE = "model.safetensors"

RunKey = tuple[int, int]  # (trial, replicate)


def ended_key(event: Event) -> RunKey:
    """The run that a result belongs to."""
    return (event["result"]["trial"], event["result"]["replicate"])


class LogState:
    """The log as far as it was read.

    Args:
        folder: of the log.

    Attributes:
        created: first event; empty before it came.
        specs: of the last attempt of every run.
        outcomes: objectives of runs that have ended; None for those not completed.
        ended: searches that are finished.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.created: Event = {}
        self.specs: dict[RunKey, TrialSpec] = {}
        self.outcomes: dict[RunKey, float | None] = {}
        self.ended: set[str] = set()
        self._num_ended: Counter[str] = Counter()
        self._lowest: dict[str, tuple[int, float]] = {}  # by search: minus the horizon, objective

    def note(self, event: Event) -> None:
        """Take in the next event."""
        kind = event["event"]
        if kind == "study_created":
            self.created = event
        elif kind in ("trial_suggested", "trial_retried"):
            spec = TrialSpec.from_dict(event["spec"])
            self.specs[spec.key[:2]] = spec
        elif kind == "trial_ended" and event["result"]["status"] != "lost":
            self._note_outcome(ended_key(event), event["result"]["objective"])
        elif kind == "search_finished":
            self.ended.add(event["search"])

    def _note_outcome(self, key: RunKey, objective: float | None) -> None:
        search = self.specs[key].search
        self._num_ended[search] += key not in self.outcomes
        self.outcomes[key] = objective
        if objective is not None:
            place = (-self.specs[key].horizon, objective)
            self._lowest[search] = min(place, self._lowest.get(search, place))

    @property
    def experiment(self) -> str:
        """A final training is in its study's experiment."""
        return str(self.created.get("experiment", self.created["study"]))

    @property
    def is_final(self) -> bool:
        """Whether this is the log of a final training."""
        return "experiment" in self.created

    def name_of(self, search: str) -> str:
        """What the run of a search is called."""
        return f"final {self.folder.name}" if self.is_final else search

    @property
    def open_searches(self) -> list[str]:
        """Searches that go on; a final training does until all its seeds have ended."""
        if self.is_final and self.specs and self.specs.keys() == self.outcomes.keys():
            return []
        return [search for search in self.created["searches"] if search not in self.ended]

    def num_ended(self, search: str) -> int:
        """How many runs of a search have ended."""
        return self._num_ended[search]

    def lowest(self, search: str) -> float | None:
        """Lowest objective of a search at the longest horizon that has one; None before."""
        return self._lowest[search][1] if search in self._lowest else None

    def final_models(self, run_ids: dict[str, str]) -> Iterator[FinalModel]:
        """Completed final trainings whose model is in the log's folder."""
        for key, spec in self.specs.items():
            file = self.folder / "trials" / spec.label / MODEL_FILE
            objective = self.outcomes.get(key)
            if spec.stage == "final" and objective is not None and file.exists():
                yield FinalModel(run_ids[run_key(key)], spec, file, objective)
