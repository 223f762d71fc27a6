"""Object tracks in one Arrow file: written atomically, memory-mapped without a copy.

F = frames, I = instances. Frames of an instance are contiguous. The schema's metadata hold the
format version, the image shape, the names of taxonomy levels and classes, and a fingerprint, the
SHA-256 of all columns.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from prior_search.errors import RequestError

FORMAT = "prior-search object tracks 1"
SPLITS = ("train", "validation")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectTracks:
    """A data set whose arrays are views of the memory-mapped file.

    Attributes:
        images: uint8 [F, 3, H, W].
        fovea: float32 [F, 4]: center x, y and sigma x, y, in units of the image, y down.
        instance: int32 [F], 0..I-1, ascending.
        labels: int16 [F, number of levels], coarse to class; no levels: [F, 0].
        is_validation: bool [F], the same for all frames of an instance.
        offsets: int64 [I + 1]; instance i has the frames offsets[i] .. offsets[i+1] - 1.
    """

    images: np.ndarray
    fovea: np.ndarray
    instance: np.ndarray
    labels: np.ndarray
    is_validation: np.ndarray
    offsets: np.ndarray
    level_names: tuple[str, ...]
    class_names: tuple[str, ...]
    source: str
    fingerprint: str

    def instances(self, split: str) -> np.ndarray:
        """Instances of a split, int64, ascending.

        Raises:
            ValueError: an unknown split.
        """
        if split not in SPLITS:
            raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
        held_out = self.is_validation[self.offsets[:-1]]
        return np.flatnonzero(held_out == (split == "validation"))


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
) -> None:
    """Write a data set; a file of that name appears only when it is whole."""
    frames, image_size = len(images), int(np.prod(images.shape[1:]))
    digest = hashlib.sha256(json.dumps(images.shape).encode())
    for array in (images, fovea, instance, labels, is_validation):
        digest.update(np.ascontiguousarray(array).tobytes())
    columns = {
        "image": pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(image_size), frames, [None, pa.py_buffer(np.ascontiguousarray(images))]
        ),
        "fovea": pa.FixedSizeListArray.from_arrays(pa.array(fovea.ravel()), 4),
        "instance": pa.array(instance),
        "is_validation": pa.array(is_validation.astype(np.uint8)),
    }
    if labels.shape[1]:  # Arrow has no lists of length zero
        columns["labels"] = pa.FixedSizeListArray.from_arrays(
            pa.array(labels.ravel()), labels.shape[1]
        )
    metadata = {
        "format": FORMAT,
        "image_shape": json.dumps(images.shape[1:]),
        "level_names": json.dumps(list(level_names)),
        "class_names": json.dumps(list(class_names)),
        "source": source,
        "fingerprint": digest.hexdigest()[:16],
    }
    table = pa.table(columns).replace_schema_metadata(metadata)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with pa.OSFile(str(partial), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    partial.replace(path)


def open_tracks(path: Path) -> ObjectTracks:
    """Memory-map a data set.

    Raises:
        RequestError: the file is missing, no Arrow file, of another format, or contradicts itself.
    """
    try:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except (OSError, pa.ArrowException) as error:
        raise RequestError(f"cannot read object tracks from {path}: {error}") from error
    metadata = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
    if metadata.get("format") != FORMAT:
        found = metadata.get("format", "none")
        raise RequestError(f"{path}: format must be {FORMAT!r}, got {found!r}")
    try:
        return _tracks(table, metadata)
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise RequestError(f"{path} holds damaged object tracks: {error}") from error


def _tracks(table: pa.Table, metadata: dict[str, str]) -> ObjectTracks:
    frames, shape = table.num_rows, tuple(json.loads(metadata["image_shape"]))
    levels = len(json.loads(metadata["level_names"]))
    if frames == 0 or len(shape) != 3 or shape[0] != 3:
        raise ValueError(f"needs frames of shape [3, H, W], got {frames} of {list(shape)}")
    batches = table.combine_chunks().to_batches()
    if len(batches) != 1:
        raise ValueError(f"needs one record batch, got {len(batches)}")
    columns = batches[0]

    def flat(name: str, dtype: type, width: int) -> np.ndarray:
        column = columns.column(name)
        data = column.buffers()[-1] if name == "image" else column
        if name in ("fovea", "labels"):
            data = column.flatten()
        array = np.frombuffer(data, dtype) if name == "image" else data.to_numpy()
        if array.dtype != dtype or array.size != frames * width:
            raise ValueError(f"column {name!r} must hold {width} {dtype.__name__} per frame")
        return array

    instance = flat("instance", np.int32, 1)
    starts = np.flatnonzero(np.diff(instance, prepend=-1))
    if not np.array_equal(instance[starts], np.arange(len(starts))):
        raise ValueError("instances must be numbered 0, 1, ... with contiguous frames")
    return ObjectTracks(
        images=flat("image", np.uint8, int(np.prod(shape))).reshape(frames, *shape),
        fovea=flat("fovea", np.float32, 4).reshape(frames, 4),
        instance=instance,
        labels=flat("labels", np.int16, levels).reshape(frames, levels)
        if levels
        else np.zeros((frames, 0), np.int16),
        is_validation=flat("is_validation", np.uint8, 1).astype(bool),
        offsets=np.append(starts, frames),
        level_names=tuple(json.loads(metadata["level_names"])),
        class_names=tuple(json.loads(metadata["class_names"])),
        source=metadata["source"],
        fingerprint=metadata["fingerprint"],
    )
