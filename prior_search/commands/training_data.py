"""The set that a command trains or evaluates on, checked before anything is started."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import Progress

from prior_search.errors import RequestError
from prior_search.trial import Task

if TYPE_CHECKING:
    from prior_search.data import ObjectTracks

MAX_EMBEDDED_SIZE = 64  # pixels; rendering time and memory grow with the square


def check_batches(tracks: ObjectTracks, task: Task, preset: str, data: str, wanted: int) -> None:
    """Refuse a set that the task cannot draw its batches from."""
    instances = len(tracks.instances("train"))
    if instances < wanted:
        raise RequestError(
            f"{data}: preset {preset!r} needs at least {wanted} training "
            f"instances, a batch takes none twice, got {instances}"
        )
    if not len(tracks.instances("validation")):
        raise RequestError(f"{data}: no instance is held out for validation")
    single = np.diff(tracks.offsets) < 2
    if task == "contrastive" and single.any():
        raise RequestError(
            f"{data}: --task contrastive pairs two frames of an instance, but "
            f"{single.sum()} of {len(single)} instances have one frame"
        )


def prepare_data(console: Console, data: str, task: Task, preset: str) -> tuple[str, str]:
    """The set to train on and its fingerprint; makes the embedded one if it is missing."""
    if task == "synthetic":
        from prior_search.synthetic import read_rehearsal

        place = data if data == "embedded" else str(Path(data).resolve())
        return place, read_rehearsal(place).fingerprint()
    from prior_search.data import (
        cache_folder,
        embedded_faces,
        embedded_objects,
        is_remote,
        open_tracks,
    )
    from prior_search.tasks import make_task

    needs = make_task(task, preset)
    size = needs.preset.image_size
    if data != "embedded":
        tracks = open_tracks(data)
        if tracks.image_shape[1:] != (size, size):
            raise RequestError(
                f"{data}: preset {preset!r} needs images of {size} x {size} pixels, "
                f"got {tracks.image_shape[1]} x {tracks.image_shape[2]}"
            )
        check_batches(tracks, task, preset, data, needs.instances_per_batch)
        return data if is_remote(data) else str(Path(data).resolve()), tracks.fingerprint
    if size > MAX_EMBEDDED_SIZE:
        raise RequestError(
            f"embedded data is rendered up to {MAX_EMBEDDED_SIZE} pixels, "
            f"but preset {preset!r} needs {size}; give --data PATH"
        )
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        make = embedded_objects if task == "contrastive" else embedded_faces
        shown = bar.add_task("making the embedded images", total=None)

        def show(done: int, total: int) -> None:
            if done == 1:  # only now is it clear that they were not there
                console.print(f"making the embedded images, once, in {cache_folder()}")
            bar.update(shown, completed=done, total=total)

        path = make(cache_folder(), image_size=size, progress=show)
    return str(path), open_tracks(path).fingerprint
