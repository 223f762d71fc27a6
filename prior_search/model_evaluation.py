"""What one saved model can do, as a record: the validation objective and what its task measures.

The same function serves ``prior-search evaluate`` and the workers of ``prior-search study``.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

import numpy as np
import torch

from prior_search.data import ObjectTracks
from prior_search.device import resolve_device
from prior_search.evaluation import (
    EVALUATION_NAME,
    MEASURE,
    Evaluation,
    read_evaluations,
    reconstruct_all,
)
from prior_search.evaluation.measure import Progress
from prior_search.model_file import load_model, read_origin
from prior_search.tasks import make_task
from prior_search.trial import MetricPoint
from prior_search.whole_file import write_whole

logger = logging.getLogger(__name__)


def sha256_of(file: Path) -> str:
    """Of a file's content, in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def evaluate_model(
    file: Path, tracks: ObjectTracks, *, device: str = "auto", progress: Progress | None = None
) -> Evaluation:
    """Evaluate a model on the held-out part of the set that it was trained on.

    Args:
        file: ``model.safetensors`` of a final training.
        tracks: that set.
        device: ``auto``, ``cpu`` or ``cuda``.
        progress: called with what is being done, and how much of how much is done.

    Raises:
        ValueError: the file is no such model, its values are not finite, or the set is another.
    """
    spec, trained_on = read_origin(file)
    if trained_on != tracks.fingerprint:
        raise ValueError(
            f"{file} was trained on data with fingerprint {trained_on}, "
            f"but this data has {tracks.fingerprint}"
        )
    model, spec = load_model(file, device=device)
    where = resolve_device(device)
    objective = make_task(spec.task, spec.preset).validate(model, tracks, where)["objective"]
    try:
        measured = MEASURE[spec.task](
            model, tracks, device=where, progress=progress or (lambda *_: None)
        )
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    return Evaluation(
        checkpoint=str(file),
        model_sha256=sha256_of(file),
        data_fingerprint=tracks.fingerprint,
        spec=spec,
        objective=objective,
        **measured,
    )


def evaluate_beside(file: Path, tracks: ObjectTracks, *, device: str = "auto") -> MetricPoint:
    """Evaluate a model and leave the record beside it, atomically; returns its objective.

    Raises:
        ValueError: as ``evaluate_model``.
    """
    found = evaluate_model(file, tracks, device=device)
    write_whole(file.with_name(EVALUATION_NAME), json.dumps(found.as_dict(), indent=2) + "\n")
    return MetricPoint(step=found.spec.horizon, metrics={"objective": found.objective})


def known_evaluation(file: Path) -> Evaluation | None:
    """The record beside a model, if there is one and it is of this very model.

    A damaged record, or one of another version, is warned of and counts as none.
    """
    record = file.with_name(EVALUATION_NAME)
    if not record.exists():
        return None
    try:
        (found,) = read_evaluations(record)
    except ValueError as error:
        logger.warning("%s; it does not count", error)
        return None
    return found if found.model_sha256 == sha256_of(file) else None


def pictured(tracks: ObjectTracks, count: int) -> np.ndarray:
    """The first held-out images of a set, uint8 [count, 3, H, W]."""
    return tracks.gather(np.flatnonzero(tracks.is_validation)[:count])


def reconstructions(
    file: Path, images: np.ndarray, *, device: str = "auto"
) -> dict[int, np.ndarray]:
    """Images as a saved autoencoder makes them, by budget, few tokens first.

    Args:
        file: ``model.safetensors`` of a final training of the reconstruction track.
        images: uint8 [n, 3, H, W].
        device: ``auto``, ``cpu`` or ``cuda``.

    Returns:
        float32 [n, 3, H, W] of each budget, 0 to 1.

    Raises:
        ValueError: the file is no such model.
    """
    model, _ = load_model(file, device=device)
    made = reconstruct_all(model, torch.from_numpy(images).to(resolve_device(device)))
    return {budget: shown.cpu().numpy() for budget, shown in made.items()}
