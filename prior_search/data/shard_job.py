"""One shard: its instances decoded and written, by whichever process."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prior_search.data.frames import Frame, read_frame
from prior_search.data.image_files import BrokenImageError
from prior_search.data.manifest import ShardEntry
from prior_search.data.masks import find_mask
from prior_search.data.remote import file_sha256
from prior_search.data.shards import write_tracks
from prior_search.data.source_tree import SourceInstance, printable
from prior_search.storage.file_store import FileStore


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenLine:
    """A file that was not used, or an instance that was left out.

    Attributes:
        kind: ``image``, ``mask`` or ``instance``.
        name: relative to the source, or to the tree of masks.
    """

    kind: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardReport:
    """What became of a shard."""

    number: int
    entry: ShardEntry
    broken: tuple[BrokenLine, ...]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ShardReport:
        """The inverse of ``dataclasses.asdict``."""
        return cls(
            number=data["number"],
            entry=ShardEntry.from_json(data["entry"]),
            broken=tuple(BrokenLine(**line) for line in data["broken"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardJob:
    """All that a process needs to make one shard.

    Attributes:
        location: of the set.
        labels: of every instance, coarse to class.
        roots: the trees that photographs and masks must be in, resolved.
    """

    number: int
    location: str
    instances: tuple[SourceInstance, ...]
    labels: tuple[tuple[int, ...], ...]
    roots: tuple[Path, Path]
    size: int
    min_frames: int
    level_names: tuple[str, ...]
    class_names: tuple[str, ...]
    source: str

    @property
    def shard_name(self) -> str:
        """Of the Arrow file in the set."""
        return f"shards/{self.number:05d}.arrow"

    @property
    def report_name(self) -> str:
        """Of the report that says that the shard is finished."""
        return f"shards/{self.number:05d}.json"

    @property
    def num_frames(self) -> int:
        """Frames of all instances, usable or not."""
        return sum(len(instance.frames) for instance in self.instances)


@dataclass(slots=True)
class _Columns:
    """The columns of a shard while they are filled, and what was left out."""

    images: np.ndarray
    frames: list[Frame]
    instance: list[int]
    labels: list[tuple[int, ...]]
    is_validation: list[bool]
    names: list[str]
    broken: list[BrokenLine]


def make_shard(job: ShardJob, instance_done: Callable[[int], None]) -> ShardReport:
    """Decode the instances of a job, write the shard, then its report.

    Args:
        job: what to make.
        instance_done: called with the frames of each instance when it is decoded; may raise to
            stop.

    Raises:
        OSError: a disk failed.
    """
    columns = _Columns(
        np.empty((job.num_frames, 3, job.size, job.size), np.uint8), [], [], [], [], [], []
    )
    number = 0
    for instance, labels in zip(job.instances, job.labels, strict=True):
        number += _add_instance(columns, job, instance, labels, number)
        instance_done(len(instance.frames))
    folder = FileStore(job.location)
    with tempfile.TemporaryDirectory() as elsewhere:
        path = (folder.scratch() or Path(elsewhere)) / f"{job.number:05d}.arrow.partial"
        fingerprint = _write(columns, job, path)
        report = ShardReport(
            number=job.number,
            entry=_entry(columns, job, path, fingerprint),
            broken=tuple(columns.broken),
        )
        folder.put(path, job.shard_name)
    folder.write(job.report_name, f"{json.dumps(asdict(report))}\n".encode())
    return report


def _add_instance(
    columns: _Columns,
    job: ShardJob,
    instance: SourceInstance,
    labels: tuple[int, ...],
    number: int,
) -> bool:
    """Add the usable frames of an instance; False if there are too few, and none is added."""
    added = 0
    start = len(columns.frames)
    for name in instance.frames:
        place = printable(f"{instance.folder}/{name}")
        mask = find_mask(instance.masks, name)
        try:
            frame = read_frame(
                job.roots[0] / instance.folder / name, mask, size=job.size, roots=job.roots
            )
        except BrokenImageError as error:
            columns.broken.append(BrokenLine(kind="image", name=place, reason=str(error)))
            continue
        if frame.mask_fault is not None and mask is not None:
            inside = printable(str(mask.relative_to(job.roots[1])))
            columns.broken.append(BrokenLine(kind="mask", name=inside, reason=frame.mask_fault))
        columns.images[start + added] = frame.pixels
        columns.frames.append(frame)
        columns.names.append(place)
        added += 1
    if added < job.min_frames:
        del columns.frames[start:], columns.names[start:]
        reason = f"{added} usable frames, needs {job.min_frames}"
        columns.broken.append(
            BrokenLine(kind="instance", name=printable(instance.folder), reason=reason)
        )
        return False
    columns.instance += [number] * added
    columns.labels += [labels] * added
    columns.is_validation += [instance.is_validation] * added
    return True


def _write(columns: _Columns, job: ShardJob, path: Path) -> str:
    frames = len(columns.frames)
    return write_tracks(
        path,
        images=columns.images[:frames],
        fovea=np.array([f.fovea for f in columns.frames], np.float32).reshape(frames, 4),
        instance=np.array(columns.instance, np.int32),
        labels=np.array(columns.labels, np.int16).reshape(frames, len(job.level_names)),
        is_validation=np.array(columns.is_validation, bool),
        level_names=job.level_names,
        class_names=job.class_names,
        source=job.source,
        names=columns.names,
    )


def _entry(columns: _Columns, job: ShardJob, path: Path, fingerprint: str) -> ShardEntry:
    validation = np.array(columns.is_validation, bool)
    first = np.flatnonzero(np.diff(columns.instance, prepend=-1))
    classes = np.array([labels[-1] for labels in columns.labels if labels], np.int64)
    return ShardEntry(
        name=job.shard_name,
        bytes=path.stat().st_size,
        sha256=file_sha256(path),
        fingerprint=fingerprint,
        frames=(int((~validation).sum()), int(validation.sum())),
        instances=(int((~validation[first]).sum()), int(validation[first].sum())),
        masked_frames=sum(frame.has_mask for frame in columns.frames),
        class_frames=tuple(
            (
                int(label),
                int((~validation & (classes == label)).sum()),
                int((validation & (classes == label)).sum()),
            )
            for label in np.unique(classes)
        ),
    )
