"""The best configurations of a study as TOML files that hold all a final training needs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from prior_search.errors import RequestError
from prior_search.event_log import Event
from prior_search.report.tables import trial_rows
from prior_search.search import Recommendation
from prior_search.study import Study
from prior_search.toml_input import (
    as_table,
    check_keys,
    choice,
    count,
    listed,
    number,
    read_toml,
    text,
)
from prior_search.trial import BOTTLENECKS, FAMILIES, TASKS, Bottleneck, Family, Task
from prior_search.weights import RegularizerWeights
from prior_search.whole_file import write_whole

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A configuration to train at the full horizon, and where it comes from.

    Attributes:
        trial: the study's trial number.
        evidence: what the recommendation rests on: the search, the posterior mean and standard
            deviation of its objective (of a matched control: the mean over its bottlenecks), and
            what this bottleneck measured at the full horizon, one per seed.
        seeds_used: seeds that the search has trained this configuration with.
    """

    study: str
    trial: int
    task: Task
    family: Family
    bottleneck: Bottleneck
    preset: str
    steps: int
    weights: RegularizerWeights
    settings: Mapping[str, float]
    data: str
    data_fingerprint: str
    study_seed: int
    seeds_used: Sequence[int]
    evidence: Mapping[str, Any]
    versions: Mapping[str, str]

    def write(self, path: Path) -> None:
        """Write the file, atomically."""
        content = {"format": FORMAT} | dataclasses.asdict(self)
        write_whole(path, tomli_w.dumps(content))


def read_export(path: Path) -> Export:
    """The inverse of ``Export.write``.

    Raises:
        RequestError: the file is no export, or a value in it is wrong.
    """
    data, where = read_toml(path), str(path)
    check_keys(data, ["format", *(f.name for f in dataclasses.fields(Export))], where)
    if data.pop("format") != FORMAT:
        raise RequestError(f"{where}: format must be {FORMAT}")
    for name, choices in (("task", TASKS), ("family", FAMILIES), ("bottleneck", BOTTLENECKS)):
        choice(name, data[name], choices, where)
    for name, least in (("steps", 1), ("trial", 0), ("study_seed", 0)):
        count(data[name], name, where, low=least)
    for name in ("study", "preset", "data", "data_fingerprint"):
        text(data[name], name, where)
    for seed in listed(data["seeds_used"], "seeds_used", where):
        count(seed, "seeds_used", where, low=0)
    for name, version in as_table(data["versions"], "versions", where).items():
        text(version, f"versions.{name}", where)
    _check_evidence(data["evidence"], where)
    data["settings"] = _numbers(data["settings"], "settings", where)
    values = _numbers(data.pop("weights"), "weights", where)
    try:
        weights = RegularizerWeights.from_mapping(values)
    except ValueError as error:
        raise RequestError(f"{where}: weights: {error}") from error
    return Export(weights=weights, **data)


def _check_evidence(value: Any, where: str) -> None:
    """Texts, finite numbers and lists of them: what is written back must be the same."""
    for name, entry in as_table(value, "evidence", where).items():
        for single in entry if isinstance(entry, list) else [entry]:
            if not isinstance(single, str):
                number(single, f"evidence.{name}", where)


def _numbers(value: Any, name: str, where: str) -> dict[str, float]:
    table = as_table(value, name, where)
    return {key: number(entry, f"{name}.{key}", where) for key, entry in table.items()}


def export_best(study: Study, folder: Path) -> list[Path]:
    """Write a file per bottleneck whose search has a recommendation; returns their paths.

    Raises:
        RequestError: no search has a recommendation yet.
    """
    paths = []
    for search, arms in study.request.searches.items():
        if study.optimizer(search).has_recommendation:
            best = study.recommend(search)
            folder.mkdir(parents=True, exist_ok=True)
            for number, bottleneck in enumerate(arms):
                path = folder / f"{bottleneck}.toml"
                own = dataclasses.replace(best, trial=best.trial + number)
                _export(study, search, bottleneck, own).write(path)
                paths.append(path)
    if not paths:
        raise RequestError(
            f"study {study.request.name!r} has no completed trial at the full horizon to export"
        )
    return paths


def _export(study: Study, search: str, bottleneck: Bottleneck, best: Recommendation) -> Export:
    request = study.request
    created: Event = study.events[0]
    rows = [
        row
        for row in trial_rows(study.events)
        if row.spec.trial == best.trial and row.state == "completed"
    ]
    return Export(
        study=request.name,
        trial=best.trial,
        task=request.task,
        family=request.family,
        bottleneck=bottleneck,
        preset=request.preset,
        steps=request.steps,
        weights=RegularizerWeights.from_mapping(best.values),
        settings=request.settings,
        data=request.data,
        data_fingerprint=created["data_fingerprint"],
        study_seed=request.seed,
        seeds_used=[row.spec.seed for row in rows],
        evidence={
            "search": search,
            "predicted_mean": best.predicted_mean,
            **({"predicted_sd": best.predicted_sd} if math.isfinite(best.predicted_sd) else {}),
            "measured": [row.objective for row in rows],
        },
        versions=created["versions"],
    )
