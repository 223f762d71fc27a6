"""Read every byte of a set and name what is damaged: the shard, and the row in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from prior_search.data.manifest import Manifest, ShardEntry
from prior_search.data.shards import Shard, content_fingerprint, parse_shard, row_checksums
from prior_search.errors import RequestError
from prior_search.storage.file_store import FileStore

SHOWN = 10  # damaged rows named per shard


def verify_file(path: Path) -> list[str]:
    """Everything that is wrong with one Arrow file of tracks; empty if it is sound.

    Raises:
        RequestError: the file cannot be opened at all.
    """
    try:
        with pa.memory_map(str(path)) as file:
            shard = parse_shard(file, str(path))
    except (OSError, pa.ArrowException) as error:
        raise RequestError(f"cannot read object tracks from {path}: {error}") from error
    return shard_problems(shard)


def verify_set(folder: FileStore) -> Iterator[tuple[str, list[str]]]:
    """Every shard's name and what is wrong with it, in order.

    Raises:
        RequestError: there is no manifest, or it contradicts itself.
    """
    manifest = Manifest.read(folder)
    for entry in manifest.shards:
        yield entry.name, _entry_problems(folder, manifest, entry)


def _entry_problems(folder: FileStore, manifest: Manifest, entry: ShardEntry) -> list[str]:
    try:
        with folder.open(entry.name) as file:
            content = file.read_buffer()
    except (OSError, pa.ArrowException) as error:
        return [f"cannot be read: {error}"]
    problems = []
    if content.size != entry.bytes:
        problems.append(f"must have {entry.bytes} bytes, got {content.size}")
    if (found := hashlib.sha256(content).hexdigest()) != entry.sha256:
        problems.append(f"SHA-256 must be {entry.sha256}, got {found}")
    try:
        shard = parse_shard(pa.BufferReader(content), entry.name)
    except (RequestError, OSError, pa.ArrowException) as error:
        return [*problems, f"cannot be parsed: {error}"]
    return [*problems, *shard_problems(shard), *_differences(shard, manifest, entry)]


def shard_problems(shard: Shard) -> list[str]:
    """What contradicts itself within a shard."""
    held_out = shard.is_validation.astype(np.uint8)
    columns = (shard.images, shard.fovea, shard.instance, shard.labels, held_out)
    problems = []
    if shard.checksums is not None:
        damaged = np.flatnonzero(row_checksums(*columns) != shard.checksums)
        problems += [_row(shard, row, "differs from its checksum") for row in damaged[:SHOWN]]
        if len(damaged) > SHOWN:
            problems.append(f"{len(damaged) - SHOWN} more rows differ from their checksums")
    if (found := content_fingerprint(*columns)) != shard.fingerprint:
        problems.append(f"fingerprint must be {shard.fingerprint}, got {found}")
    bad_place = ~np.isfinite(shard.fovea).all(1) | (shard.fovea[:, 2:] <= 0).any(1)
    problems += [
        _row(shard, row, f"has no valid fovea: {shard.fovea[row].tolist()}")
        for row in np.flatnonzero(bad_place)[:SHOWN]
    ]
    return problems + _split_problems(shard) + _label_problems(shard)


def _row(shard: Shard, row: int, problem: str) -> str:
    name = "" if shard.names is None else f" ({shard.names[int(row)].as_py()})"
    return f"row {row}{name} {problem}"


def _split_problems(shard: Shard) -> list[str]:
    first = shard.starts[shard.instance] if len(shard.instance) else shard.instance
    crossing = np.flatnonzero(shard.is_validation != shard.is_validation[first])
    return [
        _row(shard, row, f"is on the other side of the split than instance {shard.instance[row]}")
        for row in crossing[:SHOWN]
    ]


def _label_problems(shard: Shard) -> list[str]:
    """Labels below zero, unknown classes, and frames of one instance that disagree."""
    if not shard.level_names or not len(shard.labels):
        return []
    unknown = (shard.labels < 0).any(1) | (shard.labels[:, -1] >= len(shard.class_names))
    changing = (shard.labels != shard.labels[shard.starts[shard.instance]]).any(1)
    return [
        _row(shard, row, f"has labels {shard.labels[row].tolist()}: {why}")
        for rows, why in (
            (unknown, f"the classes are 0 to {len(shard.class_names) - 1}"),
            (changing, "its instance has others"),
        )
        for row in np.flatnonzero(rows)[:SHOWN]
    ]


def _differences(shard: Shard, manifest: Manifest, entry: ShardEntry) -> list[str]:
    """What the manifest says otherwise."""
    held_out = shard.is_validation
    first = held_out[shard.starts]
    size = manifest.image_size
    classes = manifest.label_names[-1] if manifest.label_names else ()
    pairs = {
        "fingerprint": (entry.fingerprint, shard.fingerprint),
        "image shape": ((3, size, size), shard.images.shape[1:]),
        "frames by split": (entry.frames, (int((~held_out).sum()), int(held_out.sum()))),
        "instances by split": (entry.instances, (int((~first).sum()), int(first.sum()))),
        "levels": (manifest.level_names, shard.level_names),
        "classes": (classes, shard.class_names),
    }
    problems = [
        f"{name} must be {said} as in the manifest, got {found}"
        for name, (said, found) in pairs.items()
        if said != found
    ]
    if problems:
        return problems
    return [
        _row(shard, row, f"has {level} label {column[row]}, the last is {len(names) - 1}")
        for level, names, column in zip(
            manifest.level_names, manifest.label_names, shard.labels.T, strict=True
        )
        for row in np.flatnonzero(column >= len(names))[:SHOWN]
    ]
