"""Final models of a study, a row per configuration: what trainings and evaluations measured."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prior_search.evaluation import EVALUATION_NAME, Evaluation, read_evaluations
from prior_search.event_log import read_events
from prior_search.report.results import ACCURACY
from prior_search.report.statistics import mean_and_interval
from prior_search.report.tables import TrialRow, trial_rows
from prior_search.trial import Bottleneck

logger = logging.getLogger(__name__)

OBJECTIVE, INFORMATION = "objective", "information_bits"
Interval = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A mean over models that differ in their seed alone, with its 95 % interval.

    Attributes:
        metric: ``objective``, or as in ``results.Result``; accuracies are in percent.
        budget: retained tokens; None is the model's full budget.
        interval_over: ``seeds``, or ``instances`` or ``images`` of a single model; empty if there
            is no interval.
    """

    metric: str
    budget: int | None = None
    mean: float
    low: float | None
    high: float | None
    interval_over: str
    num_seeds: int

    @property
    def digits(self) -> int:
        """Behind the point, where a person reads it."""
        return 1 if self.metric == INFORMATION or self.metric.startswith(ACCURACY) else 4


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalModel:
    """One configuration; ``seeds`` were asked for, ``completed`` of them left a model."""

    folder: str
    bottleneck: Bottleneck
    trial: int
    steps: int
    seeds: int
    completed: int
    measures: Mapping[str, Measure]

    @property
    def evaluated(self) -> int:
        """Seeds whose model was evaluated."""
        found = self.measures.get(INFORMATION)
        return found.num_seeds if found else 0

    def records(self) -> list[dict[str, object]]:
        """One flat record per number, for other programs."""
        names = ("folder", "bottleneck", "trial", "steps", "seeds", "completed")
        own = {name: getattr(self, name) for name in names}
        fields = Measure.__dataclass_fields__
        return [own | {name: getattr(m, name) for name in fields} for m in self.measures.values()]


def final_models(study: Path) -> list[FinalModel]:
    """What the logs in ``STUDY/final`` and the evaluations beside the models say; may be none."""
    logs = sorted((study / "final").glob("*/events.jsonl"))
    evaluations = _evaluations(study / "final") if logs else {}
    found = [_model(log.parent.name, trial_rows(read_events(log)), evaluations) for log in logs]
    return [model for model in found if model is not None]


def measured(models: Iterable[FinalModel]) -> dict[str, str]:
    """Headings of the columns of a table, by metric: all that any model has, in their order."""
    metrics = dict.fromkeys(name for model in models for name in model.measures)
    return {name: _heading(name) for name in metrics if name != OBJECTIVE}


def _heading(metric: str) -> str:
    if metric == INFORMATION:
        return "information, bits"
    level = metric.removeprefix(ACCURACY)
    return metric.upper().replace("_", "-") if level == metric else f"{level}, %"


def _model(
    folder: str, rows: Sequence[TrialRow], evaluations: Mapping[tuple[object, ...], Evaluation]
) -> FinalModel | None:
    """None if the log has no training yet."""
    if not rows:
        return None
    done = [row for row in rows if row.objective is not None]
    own = [evaluations[row.spec.training] for row in done if row.spec.training in evaluations]
    spec = rows[0].spec
    objectives = [row.objective for row in done if row.objective is not None]
    measures = [_over_seeds(OBJECTIVE, None, objectives)] if objectives else []
    return FinalModel(
        folder=folder,
        bottleneck=spec.bottleneck,
        trial=spec.trial,
        steps=spec.horizon,
        seeds=len(rows),
        completed=len(done),
        measures={m.metric: m for m in [*measures, *_at_full_budget(own)]},
    )


def _evaluations(final: Path) -> dict[tuple[object, ...], Evaluation]:
    """By what was trained: a record counts for a model of the very same training alone.

    A damaged record, or one of another version, is warned of and counts as none.
    """
    found: dict[tuple[object, ...], Evaluation] = {}
    for path in sorted(final.rglob(EVALUATION_NAME)):
        try:
            records = read_evaluations(path)
        except ValueError as error:
            logger.warning("%s; it does not count", error)
            continue
        found |= {record.spec.training: record for record in records}
    return found


def _at_full_budget(seeds: Sequence[Evaluation]) -> list[Measure]:
    """Every number of evaluations that differ in their seed alone."""
    if not seeds:
        return []
    first, full = seeds[0], max(seeds[0].budgets)
    bits = [one.information_bits[full] for one in seeds]
    found = [_over_seeds(INFORMATION, full, bits)]
    for level in first.levels:
        probe = first.probe(level, full)
        values = [100 * one.probe(level, full).accuracy for one in seeds]
        alone = ("instances", (100 * probe.low, 100 * probe.high))
        found.append(_over_seeds(ACCURACY + level, full, values, alone))
    for metric, image in first.image_quality.get(full, {}).items():
        values = [one.image_quality[full][metric].mean for one in seeds]
        found.append(_over_seeds(metric, full, values, ("images", (image.low, image.high))))
    return found


def _over_seeds(
    metric: str,
    budget: int | None,
    values: Sequence[float],
    alone: tuple[str, Interval] = ("", (None, None)),
) -> Measure:
    """Mean and interval over seeds; of one seed ``alone``: what an interval is over, and it."""
    over = mean_and_interval(values)
    kind, (low, high) = alone if len(values) == 1 else ("seeds", (over["low"], over["high"]))
    assert over["mean"] is not None  # of at least one value
    return Measure(
        metric=metric,
        budget=budget,
        mean=over["mean"],
        low=low,
        high=high,
        interval_over=kind,
        num_seeds=len(values),
    )
