"""What finished studies hold for a matched control of theirs: recommendations and trainings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from prior_search.event_log import Event
from prior_search.report import trial_rows
from prior_search.report.control_view import Tuned
from prior_search.study import Study
from prior_search.study_search import PastTraining
from prior_search.trial import Bottleneck, TrialResult

ARMS: tuple[Bottleneck, Bottleneck] = ("itd", "td")


def read_past(folder: Path) -> tuple[dict[str, Tuned], list[PastTraining]]:
    """Recommendations of the arms' own searches by bottleneck, and what they have trained.

    Args:
        folder: of a finished study.
    """
    study = Study(folder, read_only=True)
    try:
        name = study.request.name
        tuned = {}
        for arm in ARMS:
            if arm in study.request.searches and study.optimizer(arm).has_recommendation:
                best = study.recommend(arm)
                tuned[str(arm)] = Tuned(
                    study=name,
                    values=dict(best.values),
                    predicted_mean=best.predicted_mean,
                    predicted_sd=best.as_dict()["predicted_sd"],
                )
        return tuned, list(_trainings(name, study.events))
    finally:
        study.close()


def _trainings(name: str, events: Sequence[Event]) -> Iterable[PastTraining]:
    specs = {row.spec.key[:2]: row.spec for row in trial_rows(events)}
    for event in events:
        if event["event"] == "trial_ended":
            result = TrialResult.from_dict(event["result"])
            spec = specs[result.key[:2]]
            yield PastTraining(spec=spec, result=result, source=f"{name} {spec.label}")
