"""Sets in a bucket, copied to the local cache before they are trained on."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import pyarrow as pa
from filelock import FileLock

from prior_search.data.manifest import MANIFEST, Manifest, ShardEntry
from prior_search.errors import RequestError
from prior_search.storage.file_store import CHUNK, FileStore, cache_folder
from prior_search.whole_file import whole_file

logger = logging.getLogger(__name__)


def local_copy(location: str) -> Path:
    """The cached copy of a set, complete; shards that are missing are downloaded first.

    The cache is keyed by fingerprint: a set that was replaced in the bucket is another set. Two
    processes of a machine that ask at once download once.

    Raises:
        RequestError: no finished set there, or a download that differs from the manifest.
    """
    remote = FileStore(location)
    manifest = Manifest.read(remote)
    path = cache_folder() / "sets" / manifest.fingerprint
    path.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        missing = [entry for entry in manifest.shards if not _is_there(path, entry)]
        if missing:
            logger.warning(
                "copying %d of %d shards of %s to %s",
                len(missing),
                len(manifest.shards),
                location,
                path,
            )
        for entry in missing:
            _download(remote, entry, path)
        if not (path / MANIFEST).exists():
            manifest.write(FileStore(path))
    return path


def _is_there(path: Path, entry: ShardEntry) -> bool:
    target = path / entry.name
    return target.exists() and target.stat().st_size == entry.bytes


def _download(remote: FileStore, entry: ShardEntry, path: Path) -> None:
    target = path / entry.name
    if path.resolve() not in target.resolve().parents:  # a manifest is somebody's input
        raise RequestError(f"{remote.location}: shard name {entry.name!r} leads outside the set")
    with whole_file(target) as partial:
        try:
            remote.fetch(entry.name, partial)
        except (OSError, pa.ArrowException) as error:
            raise RequestError(
                f"cannot copy {entry.name} of {remote.location}: {error}"
            ) from error
        found = file_sha256(partial)
        if found != entry.sha256:
            raise RequestError(
                f"{entry.name} of {remote.location} is damaged: SHA-256 {found}, "
                f"the manifest says {entry.sha256}"
            )


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
