"""A matched control on its page and on the terminal: what was measured, and the verdict on it."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prior_search.event_log import Event, holds_study, read_events
from prior_search.report.charts import Chart
from prior_search.report.claims import JudgedClaim
from prior_search.report.comparison_charts import WeightMove
from prior_search.report.control_charts import difference_chart, moves_chart
from prior_search.report.control_view import (
    BySeed,
    Tuned,
    judge_difference,
    objectives_by_seed,
    tuned_in,
    weight_moves,
)
from prior_search.request import StudyRequest
from prior_search.trial import OBJECTIVES, Bottleneck


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmView:
    """One bottleneck of a control; objectives are by seed, empty where nothing was trained.

    Attributes:
        tuned: what its own search recommends; None if that is not known.
        tuned_finals: final trainings with the weights of its own search.
        common: runs of the control's search with the common weights.
        common_finals: final trainings with the common weights.
    """

    bottleneck: Bottleneck
    tuned: Tuned | None
    tuned_finals: Mapping[int, float]
    common: Mapping[int, float]
    common_finals: Mapping[int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSection:
    """Everything about one control; ``judged`` is whether the arms' difference survives."""

    arms: tuple[ArmView, ...]
    moves: tuple[WeightMove, ...]
    judged: JudgedClaim
    charts: tuple[Chart, ...]

    def records(self) -> list[dict[str, object]]:
        """Every objective that counts, one record each, for other programs."""
        return [
            {"bottleneck": arm.bottleneck, "weights": weights, "trained_by": by} | {
                "seed": seed, "objective": value}
            for arm in self.arms
            for weights, by, values in (
                ("tuned", "final", arm.tuned_finals),
                ("common", "control", arm.common),
                ("common", "final", arm.common_finals),
            )
            for seed, value in sorted(values.items())
        ]  # fmt: skip


def sources_beside(folder: Path, tuned: Mapping[str, Tuned]) -> list[Path]:
    """Folders of the studies that tuned the bottlenecks alone, where they are beside a control."""
    names = dict.fromkeys(own.study for own in tuned.values())
    return [folder.parent / name for name in names if holds_study(folder.parent / name)]


def control_section(
    request: StudyRequest,
    events: Sequence[Event],
    folder: Path,
    common: Mapping[str, float],
    sources: Sequence[Path] | None = None,
) -> ControlSection:
    """Gather it.

    Args:
        request: of the control.
        events: of the control.
        folder: of the control; its final trainings are in there.
        common: the weights that the control recommends.
        sources: folders of the studies that tuned the bottlenecks alone; None looks beside.
    """
    tuned = tuned_in(events)
    sources = sources_beside(folder, tuned) if sources is None else sources
    first, second = request.bottlenecks
    weights: dict[str, Mapping[str, float]] = dict.fromkeys((first, second), common)
    own = objectives_by_seed(events, weights, request.steps)
    finals = final_objectives([folder], weights, request.steps)
    tuned_weights = {arm: one.values for arm, one in tuned.items()}
    tuned_finals = final_objectives(sources, tuned_weights, request.steps)
    kind = "final trainings" if finals else "runs of the control's search"
    arms = tuple(
        ArmView(
            bottleneck=arm,
            tuned=tuned.get(arm),
            tuned_finals=tuned_finals.get(arm, {}),
            common=own.get(arm, {}),
            common_finals=finals.get(arm, {}),
        )
        for arm in (first, second)
    )
    moves = tuple(weight_moves(request.family, tuned, common))
    return ControlSection(
        arms=arms,
        moves=moves,
        judged=judge_difference((first, second), tuned_finals, finals or own, kind),
        charts=tuple(_charts(request, moves, tuned_finals, finals or own)),
    )


def _charts(
    request: StudyRequest, moves: Sequence[WeightMove], tuned: BySeed, common: BySeed
) -> Iterable[Chart]:
    if moves:
        yield moves_chart(moves)
    first, second = request.bottlenecks
    differences = {
        "each tuned": _differences(tuned.get(first, {}), tuned.get(second, {})),
        "common weights": _differences(common.get(first, {}), common.get(second, {})),
    }
    if any(differences.values()):
        yield difference_chart((first, second), differences, OBJECTIVES[request.task])


def _differences(first: Mapping[int, float], second: Mapping[int, float]) -> dict[int, float]:
    return {seed: first[seed] - second[seed] for seed in sorted(first.keys() & second.keys())}


def final_objectives(
    studies: Iterable[Path], weights: Mapping[str, Mapping[str, float]], horizon: int
) -> dict[str, dict[int, float]]:
    """Objectives of the final trainings in folders of studies, by bottleneck and seed.

    Args:
        studies: their folders.
        weights: by bottleneck, as of ``objectives_by_seed``.
        horizon: steps; shorter trainings do not count.
    """
    found: dict[str, dict[int, float]] = {}
    for study in studies:
        for log in sorted((study / "final").glob("*/events.jsonl")):
            measured = objectives_by_seed(read_events(log), weights, horizon)
            for bottleneck, values in measured.items():
                found.setdefault(bottleneck, {}).update(values)
    return found


def mean_of(values: Mapping[int, float]) -> str:
    """``4.1234 (3 seeds)``; empty if there is none."""
    if not values:
        return ""
    seeds = "1 seed" if len(values) == 1 else f"{len(values)} seeds"
    return f"{statistics.fmean(values.values()):.4f} ({seeds})"
