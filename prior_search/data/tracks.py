"""Object tracks: several frames of each of many object instances, however many shards hold them.

F = frames, I = instances. Images stay on disk: every shard is memory-mapped, and ``gather`` copies
the frames that are asked for. The small columns are in memory, about 40 bytes per frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from prior_search.data.manifest import MANIFEST, Manifest
from prior_search.data.remote import local_copy
from prior_search.data.shards import Shard, read_shard
from prior_search.errors import RequestError
from prior_search.storage.file_store import FileStore
from prior_search.storage.origin import is_remote

SPLITS = ("train", "validation")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectTracks:
    """A data set of one or many shards.

    Attributes:
        blocks: the shards' images, uint8 [f, 3, H, W] each, views of the memory-mapped files.
        fovea: float32 [F, 4]: center x, y and sigma x, y, in units of the image, y down.
        instance: int32 [F], 0..I-1, ascending.
        labels: int16 [F, number of levels], coarse to class; a set without classes has no levels.
        is_validation: bool [F], the same for all frames of an instance.
        offsets: int64 [I + 1]; instance i has the frames offsets[i] .. offsets[i+1] - 1.
    """

    blocks: tuple[np.ndarray, ...]
    fovea: np.ndarray
    instance: np.ndarray
    labels: np.ndarray
    is_validation: np.ndarray
    offsets: np.ndarray
    level_names: tuple[str, ...]
    class_names: tuple[str, ...]
    source: str
    fingerprint: str
    _starts: np.ndarray = field(init=False, repr=False)  # first frame of every block, and F

    def __post_init__(self) -> None:
        starts = np.cumsum([0, *(len(block) for block in self.blocks)])
        object.__setattr__(self, "_starts", starts)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(3, H, W), pixels."""
        channels, height, width = self.blocks[0].shape[1:]
        return channels, height, width

    def gather(self, frames: np.ndarray) -> np.ndarray:
        """Copies of the images of the given frames, uint8 [n, 3, H, W].

        Raises:
            IndexError: a frame outside 0..F-1.
        """
        if len(frames) and not 0 <= frames.min() <= frames.max() < self._starts[-1]:
            raise IndexError(f"frames must be from 0 to {self._starts[-1] - 1}")
        if len(self.blocks) == 1:
            return self.blocks[0][frames]
        images = np.empty((len(frames), *self.image_shape), np.uint8)
        blocks = np.searchsorted(self._starts, frames, side="right") - 1
        rows = frames - self._starts[blocks]
        for image, block, row in zip(images, blocks, rows, strict=True):
            image[:] = self.blocks[block][row]
        return images

    def instances(self, split: str) -> np.ndarray:
        """Instances of a split, int64, ascending.

        Raises:
            ValueError: an unknown split.
        """
        if split not in SPLITS:
            raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
        held_out = self.is_validation[self.offsets[:-1]]
        return np.flatnonzero(held_out == (split == "validation"))


def open_tracks(location: Path | str) -> ObjectTracks:
    """Memory-map a data set: an Arrow file, a converted folder, or one in an s3:// bucket.

    A set in a bucket is first copied to the local cache, once per fingerprint.

    Raises:
        RequestError: the set is missing, incomplete, of another format, or contradicts itself.
    """
    path = local_copy(str(location)) if is_remote(location) else Path(location)
    if not path.is_dir():
        shard = read_shard(path)
        return _join([shard], shard.fingerprint, str(path))
    manifest = Manifest.read(FileStore(path))
    shards = []
    for entry in manifest.shards:
        shard_path = path / entry.name
        if shard_path.exists() and shard_path.stat().st_size != entry.bytes:
            raise RequestError(
                f"{shard_path} must have {entry.bytes} bytes, got {shard_path.stat().st_size}; "
                f"see prior-search data verify {path}"
            )
        shard = read_shard(shard_path)
        if shard.fingerprint != entry.fingerprint:
            raise RequestError(f"{shard_path} is not the shard that {path / MANIFEST} lists")
        if len(shard.images):
            shards.append(shard)
    return _join(shards, manifest.fingerprint, str(path))


def _join(shards: list[Shard], fingerprint: str, where: str) -> ObjectTracks:
    if not sum(len(shard.images) for shard in shards):
        raise RequestError(f"{where} holds no frames")
    counts = [len(shard.starts) for shard in shards]
    first = np.cumsum([0, *counts])
    instance = np.concatenate([s.instance + k for s, k in zip(shards, first[:-1], strict=True)])
    return ObjectTracks(
        blocks=tuple(shard.images for shard in shards),
        fovea=np.concatenate([shard.fovea for shard in shards]),
        instance=instance.astype(np.int32),
        labels=np.concatenate([shard.labels for shard in shards]),
        is_validation=np.concatenate([shard.is_validation for shard in shards]),
        offsets=np.append(np.flatnonzero(np.diff(instance, prepend=-1)), len(instance)),
        level_names=shards[0].level_names,
        class_names=shards[0].class_names,
        source=shards[0].source,
        fingerprint=fingerprint,
    )
