"""The manifest of a converted set: written last, so that a set without one is unfinished."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from prior_search.errors import RequestError
from prior_search.storage.file_store import FileStore

MANIFEST = "manifest.json"
FORMAT = "prior-search shard set 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardEntry:
    """What the manifest knows of one shard.

    Attributes:
        name: relative to the set's folder.
        bytes: size of the file.
        sha256: of the file.
        fingerprint: of the content, as in the file's metadata.
        frames, instances: train and validation.
        masked_frames: frames whose object place came from a mask.
        class_frames: (class label, train frames, validation frames) of the classes in it.
    """

    name: str
    bytes: int
    sha256: str
    fingerprint: str
    frames: tuple[int, int]
    instances: tuple[int, int]
    masked_frames: int
    class_frames: tuple[tuple[int, int, int], ...]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ShardEntry:
        """The inverse of ``dataclasses.asdict``, with lists for tuples."""
        pairs = {key: tuple(data[key]) for key in ("frames", "instances")}
        classes = tuple(tuple(row) for row in data["class_frames"])
        return cls(**{**data, **pairs, "class_frames": classes})


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A finished set.

    Attributes:
        label_names: names of every level's labels, coarse to class.
        left_out: number of ``broken.csv``'s lines by kind: image, mask, instance.
        arguments: what the conversion was asked for; compared when it is started again.
    """

    shards: tuple[ShardEntry, ...]
    image_size: int
    level_names: tuple[str, ...]
    label_names: tuple[tuple[str, ...], ...]
    source: str
    left_out: Mapping[str, int]
    arguments: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        """Of the content of all shards in order and the names of the labels."""
        digest = hashlib.sha256(json.dumps([self.level_names, self.label_names]).encode())
        for entry in self.shards:
            digest.update(entry.fingerprint.encode())
        return digest.hexdigest()[:16]

    @property
    def num_frames(self) -> int:
        """Frames of both splits."""
        return sum(sum(entry.frames) for entry in self.shards)

    def write(self, folder: FileStore) -> None:
        """Make the folder a finished set."""
        data = {"format": FORMAT, "fingerprint": self.fingerprint, **asdict(self)}
        folder.write(MANIFEST, f"{json.dumps(data, indent=1)}\n".encode())

    @classmethod
    def read(cls, folder: FileStore) -> Manifest:
        """The manifest of a finished set.

        Raises:
            RequestError: none there, not readable, or its content contradicts its fingerprint.
        """
        where = f"{folder.location}: {MANIFEST}"
        try:
            if folder.size(MANIFEST) is None:
                raise RequestError(
                    f"{folder.location} is no finished data set: it has no {MANIFEST}, which "
                    "prior-search data convert writes last"
                )
            data = json.loads(folder.read(MANIFEST))
            return cls._from_json(data, where)
        except (OSError, pa.ArrowException) as error:
            raise RequestError(f"cannot read {where}: {error}") from error
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, RequestError):
                raise
            raise RequestError(f"{where} is damaged: {error!r}") from error

    @classmethod
    def _from_json(cls, data: dict[str, Any], where: str) -> Manifest:
        found = data.pop("format")
        if found != FORMAT:
            raise RequestError(f"{where}: format must be {FORMAT!r}, got {found!r}")
        recorded = data.pop("fingerprint")
        manifest = cls(
            **{
                **data,
                "shards": tuple(ShardEntry.from_json(entry) for entry in data["shards"]),
                "level_names": tuple(data["level_names"]),
                "label_names": tuple(tuple(names) for names in data["label_names"]),
            }
        )
        if manifest.fingerprint != recorded:
            raise RequestError(
                f"{where} was changed: its fingerprint is {manifest.fingerprint}, "
                f"it says {recorded}"
            )
        return manifest
