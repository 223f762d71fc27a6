"""Files by name below a folder, on a disk or in an s3:// bucket, through ``pyarrow.fs``.

Nothing appears under its name before it is whole: on a disk by renaming, in a bucket because an
object exists only after its upload was closed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from prior_search.errors import RequestError
from prior_search.storage.origin import is_remote

CHUNK = 8 << 20  # bytes per read of an upload or download


def cache_folder() -> Path:
    """``$PRIOR_SEARCH_CACHE``, or a folder among the user's caches."""
    return Path(os.environ.get("PRIOR_SEARCH_CACHE", Path.home() / ".cache" / "prior-search"))


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a store: its name, its bytes, and when it was written in Unix seconds."""

    name: str
    size: int
    written: float


class FileStore:
    """The files below one folder.

    Args:
        location: a path, or ``s3://bucket/folder``; ``?region=`` and, for stores other than
            Amazon's, ``?endpoint_override=host:port&scheme=http`` may follow. Credentials come
            from the environment or the profile, as for any AWS tool.

    Raises:
        RequestError: another scheme, credentials in the address, or an address that is none.
    """

    def __init__(self, location: Path | str) -> None:
        self.location = str(location)
        self.is_local = not is_remote(location)
        if self.is_local:
            self._files, self._root = fs.LocalFileSystem(), str(Path(location).resolve())
            return
        address = urlsplit(self.location)
        if address.scheme != "s3" or not address.netloc:
            raise RequestError(
                f"a place must be a path or s3://bucket/folder, got {self.location}"
            )
        if "@" in address.netloc:  # it would end up in records and logs
            raise RequestError("credentials belong in the environment, not in an address")
        try:
            self._files, root = fs.FileSystem.from_uri(self.location)
        except (OSError, ValueError, pa.ArrowException) as error:
            raise RequestError(f"cannot use {self.location}: {error}") from error
        self._root = root.rstrip("/")

    @property
    def path(self) -> Path:
        """The local folder.

        Raises:
            ValueError: the folder is in a bucket.
        """
        if not self.is_local:
            raise ValueError(f"{self.location} is not on a local disk")
        return Path(self._root)

    def size(self, name: str) -> int | None:
        """Bytes of a file; None if there is none of that name."""
        info = self._files.get_file_info(f"{self._root}/{name}")
        return int(info.size) if info.type == fs.FileType.File else None

    def names(self) -> list[str]:
        """Names of all files, relative to the folder, sorted; empty if there is no folder."""
        return [entry.name for entry in self.entries()]

    def entries(self, folder: str = "") -> list[Entry]:
        """All files of the store, or of a folder in it, sorted by name."""
        root = f"{self._root}/{folder}" if folder else self._root
        selector = fs.FileSelector(root, recursive=True, allow_not_found=True)
        found = [i for i in self._files.get_file_info(selector) if i.type == fs.FileType.File]
        cut = len(self._root) + 1
        entries = [Entry(i.path[cut:], int(i.size), i.mtime_ns / 1e9) for i in found]
        return sorted(entries, key=lambda entry: entry.name)

    def open(self, name: str) -> pa.NativeFile:
        """A file for reading at any place."""
        return self._files.open_input_file(f"{self._root}/{name}")

    def read(self, name: str) -> bytes:
        """The content of a small file."""
        with self.open(name) as file:
            return bytes(file.read())

    def write(self, name: str, content: bytes) -> None:
        """Write a small file, whole or not at all."""
        if not self.is_local:
            with self._files.open_output_stream(f"{self._root}/{name}") as sink:
                sink.write(content)
            return
        self.path.mkdir(parents=True, exist_ok=True)
        partial = self.path / f"{Path(name).name}.{os.getpid()}.partial"
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self.put(partial, name)

    def scratch(self) -> Path | None:
        """The local folder itself, made if missing: what is renamed must be on its disk."""
        if not self.is_local:
            return None
        self.path.mkdir(parents=True, exist_ok=True)
        return self.path

    def put(self, file: Path, name: str) -> None:
        """Move a finished local file to its name in the folder."""
        target = f"{self._root}/{name}"
        if self.is_local:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            file.replace(target)
            return
        with file.open("rb") as source, self._files.open_output_stream(target) as sink:
            while chunk := source.read(CHUNK):
                sink.write(chunk)
        file.unlink()

    def fetch(self, name: str, target: Path) -> None:
        """Copy a file to a local path."""
        with self.open(name) as source, target.open("wb") as sink:
            while chunk := source.read(CHUNK):
                sink.write(chunk)

    def remove(self, name: str) -> None:
        """Remove a file."""
        self._files.delete_file(f"{self._root}/{name}")
