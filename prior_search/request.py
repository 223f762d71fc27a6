"""What a user asks for: a space file and overrides, checked and resolved into a ``StudyRequest``.

A space file (TOML) holds, per token family, the range of every regularizer weight, the constants
of the family and the budget of the search. Everything that decides suggestions and trials ends up
in the request, and the request is written to ``study.toml``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from prior_search.errors import RequestError
from prior_search.search import SearchSpace
from prior_search.space_tables import Budget, WeightRange, read_budget, read_ranges, read_settings
from prior_search.toml_input import (
    check_keys,
    choice,
    count,
    listed,
    read_toml,
    shown,
    text,
)
from prior_search.trial import BOTTLENECKS, FAMILIES, TASKS, Bottleneck, Family, Task
from prior_search.whole_file import write_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRequest:
    """Everything that decides what a study does, but not where it runs.

    Attributes:
        matched: the bottlenecks get common weights, from one search that minimizes their mean,
            instead of a search each.
    """

    name: str
    family: Family
    bottlenecks: tuple[Bottleneck, ...]
    task: Task
    preset: str
    steps: int
    seed: int
    data: str
    ranges: tuple[WeightRange, ...]
    settings: Mapping[str, float]
    budget: Budget
    matched: bool = False

    @property
    def searches(self) -> dict[str, tuple[Bottleneck, ...]]:
        """The bottlenecks that every suggestion is trained with, by name of the search."""
        if self.matched:
            return {"control": self.bottlenecks}
        return {bottleneck: (bottleneck,) for bottleneck in self.bottlenecks}

    def space(self, bottleneck: Bottleneck) -> SearchSpace:
        """The weights of one bottleneck that are tuned."""
        chosen = [r.parameter() for r in self.ranges if bottleneck in r.only]
        return SearchSpace(parameters=tuple(chosen))

    def horizon(self, which: str) -> int:
        """Optimization steps of a ``short`` or ``long`` trial."""
        share = self.budget.short_horizon if which == "short" else 1.0
        return max(1, round(share * self.steps))

    @property
    def planned_steps(self) -> int:
        """Optimization steps that the budget allows each bottleneck, without retries."""
        budget = self.budget
        short, full = self.horizon("short"), self.horizon("long")
        return budget.stage1_trials * short + budget.long_trials * full

    def as_dict(self) -> dict[str, Any]:
        """TOML-ready data."""
        return {
            "name": self.name,
            "family": self.family,
            "bottlenecks": list(self.bottlenecks),
            "task": self.task,
            "preset": self.preset,
            "steps": self.steps,
            "seed": self.seed,
            "data": self.data,
            "matched": self.matched,
            "budget": dataclasses.asdict(self.budget),
            "settings": dict(self.settings),
            "weights": {
                r.name: {"low": r.low, "high": r.high, "scale": r.scale, "only": list(r.only)}
                for r in self.ranges
            },
        }

    def write(self, path: Path) -> None:
        """Write ``study.toml``, atomically: a driver may die at any moment."""
        write_whole(path, tomli_w.dumps(self.as_dict()))

    @classmethod
    def read(cls, path: Path) -> StudyRequest:
        """Read ``study.toml``.

        Raises:
            RequestError: the file is missing or damaged.
        """
        data, where = {"matched": False} | read_toml(path), str(path)
        fields = [f.name for f in dataclasses.fields(cls) if f.name != "ranges"]
        check_keys(data, [*fields, "weights"], where)
        family = choice("family", data["family"], FAMILIES, where)
        bottlenecks = listed(data["bottlenecks"], "bottlenecks", where)
        for bottleneck in bottlenecks:
            choice("bottlenecks", bottleneck, BOTTLENECKS, where)
        if not isinstance(data["matched"], bool):
            raise RequestError(
                f"{where}: matched must be true or false, got {shown(data['matched'])}"
            )
        request = cls(
            name=text(data["name"], "name", where),
            family=family,
            bottlenecks=tuple(bottlenecks),
            task=choice("task", data["task"], TASKS, where),
            preset=text(data["preset"], "preset", where),
            steps=count(data["steps"], "steps", where, low=1),
            seed=count(data["seed"], "seed", where, low=0),
            data=text(data["data"], "data", where),
            ranges=read_ranges(data["weights"], family, where),
            settings=read_settings(data["settings"], family, where),
            budget=read_budget(data["budget"], where),
            matched=data["matched"],
        )
        return _searched(request, where)

    def differences(self, other: StudyRequest) -> list[str]:
        """``key: ours, theirs`` for every value in which two requests differ."""
        ours, theirs = _flat(self.as_dict()), _flat(other.as_dict())
        keys = sorted(ours.keys() | theirs.keys())
        return [
            f"{key}: {ours.get(key, 'absent')}, {theirs.get(key, 'absent')}"
            for key in keys
            if ours.get(key) != theirs.get(key)
        ]


def resolve(
    space: Mapping[str, Any],
    *,
    where: str,
    family: Family,
    bottlenecks: Sequence[Bottleneck],
    **given: Any,
) -> StudyRequest:
    """A checked request from a space file's data and the flags in ``given``.

    Raises:
        RequestError: the space contradicts itself or the family.
    """
    check_keys(space, ("family", "weights", "settings", "budget"), where)
    if space["family"] != family:
        raise RequestError(f"{where}: family must be {family!r}, got {space['family']!r}")
    request = StudyRequest(
        family=family,
        bottlenecks=tuple(bottlenecks),
        ranges=read_ranges(space["weights"], family, where),
        settings=read_settings(space["settings"], family, where),
        budget=read_budget(space["budget"], where),
        **given,
    )
    return _searched(request, where)


def _searched(request: StudyRequest, where: str) -> StudyRequest:
    """The request, if there is something to search in it."""
    names = request.bottlenecks
    if not names or len(set(names)) < len(names):
        raise RequestError(f"{where}: bottlenecks must be named, each once, got {list(names)}")
    for bottleneck in names:
        if not any(bottleneck in r.only for r in request.ranges):
            raise RequestError(f"{where}: no weight is searched for bottleneck {bottleneck!r}")
    if request.matched and len({request.space(b).parameters for b in names}) > 1:
        raise RequestError(
            f"{where}: {' and '.join(names)} must search the same weights to get common ones, "
            "but `only` names one of them without the other"
        )
    return request


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
