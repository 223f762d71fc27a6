"""``prior-search data``: convert a download, look at a set, check it."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from prior_search.commands.shell import interrupted
from prior_search.commands.tables import print_whole
from prior_search.data import is_remote, open_tracks
from prior_search.data.conversion import BROKEN, Conversion, ConversionProgress
from prior_search.data.conversion_plan import ConversionRequest, make_plan
from prior_search.data.manifest import Manifest
from prior_search.data.tracks import SPLITS
from prior_search.data.verification import verify_file, verify_set
from prior_search.storage.file_store import FileStore

LINE_SECONDS = 10.0  # between lines where there is no terminal
CLASSES_SHOWN = 20


def run(options: argparse.Namespace) -> int:
    """Run ``convert``, ``info`` or ``verify``."""
    return {"convert": convert, "info": info, "verify": verify}[options.action](options)


def convert(options: argparse.Namespace) -> int:
    """Convert a download into a set; 0 done, 130 interrupted."""
    console = Console()
    request = ConversionRequest(
        source=options.source,
        layout=None if options.layout == "auto" else options.layout,
        masks=options.masks,
        taxonomy=options.taxonomy,
        size=options.size,
        validation_share=options.validation_share,
        max_frames=options.max_frames,
        shard_mib=options.shard_mib,
    )
    try:
        with console.status("listing the source"):
            plan = make_plan(request)
        console.print(
            f"{plan.title}: {len(plan.instances)} instances, {plan.num_frames} frames, "
            f"{len(plan.shards)} shards, {plan.num_frames * 3 * plan.size**2 / 2**30:.2f} GiB",
            soft_wrap=True,
        )
        conversion = Conversion(plan, options.dest, options.max_broken_share)
        with _ConversionView(console) as view:
            manifest = conversion.run(options.workers or _cores(), view.show)
    except KeyboardInterrupt:
        return interrupted(console, "shards")
    _show_set(console, options.dest, manifest)
    return 0


def _cores() -> int:
    return len(os.sched_getaffinity(0))


class _ConversionView:
    """A bar on a terminal, a line now and then elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("converting", total=None)
        self._started = self._last = time.monotonic()

    def __enter__(self) -> _ConversionView:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, progress: ConversionProgress) -> None:
        """Take over how far the conversion is."""
        broken = f", {progress.broken} left out" if progress.broken else ""
        self._bar.update(
            self._task,
            total=progress.total,
            completed=progress.done,
            description=f"converting{broken}",
        )
        now = time.monotonic()
        if self._console.is_terminal or now - self._last < LINE_SECONDS:
            return
        self._last = now
        rate = (progress.done - progress.resumed) / (now - self._started)
        left = f", {(progress.total - progress.done) / rate / 60:.0f} min left" if rate else ""
        self._console.print(
            f"{progress.done} of {progress.total} frames, {rate:.0f} per second{left}{broken}"
        )


def info(options: argparse.Namespace) -> int:
    """Print what is in a set."""
    console = Console()
    if is_remote(options.path) or Path(options.path).is_dir():
        _show_set(console, options.path, Manifest.read(FileStore(options.path)))
        return 0
    tracks = open_tracks(options.path)
    counts = [
        [int((tracks.is_validation == held_out).sum()) for held_out in (False, True)],
        [len(tracks.instances(split)) for split in SPLITS],
    ]
    _show_counts(console, counts)
    _show_facts(
        console,
        {
            "source": tracks.source,
            "images": "{1} x {2} pixels".format(*tracks.image_shape),
            "levels": _level_counts(
                tracks.level_names, [len(np.unique(column)) for column in tracks.labels.T]
            ),
            "fingerprint": tracks.fingerprint,
        },
    )
    return 0


def _level_counts(names: tuple[str, ...], counts: list[int]) -> str:
    return ", ".join(f"{k} {name}" for name, k in zip(names, counts, strict=True)) or "no classes"


def _show_set(console: Console, location: str, manifest: Manifest) -> None:
    counts = [
        [sum(entry.frames[split] for entry in manifest.shards) for split in range(2)],
        [sum(entry.instances[split] for entry in manifest.shards) for split in range(2)],
    ]
    _show_counts(console, counts)
    if manifest.label_names:
        _show_classes(console, manifest)
    masked = sum(entry.masked_frames for entry in manifest.shards)
    left_out = ", ".join(f"{n} {kind}" for kind, n in sorted(manifest.left_out.items()))
    _show_facts(
        console,
        {
            "set": location,
            "source": manifest.source,
            "images": f"{manifest.image_size} x {manifest.image_size} pixels",
            "levels": _level_counts(
                manifest.level_names, [len(names) for names in manifest.label_names]
            ),
            "object place": f"{masked / max(1, manifest.num_frames):.1%} of frames from a mask",
            "left out": f"{left_out}; see its {BROKEN}" if left_out else "nothing",
            "shards": f"{len(manifest.shards)}, "
            f"{sum(entry.bytes for entry in manifest.shards) / 2**20:.1f} MiB",
            "fingerprint": manifest.fingerprint,
        },
    )


def _show_counts(console: Console, counts: list[list[int]]) -> None:
    table = Table("", *SPLITS, "all")
    for name, (train, validation) in zip(("frames", "instances"), counts, strict=True):
        table.add_row(name, str(train), str(validation), str(train + validation))
    print_whole(console, table)


def _show_classes(console: Console, manifest: Manifest) -> None:
    frames = np.zeros((len(manifest.label_names[-1]), 2), int)
    for entry in manifest.shards:
        for label, *by_split in entry.class_frames:
            frames[label] += by_split
    present = np.argsort(-frames.sum(1), kind="stable")[: int((frames.sum(1) > 0).sum())]
    table = Table("class", *(f"{split} frames" for split in SPLITS))
    for label in present[:CLASSES_SHOWN]:
        table.add_row(manifest.label_names[-1][label], *map(str, frames[label]))
    print_whole(console, table)
    absent = len(frames) - len(present)
    console.print(
        f"{len(present)} classes have frames"
        + (f", the {CLASSES_SHOWN} largest are shown" if len(present) > CLASSES_SHOWN else "")
        + (f"; {absent} of the taxonomy have none" if absent else "")
    )


def _show_facts(console: Console, facts: dict[str, str]) -> None:
    for name, value in facts.items():
        console.print(f"{name}: {value}", soft_wrap=True, markup=False, highlight=False)


def verify(options: argparse.Namespace) -> int:
    """Read a whole set; 0 sound, 2 damaged."""
    console = Console(soft_wrap=True, markup=False, highlight=False)
    if is_remote(options.path) or Path(options.path).is_dir():
        shards = verify_set(FileStore(options.path))
    else:
        shards = iter([(options.path, verify_file(Path(options.path)))])
    checked = damaged = 0
    for name, problems in shards:
        checked += 1
        damaged += bool(problems)
        for problem in problems:
            console.print(f"{name}: {problem}")
    if damaged:
        console.print(f"{damaged} of {checked} shards are damaged")
        return 2
    console.print(f"{checked} shards are sound")
    return 0
