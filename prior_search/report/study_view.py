"""What the report says of one study, gathered from its event log; ``page`` lays it out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prior_search.event_log import Event
from prior_search.report.charts import Chart
from prior_search.report.compute import EqualTuning, SearchCompute, compute_of, equal_tuning
from prior_search.report.control_section import ControlSection, control_section
from prior_search.report.final_models import FinalModel, final_models
from prior_search.report.incidents import Incident, clock, incidents
from prior_search.report.overview_charts import overview
from prior_search.report.search_view import SearchView, search_view
from prior_search.report.tables import TrialRow, by_suggestion, trial_rows
from prior_search.report.trained_models import Picture, evaluation_pictures
from prior_search.report.trial_table import TrialTable, trial_table
from prior_search.request import StudyRequest
from prior_search.search import Recommendation
from prior_search.study import Study
from prior_search.trial import OBJECTIVES


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What made the numbers.

    Attributes:
        versions: of every driver that ran the study, oldest first, without repetition.
        installed: lines of ``env.lock``.
        code: first line of ``code.patch``, the commit; empty outside of a checkout.
        num_patched: lines by which the code differed from that commit.
    """

    versions: tuple[dict[str, str], ...]
    data_fingerprint: str
    started: str
    last_event: str
    wall_seconds: float
    num_events: int
    workers: tuple[str, ...]
    installed: tuple[str, ...]
    code: str
    num_patched: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyView:
    """One study; ``states`` counts runs, ``control`` is there if it is a matched control."""

    request: StudyRequest
    objective: str
    is_finished: bool
    states: dict[str, int]
    overview: tuple[Chart, ...]
    searches: tuple[SearchView, ...]
    compute: tuple[SearchCompute, ...]
    tuning: EqualTuning
    control: ControlSection | None
    finals: tuple[FinalModel, ...]
    trained: tuple[Picture, ...]
    incidents: tuple[Incident, ...]
    trials: TrialTable
    provenance: Provenance

    @property
    def charts(self) -> list[Chart]:
        """All figures."""
        own = self.control.charts if self.control else ()
        searches = (chart for search in self.searches for chart in search.charts)
        return [*self.overview, *own, *searches]

    def as_dict(self) -> dict[str, Any]:
        """Variables for a template."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def study_view(study: Study) -> StudyView:
    """Gather everything; a study that still runs is shown as far as it is."""
    request, rows = study.request, trial_rows(study.events)
    objective = OBJECTIVES[request.task]
    best = _recommendations(study)
    searches = [
        search_view(
            name,
            study.optimizer(name),
            [row for row in by_suggestion(rows) if row.spec.search == name],
            best.get(name),
            objective=objective,
            short_cost=request.horizon("short") / request.horizon("long"),
        )
        for name in request.searches
    ]
    recommended = [
        best[name].trial + number
        for name, arms in request.searches.items()
        if name in best
        for number in range(len(arms))
    ]
    is_finished = any(event["event"] == "study_finished" for event in study.events)
    compute = compute_of(request, rows)
    return StudyView(
        request=request,
        objective=objective,
        is_finished=is_finished,
        states=dict(Counter(row.state for row in rows)),
        overview=tuple(overview(study.events, rows, best, objective)) if best else (),
        searches=tuple(searches),
        compute=tuple(compute),
        tuning=equal_tuning(compute, is_finished=is_finished),
        control=_control(study, best),
        finals=tuple(final_models(study.folder)),
        trained=tuple(evaluation_pictures(study.folder)),
        incidents=tuple(incidents(study.events)),
        trials=trial_table(rows, [r.name for r in request.ranges], recommended),
        provenance=_provenance(study.events, study.folder, rows),
    )


def _control(study: Study, best: Mapping[str, Recommendation]) -> ControlSection | None:
    """What a matched control says; None of another study, and before it recommends anything."""
    if not study.request.matched or "control" not in best:
        return None
    common = best["control"].values
    return control_section(study.request, study.events, study.folder, common)


def _recommendations(study: Study) -> dict[str, Recommendation]:
    """As the log holds them; of a search without one there, by its present state."""
    found = {}
    for event in study.events:
        if event["event"] == "search_finished" and event["recommendation"] is not None:
            found[event["search"]] = Recommendation.from_dict(event["recommendation"])
    for name in study.request.searches:
        if name not in found and study.optimizer(name).has_recommendation:
            found[name] = study.recommend(name)
    return {name: found[name] for name in study.request.searches if name in found}


def _provenance(events: Sequence[Event], folder: Path, rows: Sequence[TrialRow]) -> Provenance:
    versions: list[dict[str, str]] = []
    for event in events:
        if event.get("versions") and event["versions"] not in versions:
            versions.append(event["versions"])
    lock, patch = folder / "env.lock", folder / "code.patch"
    changed = patch.read_text("utf-8", "replace").splitlines() if patch.exists() else []
    return Provenance(
        versions=tuple(versions),
        data_fingerprint=events[0]["data_fingerprint"],
        started=clock(events[0]["time"]),
        last_event=clock(events[-1]["time"]),
        wall_seconds=events[-1]["time"] - events[0]["time"],
        num_events=len(events),
        workers=tuple(sorted({row.worker for row in rows if row.worker})),
        installed=tuple(lock.read_text("utf-8").split()) if lock.exists() else (),
        code=changed[0].removeprefix("# ") if changed else "",
        num_patched=sum(line[:1] in "+-" and line[:3] not in ("+++", "---") for line in changed),
    )
