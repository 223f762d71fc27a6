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
from prior_search.search import Parameter, SearchPlan, SearchSpace
from prior_search.toml_input import (
    as_table,
    check_keys,
    choice,
    count,
    listed,
    number,
    read_toml,
    shown,
    text,
)
from prior_search.trial import BOTTLENECKS, FAMILIES, TASKS, Bottleneck, Family, Task
from prior_search.weights import WEIGHT_NAMES, RegularizerWeights
from prior_search.whole_file import write_whole

TERM_OWNERS: dict[Family, tuple[str, ...]] = {  # weights that a family has a term for (Table 1)
    "gaussian": ("kl_weight",),
    "categorical": ("sample_entropy_weight", "batch_entropy_weight"),
    "ema_vq": ("commitment_weight",),
}
SETTINGS: dict[Family, tuple[str, ...]] = {
    "gaussian": ("kappa",),
    "categorical": ("temperature",),
    "ema_vq": ("decay",),
}


# Weights of a training without a search **(ours)**: mild ones within the ranges of the shipped
# space files, the same at every preset. A place to start from and no recommendation.
DEFAULT_WEIGHTS: dict[Task, dict[Family, dict[str, float]]] = {
    "contrastive": {
        "gaussian": {"kl_weight": 3e-3, "prediction_weight": 1.0},
        "categorical": {
            "sample_entropy_weight": 1e-2,
            "batch_entropy_weight": 0.1,
            "prediction_weight": 1.0,
        },
        "ema_vq": {"commitment_weight": 3e-4, "prediction_weight": 1.0},
    },
    "reconstruction": {
        "gaussian": {"kl_weight": 1e-4, "prediction_weight": 0.1},
        "categorical": {
            "sample_entropy_weight": 1e-3,
            "batch_entropy_weight": 1e-2,
            "prediction_weight": 0.1,
        },
        "ema_vq": {"commitment_weight": 1e-4, "prediction_weight": 0.1},
    },
}


def default_weights(task: Task, family: Family, bottleneck: Bottleneck) -> RegularizerWeights:
    """``DEFAULT_WEIGHTS`` of the terms that a model of this kind has."""
    chosen = dict(DEFAULT_WEIGHTS[task][family])
    if bottleneck != "prior":
        del chosen["prediction_weight"]
    return RegularizerWeights.from_mapping(chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightRange:
    """One searched weight; ``only`` names the bottlenecks that have its term."""

    name: str
    low: float
    high: float
    scale: str
    only: tuple[str, ...]

    def parameter(self) -> Parameter:
        """The coordinate of the search space."""
        return Parameter(name=self.name, low=self.low, high=self.high, scale=self.scale)  # type: ignore[arg-type]  # checked on reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much a search may spend, in trials of each of its bottlenecks.

    Attributes:
        short_horizon: steps of a stage-1 trial as a share of the full horizon.
        anchors: how many of the stage-2 trials repeat the best stage-1 points.
    """

    stage1_trials: int
    stage2_trials: int
    confirm_trials: int
    anchors: int
    short_horizon: float

    @property
    def long_trials(self) -> int:
        """Trials at the full horizon."""
        return self.stage2_trials + self.confirm_trials

    @property
    def trials(self) -> int:
        """All trials."""
        return self.stage1_trials + self.long_trials

    def plan(self) -> SearchPlan:
        """The same for the optimizer."""
        return SearchPlan(
            stage1_trials=self.stage1_trials,
            stage2_trials=self.stage2_trials,
            confirm_trials=self.confirm_trials,
            num_anchors=self.anchors,
        )


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
            ranges=_ranges(data["weights"], family, where),
            settings=_settings(data["settings"], family, where),
            budget=_budget(data["budget"], where),
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
        ranges=_ranges(space["weights"], family, where),
        settings=_settings(space["settings"], family, where),
        budget=_budget(space["budget"], where),
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


def _ranges(weights: Any, family: Family, where: str) -> tuple[WeightRange, ...]:
    table = as_table(weights, "weights", where)
    allowed = [*TERM_OWNERS[family], "prediction_weight"]
    for name in table:
        if name in WEIGHT_NAMES and name not in allowed:
            raise RequestError(
                f"{where}: {name} has no term in family {family!r}; "
                f"its weights are {', '.join(allowed)}"
            )
        choice("weight", name, allowed, where)
    return tuple(_range(name, as_table(table[name], name, where), where) for name in table)


def _range(name: str, table: dict[str, Any], where: str) -> WeightRange:
    default_only = ["prior"] if name == "prediction_weight" else list(BOTTLENECKS)
    table = {"only": default_only, **table}
    place = f"{where}: weights.{name}"
    check_keys(table, ("low", "high", "scale", "only"), place)
    low, high = number(table["low"], "low", place), number(table["high"], "high", place)
    scale = choice("scale", table["scale"], ("log", "linear"), place)
    if not 0 <= low < high:
        raise RequestError(f"{place}: needs 0 <= low < high, got low {low}, high {high}")
    if scale == "log" and low == 0:
        raise RequestError(
            f"{place}: a log range needs low > 0, got 0; leave the weight out to switch it off"
        )
    if not isinstance(table["only"], list) or not table["only"]:
        raise RequestError(f"{place}: only must be a list of bottlenecks, got {table['only']!r}")
    for bottleneck in table["only"]:
        choice("only", bottleneck, BOTTLENECKS, place)
    if name == "prediction_weight" and table["only"] != ["prior"]:
        raise RequestError(f"{place}: only PRIOR has a prediction term, so only must be ['prior']")
    return WeightRange(name=name, low=low, high=high, scale=scale, only=tuple(table["only"]))


def _settings(settings: Any, family: Family, where: str) -> dict[str, float]:
    table = as_table(settings, "settings", where)
    check_keys(table, SETTINGS[family], f"{where}: settings")
    return {name: number(value, f"settings.{name}", where) for name, value in table.items()}


def _budget(budget: Any, where: str) -> Budget:
    table = as_table(budget, "budget", where)
    check_keys(table, [f.name for f in dataclasses.fields(Budget)], f"{where}: budget")
    share = number(table["short_horizon"], "budget.short_horizon", where)
    if not 0 < share <= 1:
        raise RequestError(f"{where}: budget.short_horizon must be in (0, 1], got {share}")
    lowest = {"stage1_trials": 2, "stage2_trials": 1, "confirm_trials": 0, "anchors": 0}
    counts = {}
    for name, least in lowest.items():
        counts[name] = count(table[name], f"budget.{name}", where, low=least, high=100_000)
    if counts["anchors"] > counts["stage2_trials"]:
        raise RequestError(
            f"{where}: budget.anchors must be <= stage2_trials, "
            f"got {counts['anchors']} > {counts['stage2_trials']}"
        )
    return Budget(short_horizon=share, **counts)


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
