"""Which address in a bucket a folder of this machine is the working copy of."""

from __future__ import annotations

import hashlib
import json
import socket
import uuid
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

NOTE = ".origin.json"


def is_remote(location: Path | str) -> bool:
    """Whether the location is in a bucket."""
    return isinstance(location, str) and "://" in location


def below(location: str, name: str) -> str:
    """The location of a file or folder below another, its query kept."""
    if not is_remote(location):
        return str(Path(location) / name)
    address = urlsplit(location)
    path = "/".join(part for part in (address.path.rstrip("/"), name) if part)
    return urlunsplit(address._replace(path=path))


def above(location: str) -> str:
    """The location of the folder that holds a file or folder, its query kept."""
    if not is_remote(location):
        return str(Path(location).parent)
    address = urlsplit(location)
    return urlunsplit(address._replace(path=address.path.rstrip("/").rpartition("/")[0]))


def name_of(location: str) -> str:
    """The last part of a location."""
    return Path(urlsplit(location).path if is_remote(location) else location).name


@dataclass(frozen=True, slots=True)
class Origin:
    """What the note of a working copy says.

    Attributes:
        root: folder of this machine.
        address: what it is a copy of.
        holder: names this copy on this machine, for leases.
    """

    root: Path
    address: str
    holder: str

    def of(self, path: Path) -> str:
        """The address of a file or folder below the root."""
        name = path.resolve().relative_to(self.root).as_posix()
        return self.address if name == "." else below(self.address, name)


def find_origin(path: Path) -> Origin | None:
    """The origin of the working copy that a path is in; None on an ordinary disk."""
    for folder in (path.resolve(), *path.resolve().parents):
        note = folder / NOTE
        if note.is_file():
            content = json.loads(note.read_text())
            # a cache that was copied to, or is shared with, another machine is another copy
            holder = f"{socket.gethostname()}-{content['copy']}"
            return Origin(folder, content["address"], holder)
    return None


def make_copy(address: str, cache: Path) -> Path:
    """The folder for the working copies of what is at an address, made if it is not there."""
    parts = urlsplit(address)
    address = urlunsplit(parts._replace(path=parts.path.rstrip("/")))
    key = hashlib.sha256(address.encode()).hexdigest()[:16]
    root = cache / "studies" / key
    note = root / NOTE
    if not note.exists():
        root.mkdir(parents=True, exist_ok=True)
        partial = root / f"{NOTE}.{uuid.uuid4().hex}"
        partial.write_text(json.dumps({"address": address, "copy": uuid.uuid4().hex[:12]}))
        partial.replace(note)
    return root.resolve()


def address_of(path: Path) -> str:
    """Where a path is kept: its address in the bucket for a working copy, else the path."""
    origin = find_origin(path)
    return str(path) if origin is None else origin.of(path)
