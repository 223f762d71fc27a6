"""What a campaign has measured so far, read from the folders of its parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prior_search.campaign.parts import final_folder
from prior_search.campaign.plan import CampaignPlan, control_name
from prior_search.data import open_tracks
from prior_search.evaluation import EVALUATION_NAME, Evaluation
from prior_search.event_log import PLAN_NAME, Event, holds_study, read_events
from prior_search.model_evaluation import known_evaluation, pictured, reconstructions
from prior_search.model_file import MODEL_NAME
from prior_search.models import parameter_table
from prior_search.report import Export, draw_accuracy_by_budget, read_export, trial_rows
from prior_search.report.comparison import ComparisonInput
from prior_search.report.comparison_charts import WeightMove
from prior_search.report.compute import EqualTuning, compute_of, equal_tuning
from prior_search.report.control_view import tuned_in, weight_moves
from prior_search.report.pictures import PictureTable, picture_table
from prior_search.report.results import Arm, Result, Results, from_evaluations
from prior_search.request import StudyRequest
from prior_search.study import Study
from prior_search.trial import Bottleneck, Task

PICTURED = 2  # held-out images of Fig. 5


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyOutcome:
    """One study of a campaign: searches, or their matched control.

    Attributes:
        models: evaluations of the final models, by file, of the configurations recommended now.
    """

    folder: Path
    request: StudyRequest
    events: list[Event]
    models: dict[Path, Evaluation]

    @property
    def arm(self) -> Arm:
        """Whether its weights are common ones."""
        return "matched" if self.request.matched else "tuned"


def outcomes(root: Path) -> list[StudyOutcome]:
    """All studies of a campaign that have begun, controls after what they control."""
    plan = CampaignPlan.read(root / PLAN_NAME)
    found = []
    for track in plan.tracks:
        for family in track.families:
            name = plan.study_name(family, track.task)
            names = [name, *([control_name(name)] if track.matched_control else [])]
            folders = [root / name for name in names if holds_study(root / name)]
            found += [_outcome(folder, track.final_seeds) for folder in folders]
    return found


def comparison_input(
    root: Path, found: Sequence[StudyOutcome], data: Mapping[Task, str]
) -> ComparisonInput:
    """Everything that ``report.comparison`` shows; what is not there yet is left out.

    Args:
        root: folder of the campaign.
        found: its ``outcomes``.
        data: by task, where its set is.
    """
    plan = CampaignPlan.read(root / PLAN_NAME)
    rows: list[Result] = []
    for study in found:
        rows += from_evaluations([e.as_dict() for e in study.models.values()], study.arm)
    return ComparisonInput(
        title=plan.name,
        results=Results(rows),
        tuning={study.request.name: _tuning(study) for study in found},
        moves=[move for study in found for move in _moves(study)],
        preset=plan.preset,
        parameters=parameter_table(plan.preset),
        pictures=_pictures(found, data),
        facts=_facts(plan, found),
        pages={study.request.name: f"../{study.folder.name}/report/index.html" for study in found},
    )


def write_evaluations(study: StudyOutcome) -> None:
    """Put the pictures of a study's final models where the study's own page shows them."""
    probed = [e for e in study.models.values() if e.probes]
    if probed:
        folder = study.folder / "final" / "evaluation"
        folder.mkdir(parents=True, exist_ok=True)
        draw_accuracy_by_budget(probed, folder)


def _outcome(folder: Path, num_seeds: int) -> StudyOutcome:
    request = StudyRequest.read(folder / "study.toml")
    models = {}
    for path in sorted((folder / "best").glob("*.toml")):
        for file in _models(folder, read_export(path), num_seeds):
            evaluation = known_evaluation(file)
            if evaluation is not None:
                models[file] = evaluation
    events = read_events(folder / "events.jsonl")
    return StudyOutcome(folder=folder, request=request, events=events, models=models)


def _models(study: Path, export: Export, num_seeds: int) -> Iterator[Path]:
    """Files of the models of a recommended configuration, those that there are."""
    for path in sorted(final_folder(study, export).glob(f"trials/*/{EVALUATION_NAME}")):
        model = path.with_name(MODEL_NAME)
        if model.exists() and _replicate(path.parent.name) < num_seeds:
            yield model


def _replicate(label: str) -> int:
    return int(label.partition("-r")[2] or 0)


def _tuning(study: StudyOutcome) -> EqualTuning:
    is_finished = any(event["event"] == "study_finished" for event in study.events)
    return equal_tuning(
        compute_of(study.request, trial_rows(study.events)), is_finished=is_finished
    )


def _moves(study: StudyOutcome) -> list[WeightMove]:
    if not study.request.matched:
        return []
    opened = Study(study.folder, read_only=True)
    try:
        if not opened.optimizer("control").has_recommendation:
            return []
        common = opened.recommend("control").values
    finally:
        opened.close()
    return weight_moves(study.request.family, tuned_in(study.events), common)


def _pictures(found: Iterable[StudyOutcome], data: Mapping[Task, str]) -> PictureTable | None:
    """A few held-out images through the first seed of every autoencoder of one family."""
    for study in found:
        chosen = {
            evaluation.spec.bottleneck: file
            for file, evaluation in study.models.items()
            if evaluation.image_quality and evaluation.spec.replicate == 0
        }
        if chosen and not study.request.matched:
            return _reconstructions(chosen, data[study.request.task])
    return None


def _reconstructions(files: Mapping[Bottleneck, Path], data: str) -> PictureTable:
    images = pictured(open_tracks(data), PICTURED)
    made = {arm: reconstructions(file, images, device="cpu") for arm, file in files.items()}
    stacked: dict[str, np.ndarray] = {
        arm: np.stack(list(by_budget.values()), 1) for arm, by_budget in made.items()
    }
    return picture_table(images / 255.0, stacked, tuple(next(iter(made.values()))))


def _facts(plan: CampaignPlan, found: Sequence[StudyOutcome]) -> dict[str, str]:
    """What made the numbers, as the logs say."""
    created = [study.events[0] for study in found]
    prints = {
        f"{study.request.task} data": f"{study.request.data}, fingerprint "
        f"{study.events[0]['data_fingerprint']}"
        for study in found
    }
    made_with = dict.fromkeys(
        ", ".join(f"{name} {version}" for name, version in event["versions"].items())
        for event in created
    )
    seeds = {f"seeds of a final training, {t.task}": str(t.final_seeds) for t in plan.tracks}
    return {
        "command": f"prior-search study {PLAN_NAME}",
        "preset": plan.preset,
        "seed": str(plan.seed),
        **seeds,
        **prints,
        "versions": "; and ".join(made_with),
    }
