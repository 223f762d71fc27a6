"""The parts of a campaign: each runs trials for a while, and then says which parts follow.

A search is followed by its matched control and by the final trainings of what it recommends, a
final training by the evaluations of its models. All state is in the folders of the parts, so a
part whose inputs have not changed is done when it is opened; one whose inputs have changed is
moved to ``superseded/`` and begins anew.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prior_search.campaign.ground import Ground, Part, Relay
from prior_search.campaign.plan import control_name, control_of
from prior_search.errors import ChangedRequestError
from prior_search.evaluation_runs import EvaluationRuns
from prior_search.event_log import holds_study
from prior_search.final_training import FinalTraining
from prior_search.past_searches import read_past
from prior_search.report import Export, export_best, read_export
from prior_search.request import StudyRequest
from prior_search.study import Study
from prior_search.study_folder import create_study, made_on
from prior_search.study_search import PastTraining


class SearchPart:
    """The searches of one family and task, or their matched control.

    Args:
        ground: of the campaign.
        request: of the study.
        past: folder of a finished study to take trainings over from.
    """

    def __init__(self, ground: Ground, request: StudyRequest, past: Path | None = None) -> None:
        self._ground, self._request = ground, request
        self.name = request.name
        self.folder = ground.root / request.name
        self.owns = [(request.name, search) for search in request.searches]
        self.data, fingerprint = ground.data[request.task]
        self.trials_folder = self.folder / "trials"
        facts: dict[str, Any] = {
            "versions": dict(ground.versions),
            "data_fingerprint": fingerprint,
        }
        trainings: list[PastTraining] = []
        if past is not None:
            tuned, trainings = read_past(past)
            facts["tuned"] = {arm: dataclasses.asdict(own) for arm, own in tuned.items()}
        self._create(facts)
        relay = Relay(ground, self.folder)
        self.source = Study(self.folder, listener=relay)
        relay.begin(self.source.events)
        if not self.source.is_finished:
            self.source.reuse(trainings)
            self.source.begin({"pid": os.getpid(), **facts})

    @property
    def num_ended(self) -> int:
        """Runs that have ended."""
        return self.source.num_ended

    def finish(self) -> list[Part]:
        """Record the recommendations; the control and the final trainings follow."""
        study, ground, request = self.source, self._ground, self._request
        study.finish()
        missing = [s for s in request.searches if not study.optimizer(s).has_recommendation]
        found = len(missing) < len(request.searches)
        paths = export_best(study, self.folder / "best") if found else []
        self.close()
        for search in missing:
            ground.say(f"{self.name}: no trial of {search} at the full horizon succeeded")
        parts: list[Part] = []
        track = ground.plan.track(request.task)
        if track.matched_control and not request.matched:
            parts.append(SearchPart(ground, control_of(request), past=self.folder))
        return parts + [FinalPart(ground, read_export(path), self.folder) for path in paths]

    def close(self) -> None:
        """Release the log."""
        self.source.close()

    def _create(self, facts: Mapping[str, Any]) -> None:
        """Make the study, unless the folder holds it already."""
        if holds_study(self.folder):
            known, fingerprint = made_on(self.folder)
            is_same = not known.differences(self._request)
            if is_same and fingerprint == facts["data_fingerprint"]:
                return
            self._ground.supersede(self.folder)
            control = self.folder.with_name(control_name(self.folder.name))
            if holds_study(control):  # it says where weights moved from these searches
                self._ground.supersede(control)
        create_study(self.folder, self._request, facts)


class FinalPart:
    """The final training of one recommended configuration.

    Args:
        ground: of the campaign.
        export: what to train.
        study: folder of the study that recommends it.
    """

    def __init__(self, ground: Ground, export: Export, study: Path) -> None:
        self._ground = ground
        self.name = f"{export.study} {export.bottleneck} final"
        self.folder = final_folder(study, export)
        self.data = ground.data[export.task][0]
        self.trials_folder = self.folder / "trials"
        seeds = ground.plan.track(export.task).final_seeds
        relay = Relay(ground, self.folder)
        try:
            self.source = FinalTraining(export, self.folder, num_seeds=seeds, listener=relay)
        except ChangedRequestError:
            ground.supersede(self.folder)
            self.source = FinalTraining(export, self.folder, num_seeds=seeds, listener=relay)
        relay.begin(self.source.events)
        self.owns = [(spec.study, spec.search) for spec in self.source.specs[:1]]

    @property
    def num_ended(self) -> int:
        """Seeds that have ended."""
        return self.source.num_ended

    def finish(self) -> list[Part]:
        """Write the metrics and say what failed; the evaluations follow."""
        self.source.write_metrics()
        for spec, error in self.source.failures:
            self._ground.say(f"{self.name}: {spec.label} has no model: {error}")
        self.close()
        return [EvaluationPart(self._ground, self)]

    def close(self) -> None:
        """Release the log."""
        self.source.close()


class EvaluationPart:
    """The evaluations of the models of one final training.

    Args:
        ground: of the campaign.
        final: the finished training.
    """

    def __init__(self, ground: Ground, final: FinalPart) -> None:
        self._ground = ground
        self.name = final.name.removesuffix("final") + "evaluation"
        self.owns, self.data, self.trials_folder = final.owns, final.data, final.trials_folder
        self.source = EvaluationRuns(final.source.completed, final.trials_folder)

    @property
    def num_ended(self) -> int:
        """Models that were evaluated."""
        return self.source.num_ended

    def finish(self) -> list[Part]:
        """Say what could not be evaluated; nothing follows."""
        for label, error in self.source.errors.items():
            self._ground.say(f"{self.name}: {label} was not evaluated: {error}")
        return []

    def close(self) -> None:
        """Nothing is held."""


def final_folder(study: Path, export: Export) -> Path:
    """Where the final training of an exported configuration is kept, beside the exports."""
    return study / "final" / f"{export.bottleneck}-t{export.trial:04d}"
