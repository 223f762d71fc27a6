"""One Arrow file of object tracks: written atomically, memory-mapped without a copy.

F = frames. Frames of an instance are contiguous; the file is one record batch. The schema's
metadata hold the format version, the image shape, the names of taxonomy levels and classes, and a
fingerprint, the SHA-256 of all columns that training reads. Every row carries its own CRC-32, so
that damage can be traced to a frame.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from prior_search.errors import RequestError
from prior_search.whole_file import whole_file

FORMAT = "prior-search object tracks 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """The columns of one file as views of the memory map, and its metadata.

    Attributes:
        images: uint8 [F, 3, H, W].
        fovea: float32 [F, 4]: center x, y and sigma x, y, in units of the image, y down.
        instance: int32 [F], 0, 1, ... within the file, ascending.
        labels: int16 [F, number of levels], coarse to class; no levels: [F, 0].
        is_validation: bool [F].
        checksums: uint32 [F], CRC-32 of a row; None in a file of an older version.
        names: where each frame came from; empty where nobody said.
    """

    images: np.ndarray
    fovea: np.ndarray
    instance: np.ndarray
    labels: np.ndarray
    is_validation: np.ndarray
    checksums: np.ndarray | None
    names: pa.Array | None
    level_names: tuple[str, ...]
    class_names: tuple[str, ...]
    source: str
    fingerprint: str

    @property
    def starts(self) -> np.ndarray:
        """The first frame of every instance, int64."""
        return np.flatnonzero(np.diff(self.instance, prepend=-1))


def write_tracks(  # noqa: PLR0913  # one argument per column
    path: Path,
    *,
    images: np.ndarray,
    fovea: np.ndarray,
    instance: np.ndarray,
    labels: np.ndarray,
    is_validation: np.ndarray,
    level_names: Sequence[str],
    class_names: Sequence[str],
    source: str,
    names: Sequence[str] | None = None,
) -> str:
    """Write a file that appears under its name only when it is whole; returns its fingerprint.

    Labels of a set without classes are int16 [F, 0]. ``names`` say where each frame came from.
    """
    training_columns = (images, fovea, instance, labels, is_validation.astype(np.uint8))
    fingerprint = content_fingerprint(*training_columns)
    columns = {
        "image": pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(int(np.prod(images.shape[1:]))),
            len(images),
            [None, pa.py_buffer(np.ascontiguousarray(images))],
        ),
        "fovea": pa.FixedSizeListArray.from_arrays(pa.array(fovea.ravel()), 4),
        "instance": pa.array(instance),
        "is_validation": pa.array(training_columns[-1]),
        "checksum": pa.array(row_checksums(*training_columns)),
    }
    if labels.shape[1]:  # Arrow has no lists of length zero
        columns["labels"] = pa.FixedSizeListArray.from_arrays(
            pa.array(labels.ravel()), labels.shape[1]
        )
    if names is not None:
        columns["name"] = pa.array(names, pa.string())
    metadata = {
        "format": FORMAT,
        "image_shape": json.dumps(images.shape[1:]),
        "level_names": json.dumps(list(level_names)),
        "class_names": json.dumps(list(class_names)),
        "source": source,
        "fingerprint": fingerprint,
    }
    _write_table(path, pa.table(columns).replace_schema_metadata(metadata))
    return fingerprint


def _write_table(path: Path, table: pa.Table) -> None:
    with whole_file(path) as partial:
        with pa.OSFile(str(partial), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=max(1, table.num_rows))
        with partial.open("rb") as file:
            os.fsync(file.fileno())  # else a power cut may leave the name without the content


def content_fingerprint(images: np.ndarray, *columns: np.ndarray) -> str:
    """First 16 hexadecimal digits of the SHA-256 of the columns, in the order of ``Shard``."""
    digest = hashlib.sha256(json.dumps(images.shape).encode())
    for array in (images, *columns):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


def row_checksums(*columns: np.ndarray) -> np.ndarray:
    """CRC-32 of every row's bytes over the columns, uint32 [F]."""
    flat = [np.ascontiguousarray(column).reshape(len(column), -1) for column in columns]
    checksums = np.zeros(len(columns[0]), np.uint32)
    for row in range(len(checksums)):
        for column in flat:
            checksums[row] = zlib.crc32(column[row], int(checksums[row]))
    return checksums


def read_shard(path: Path) -> Shard:
    """Memory-map one file; its descriptor is closed, so that many can be open at once.

    Raises:
        RequestError: the file is missing, no Arrow file, of another format, or contradicts itself.
    """
    try:
        with pa.memory_map(str(path)) as file:
            return parse_shard(file, str(path))
    except (OSError, pa.ArrowException) as error:
        raise RequestError(f"cannot read object tracks from {path}: {error}") from error


def parse_shard(source: pa.NativeFile | pa.Buffer, where: str) -> Shard:
    """Columns and metadata of an Arrow file that is open; ``where`` names it in messages.

    Raises:
        RequestError: of another format, or it contradicts itself.
        OSError, pyarrow.ArrowException: no Arrow file.
    """
    table = pa.ipc.open_file(source).read_all()
    metadata = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
    if metadata.get("format") != FORMAT:
        found = metadata.get("format", "none")
        raise RequestError(f"{where}: format must be {FORMAT!r}, got {found!r}")
    try:
        return _shard(table, metadata)
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise RequestError(f"{where} holds damaged object tracks: {error}") from error


def _shard(table: pa.Table, metadata: Mapping[str, str]) -> Shard:
    frames, shape = table.num_rows, tuple(json.loads(metadata["image_shape"]))
    if len(shape) != 3 or shape[0] != 3:
        raise ValueError(f"images must have shape [3, H, W], got {list(shape)}")
    batches = table.combine_chunks().to_batches()
    if len(batches) > 1:
        raise ValueError(f"needs one record batch, got {len(batches)}")
    columns = batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)
    levels = tuple(json.loads(metadata["level_names"]))
    shard = Shard(
        images=_flat(columns, "image", np.uint8, int(np.prod(shape))).reshape(frames, *shape),
        fovea=_flat(columns, "fovea", np.float32, 4).reshape(frames, 4),
        instance=_flat(columns, "instance", np.int32, 1),
        labels=_flat(columns, "labels", np.int16, len(levels)).reshape(frames, len(levels)),
        is_validation=_flat(columns, "is_validation", np.uint8, 1).astype(bool),
        checksums=_flat(columns, "checksum", np.uint32, 1)
        if "checksum" in table.schema.names
        else None,
        names=columns.column("name") if "name" in table.schema.names else None,
        level_names=levels,
        class_names=tuple(json.loads(metadata["class_names"])),
        source=metadata["source"],
        fingerprint=metadata["fingerprint"],
    )
    if not np.array_equal(shard.instance[shard.starts], np.arange(len(shard.starts))):
        raise ValueError("instances must be numbered 0, 1, ... with contiguous frames")
    return shard


def _flat(columns: pa.RecordBatch, name: str, dtype: type, width: int) -> np.ndarray:
    if width == 0:
        return np.empty(0, dtype)
    column = columns.column(name)
    if name == "image":
        array: np.ndarray = np.frombuffer(column.buffers()[-1] or b"", dtype)
    else:
        array = (column.flatten() if name in ("fovea", "labels") else column).to_numpy()
    if array.dtype != dtype or array.size != columns.num_rows * width:
        raise ValueError(f"column {name!r} must hold {width} {dtype.__name__} per frame")
    return array
