"""The flags ``--enqueue``, ``--fix`` and ``--warm-start``: changes to the searches of a study."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from prior_search.commands.places import find_study
from prior_search.errors import RequestError
from prior_search.report import read_export
from prior_search.request import StudyRequest
from prior_search.steering import Kind, Steering
from prior_search.study import Study
from prior_search.study_search import StudySearch

FREE = "free"


def read_steering(
    options: argparse.Namespace, request: StudyRequest, storage: Path
) -> list[Steering]:
    """The changes that the flags ask for, each tried on a fresh search of the request.

    Raises:
        RequestError: a flag cannot be read, or no search can take what it says.
    """
    tried = {name: StudySearch(request, name) for name in request.searches}
    changes = []
    for flag, asked in _asked(options, request, storage):
        try:
            tried[asked.search].steer(asked)
        except ValueError as error:
            raise RequestError(f"{flag}, search {asked.search!r}: {error}") from error
        changes.append(asked)
    return changes


def make_changes(study: Study, changes: Iterable[Steering]) -> None:
    """Make the changes that the study does not know yet.

    Raises:
        RequestError: it cannot take one of them any more.
    """
    for change in changes:
        try:
            study.steer(change)
        except ValueError as error:
            raise RequestError(f"{study.folder}, search {change.search!r}: {error}") from error


def _asked(
    options: argparse.Namespace, request: StudyRequest, storage: Path
) -> Iterator[tuple[str, Steering]]:
    """Each change, with the flag that it comes from."""
    for text in options.warm_start:
        for change in _warm_starts(text, request, storage):
            yield f"--warm-start {text}", change
    for text in options.fix:
        name, value = _assignment(text, "--fix")
        held = None if value == FREE else _number(value, f"--fix {name}")
        for search in _searches_with({name}, request, f"--fix {text}", exactly=False):
            yield f"--fix {text}", Steering(search=search, kind="fix", change=[name, held])
    for text in options.enqueue:
        for search, values in _configurations(text, request):
            yield f"--enqueue {text}", Steering(search=search, kind="enqueue", change=values)


def _configurations(text: str, request: StudyRequest) -> list[tuple[str, dict[str, float]]]:
    """Weights by search: of an exported file for that of its bottleneck, else as written."""
    flag = f"--enqueue {text}"
    if "=" in text:
        pairs = (_assignment(part, "--enqueue") for part in text.split(","))
        values = {name: _number(value, f"{flag}: {name}") for name, value in pairs}
        found = _searches_with(set(values), request, flag, exactly=True)
        return [(search, values) for search in found]
    export = read_export(Path(text))
    weights: Mapping[str, float] = dataclasses.asdict(export.weights)
    found = [name for name, arms in request.searches.items() if export.bottleneck in arms]
    if not found:
        raise RequestError(
            f"{flag} is for bottleneck {export.bottleneck!r}; this study searches "
            f"{', '.join(request.bottlenecks)}"
        )
    return [(s, {name: weights[name] for name in _names(request, s)}) for s in found]


def _warm_starts(text: str, request: StudyRequest, storage: Path) -> list[Steering]:
    flag, folder = f"--warm-start {text}", find_study(text, storage)
    study = Study(folder, read_only=True)
    try:
        if study.request.task != request.task:
            raise RequestError(
                f"{flag}: that study has task {study.request.task!r}, this one {request.task!r}"
            )
        if folder == (storage / request.name).resolve():
            raise RequestError(f"{flag}: that is this study; without the flag it is resumed")
        common = [name for name in request.searches if name in study.request.searches]
        runs = {
            name: study.optimizer(name).history.as_past_runs(study.request.name) for name in common
        }
    finally:
        study.close()
    kind: Kind = "warm_start"
    changes = [
        Steering(search=name, kind=kind, change=[dataclasses.asdict(run) for run in found])
        for name, found in runs.items()
        if found
    ]
    if not changes:
        raise RequestError(
            f"{flag}: that study has no finished trial of {', '.join(request.searches)}"
        )
    return changes


def _names(request: StudyRequest, search: str) -> tuple[str, ...]:
    return request.space(request.searches[search][0]).names


def _searches_with(
    weights: set[str], request: StudyRequest, flag: str, *, exactly: bool
) -> list[str]:
    """The searches that tune these weights, or these and no others."""
    spaces = {search: set(_names(request, search)) for search in request.searches}
    found = [s for s, own in spaces.items() if (weights == own if exactly else weights <= own)]
    if not found:
        tuned = "; ".join(f"{s}: {', '.join(_names(request, s))}" for s in spaces)
        rule = "give each weight of a search once" if exactly else "no search tunes that weight"
        raise RequestError(f"{flag}: {rule} ({tuned})")
    return found


def _assignment(text: str, flag: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not (name.strip() and separator and value.strip()):
        raise RequestError(f"{flag} must be NAME=VALUE, got {text!r}")
    return name.strip(), value.strip()


def _number(text: str, flag: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise RequestError(f"{flag} must be a number, got {text!r}") from None
