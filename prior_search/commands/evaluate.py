"""``prior-search evaluate``: what trained models can do, by budget."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from prior_search.commands.evaluation_tables import print_evaluations
from prior_search.commands.places import check_writable
from prior_search.commands.shell import interrupted
from prior_search.commands.training_data import prepare_data
from prior_search.data import open_tracks
from prior_search.device import resolve_device
from prior_search.errors import RequestError
from prior_search.evaluation import EVALUATION_NAME, Evaluation, read_evaluations
from prior_search.model_evaluation import (
    evaluate_model,
    pictured,
    reconstructions,
    sha256_of,
)
from prior_search.model_file import MODEL_NAME, read_origin
from prior_search.report import (
    draw_accuracy_by_budget,
    draw_accuracy_by_information,
    draw_reconstructions,
)
from prior_search.storage.origin import below, name_of
from prior_search.storage.working_copy import local_file, publish
from prior_search.trial import OBJECTIVES, TrialSpec
from prior_search.whole_file import write_whole

PICTURED = 3  # images in a picture of reconstructions


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """A checked model file and its data; nothing of it is in memory yet."""

    file: Path
    sha256: str
    spec: TrialSpec
    data: str
    fingerprint: str


def run(options: argparse.Namespace) -> int:
    """Evaluate every given model; 0 done, 130 interrupted, with the finished ones kept."""
    console = Console(stderr=options.json)
    requests = [_request(console, path, options.data) for path in options.checkpoints]
    try:
        resolve_device(options.device)
    except ValueError as error:
        raise RequestError(f"--device: {error}") from error
    out = check_writable(options.out or _common_folder(requests) / "evaluation", "--out")
    try:
        evaluations = _evaluate_all(console, requests, out / EVALUATION_NAME, options.device)
    except KeyboardInterrupt:
        return interrupted(console, "models")
    pictures = _draw(evaluations, out) + _draw_images(requests, out, options.device)
    publish(out)
    if options.json:
        print((out / EVALUATION_NAME).read_text(), end="")
        return 0
    print_evaluations(console, evaluations)
    for path in (out / EVALUATION_NAME, *pictures):
        console.print(str(path), highlight=False, soft_wrap=True)
    return 0


def _common_folder(requests: Sequence[_Request]) -> Path:
    """What all models share; among the seeds of a configuration a result would pass for one."""
    common = Path(os.path.commonpath([request.file.parent for request in requests]))
    return common.parent if common.name == "trials" else common


def _request(console: Console, place: Path | str, data: str | None) -> _Request:
    if isinstance(place, str):
        is_file = name_of(place).endswith(".safetensors")
        place = local_file(place if is_file else below(place, MODEL_NAME))
    given: Path = place
    file = given / MODEL_NAME if given.is_dir() else given
    if not file.is_file():
        raise RequestError(f"no model at {given}: {file.resolve()} is not a file")
    try:
        spec, trained_on = read_origin(file)
    except ValueError as error:
        raise RequestError(str(error)) from error
    path, fingerprint = prepare_data(console, data or "embedded", spec.task, spec.preset)
    if fingerprint != trained_on:
        raise RequestError(
            f"{file} was trained on data with fingerprint {trained_on}, but "
            f"{data or 'embedded'} has {fingerprint}; give its own data with --data"
        )
    tracks = open_tracks(path)
    if spec.task == "contrastive" and not (tracks.level_names and (tracks.labels >= 0).any()):
        raise RequestError(f"{path} has no labels, which the linear probes need")
    return _Request(
        file=file.resolve(), sha256=sha256_of(file), spec=spec, data=path, fingerprint=fingerprint
    )


def _evaluate_all(
    console: Console, requests: Sequence[_Request], record: Path, device: str
) -> list[Evaluation]:
    """Evaluate what ``record`` does not hold yet; it is written after every model."""
    known = _known(record)
    found = [known.get((request.sha256, request.fingerprint)) for request in requests]

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    say(f"models: {len(requests)} given, {found.count(None)} to evaluate")
    for number, request in enumerate(requests, start=1):
        entry, place = found[number - 1], f"[{number}/{len(requests)}]"
        if entry is None:
            say(f"{place} evaluating {request.file}")
            began = time.monotonic()
            entry = found[number - 1] = _evaluate(console, request, device)
            took = f"in {time.monotonic() - began:.0f}s"
        else:
            took = f"before: {request.file}"
        say(f"{place} evaluated {took}  {OBJECTIVES[request.spec.task]} {entry.objective:.4f}")
        content = {"models": [entry.as_dict() for entry in found if entry is not None]}
        write_whole(record, json.dumps(content, indent=2) + "\n")
    return [entry for entry in found if entry is not None]


def _known(record: Path) -> dict[tuple[str, str], Evaluation]:
    """Evaluations of an earlier run, by model and data."""
    if not record.exists():
        return {}
    try:
        entries = read_evaluations(record)
    except ValueError as error:
        raise RequestError(f"{error}; remove it") from error
    return {(entry.model_sha256, entry.data_fingerprint): entry for entry in entries}


def _evaluate(console: Console, request: _Request, device: str) -> Evaluation:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        line = bar.add_task("validation objective", total=None)

        def show(what: str, done: int, total: int) -> None:
            bar.update(line, description=what, completed=done, total=total)

        try:
            return evaluate_model(
                request.file, open_tracks(request.data), device=device, progress=show
            )
        except ValueError as error:
            raise RequestError(str(error)) from error


def _draw(evaluations: Sequence[Evaluation], folder: Path) -> list[Path]:
    """Pictures of the models that were probed, a set per division of the tokens."""
    probed = [entry for entry in evaluations if entry.probes]
    if not probed:
        return []
    return draw_accuracy_by_budget(probed, folder) + draw_accuracy_by_information(probed, folder)


def _draw_images(requests: Sequence[_Request], folder: Path, device: str) -> list[Path]:
    """Held-out images as every autoencoder makes them by budget (Fig. 5), a picture per family."""
    paths = []
    chosen = [request for request in requests if request.spec.task == "reconstruction"]
    for key in dict.fromkeys((r.spec.family, r.fingerprint, r.spec.preset) for r in chosen):
        own = [r for r in chosen if (r.spec.family, r.fingerprint, r.spec.preset) == key]
        images = pictured(open_tracks(own[0].data), PICTURED)
        made: dict[str, dict[int, np.ndarray]] = {}
        for request in own:
            name = f"{request.spec.bottleneck.upper()} {request.spec.label}"
            name += f" ({len(made) + 1})" if name in made else ""
            made[name] = reconstructions(request.file, images, device=device)
        path = folder / f"reconstructions-{own[0].spec.family}-{own[0].fingerprint}.png"
        draw_reconstructions(images / 255.0, made, path)
        paths.append(path)
    return paths
