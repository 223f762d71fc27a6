"""What a campaign is asked for: a TOML file, checked and resolved into requests of studies.

A campaign is several studies over token families and tasks, their matched controls, the final
trainings of what they recommend, and the evaluations of those: the comparison of the paper.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from prior_search.errors import RequestError
from prior_search.past_searches import ARMS
from prior_search.redaction import has_password
from prior_search.request import StudyRequest, resolve
from prior_search.shipped import space_file
from prior_search.space_tables import Budget
from prior_search.storage.origin import is_remote
from prior_search.tasks import PRESETS_OF, make_task
from prior_search.toml_input import (
    as_table,
    check_keys,
    choice,
    count,
    listed,
    number,
    read_space,
    read_toml,
    shown,
    text,
)
from prior_search.trial import BOTTLENECKS, FAMILIES, TRAINED_TASKS, Bottleneck, Family, Task
from prior_search.whole_file import write_whole

OPTIONAL = {"steps": 0, "budget": {}}
SMOKE_STEPS = 4
SMOKE_BUDGET = {"stage1_trials": 2, "stage2_trials": 1, "confirm_trials": 1, "anchors": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """The studies of one task.

    Attributes:
        data: ``embedded``, a path or an s3:// address.
        matched_control: whether ITD and TD are also tuned with common weights.
        final_seeds: seeds of every final training.
        steps: full horizon; 0 for the preset's.
        budget: replaces values of the space files' budgets.
    """

    task: Task
    families: tuple[Family, ...]
    bottlenecks: tuple[Bottleneck, ...]
    data: str
    matched_control: bool
    final_seeds: int
    steps: int
    budget: Mapping[str, int | float]


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignPlan:
    """Everything that decides what a campaign does, but not where it runs."""

    name: str
    preset: str
    seed: int
    tracks: tuple[Track, ...]

    @classmethod
    def read(cls, path: Path, overrides: Sequence[str] = ()) -> CampaignPlan:
        """Read a file, with ``key=value`` overrides.

        Raises:
            RequestError: the file is missing, damaged or asks for what there is not.
        """
        data, where = read_space(path, overrides) if overrides else read_toml(path), str(path)
        tasks = [task for task in TRAINED_TASKS if task in data]
        if not tasks:
            raise RequestError(f"{where}: needs a table [{'] or ['.join(TRAINED_TASKS)}]")
        check_keys(
            {k: v for k, v in data.items() if k not in tasks}, ("name", "preset", "seed"), where
        )
        name = text(data["name"], "name", where)
        if not name.replace("-", "").replace("_", "").isalnum():
            raise RequestError(f"{where}: name must be letters, digits, '-' and '_', got {name!r}")
        preset = text(data["preset"], "preset", where)
        for task in tasks:
            choice("preset", preset, tuple(PRESETS_OF[task]), where)
        return cls(
            name=name,
            preset=preset,
            seed=count(data["seed"], "seed", where, low=0),
            tracks=tuple(_track(task, data[task], where) for task in tasks),
        )

    def write(self, path: Path) -> None:
        """Write what ``read`` reads, atomically."""
        content: dict[str, Any] = {"name": self.name, "preset": self.preset, "seed": self.seed}
        for track in self.tracks:
            table = dataclasses.asdict(track)
            content[table.pop("task")] = table
        write_whole(path, tomli_w.dumps(content))

    def smoke(self) -> CampaignPlan:
        """The same, so short that it ends in minutes; its numbers say nothing."""
        tracks = [
            dataclasses.replace(t, steps=SMOKE_STEPS, final_seeds=1, budget=SMOKE_BUDGET)
            for t in self.tracks
        ]
        return dataclasses.replace(self, name=f"{self.name}-smoke", tracks=tuple(tracks))

    def studies(self, spaces: Path | None = None) -> list[StudyRequest]:
        """The searches of every task and family, without their controls.

        Args:
            spaces: folder of the space files; None for the shipped ones.

        Raises:
            RequestError: a space file is missing or does not fit.
        """
        return [
            self._request(track, family, spaces)
            for track in self.tracks
            for family in track.families
        ]

    def study_name(self, family: Family, task: Task) -> str:
        """Of the searches of a family and task: a folder and an experiment."""
        return f"{self.name}-{family}-{task}"

    def track(self, task: Task) -> Track:
        """The track of a task that the plan has."""
        return next(track for track in self.tracks if track.task == task)

    def _request(self, track: Track, family: Family, spaces: Path | None) -> StudyRequest:
        path = space_file(family, track.task, spaces)
        space = read_toml(path)
        if isinstance(space.get("budget"), dict):
            space["budget"] |= track.budget
        return resolve(
            space,
            where=f"{path} with [{track.task}.budget] of {self.name}",
            family=family,
            bottlenecks=track.bottlenecks,
            name=self.study_name(family, track.task),
            task=track.task,
            preset=self.preset,
            steps=track.steps or make_task(track.task, self.preset).preset.steps,
            seed=self.seed,
            data=track.data,
        )


def control_of(request: StudyRequest) -> StudyRequest:
    """The matched control of a study's ITD and TD."""
    return dataclasses.replace(
        request, name=control_name(request.name), bottlenecks=ARMS, matched=True
    )


def control_name(study: str) -> str:
    """Of the matched control of a study."""
    return f"{study}-control"


def _track(task: Task, table: Any, where: str) -> Track:
    table, where = OPTIONAL | as_table(table, task, where), f"{where}: {task}"
    check_keys(table, [f.name for f in dataclasses.fields(Track) if f.name != "task"], where)
    matched = table["matched_control"]
    if not isinstance(matched, bool):
        raise RequestError(f"{where}: matched_control must be true or false, got {shown(matched)}")
    bottlenecks = _names(table["bottlenecks"], "bottlenecks", BOTTLENECKS, where)
    if matched and not set(ARMS) <= set(bottlenecks):
        raise RequestError(
            f"{where}: matched_control needs {' and '.join(ARMS)} among the bottlenecks"
        )
    budget = as_table(table["budget"], "budget", where)
    for key, value in budget.items():
        choice("budget", key, [f.name for f in dataclasses.fields(Budget)], where)
        if key == "short_horizon":
            number(value, f"budget.{key}", where, low=0.0, high=1.0)
        else:
            count(value, f"budget.{key}", where, low=0)
    families = _names(table["families"], "families", FAMILIES, where)
    if task == "reconstruction" and len(families) > 1:
        raise RequestError(
            f"{where}: families must be one, as in Table 5 of the paper, got {len(families)}"
        )
    return Track(
        task=task,
        families=families,
        bottlenecks=bottlenecks,
        data=_data(table["data"], where),
        matched_control=matched,
        final_seeds=count(table["final_seeds"], "final_seeds", where, low=1),
        steps=count(table["steps"], "steps", where, low=0, high=10**9),
        budget=budget,
    )


def _data(value: Any, where: str) -> str:
    data = text(value, "data", where)
    if has_password(data):
        raise RequestError(
            f"{where}: data must not hold a password, which the study would keep; "
            "give credentials in the environment"
        )
    if data == "embedded" or is_remote(data):
        return data
    return str(Path.cwd() / data)  # `report` may be called from elsewhere


def _names(value: Any, key: str, choices: Sequence[Any], where: str) -> tuple[Any, ...]:
    names = listed(value, key, where)
    if not names or len(set(map(str, names))) < len(names):
        raise RequestError(f"{where}: {key} must be named, each once, got {shown(value)}")
    return tuple(choice(key, name, choices, where) for name in names)
