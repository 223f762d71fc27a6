"""A downloaded tree, listed without leaving it: folders, instances, frames.

What a tree holds is somebody's input: symbolic links are followed only inside the tree, devices
and pipes are never opened, and hidden files and archive litter are passed over.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from prior_search.errors import RequestError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
LITTER = ("__MACOSX", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceInstance:
    """One object, or one picture of a set without objects.

    Attributes:
        folder: of its images, relative to the source, with ``/``.
        frames: file names in that folder, sorted.
        masks: folders in which to look for masks, absolute, the first found counts.
        class_folder: name of its class's folder; None in a set without classes.
        is_validation: the side of the split.
    """

    folder: str
    frames: tuple[str, ...]
    masks: tuple[str, ...]
    class_folder: str | None
    is_validation: bool


def printable(name: str) -> str:
    """A file name as valid text, whatever bytes it has on disk."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def check_inside(path: Path, root: Path) -> None:
    """Refuse a symbolic link out of the tree.

    Args:
        path: a file or folder below ``root``.
        root: the tree, resolved.

    Raises:
        RequestError: it leads outside, or nowhere.
    """
    try:
        inside = path.resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError) as error:  # dangling, or a loop
        raise RequestError(
            f"{printable(str(path))} is a symbolic link to nothing: {error}"
        ) from error
    if not inside:
        raise RequestError(
            f"{printable(str(path))} is a symbolic link that leads outside "
            f"{printable(str(root))}; give the folder it leads to as SOURCE"
        )


def folders(path: Path, root: Path) -> list[str]:
    """Names of the folders in a folder, sorted by their bytes.

    Raises:
        RequestError: the folder cannot be read, or a link in it leads outside ``root``.
    """
    found = []
    for entry in _entries(path):
        if entry.is_symlink() and entry.is_dir():
            check_inside(path / entry.name, root)
        if entry.is_dir():
            found.append(entry.name)
    return sorted(found, key=os.fsencode)


def image_files(path: Path) -> tuple[str, ...]:
    """Names of the image files in a folder, sorted by their bytes.

    Links are listed: whether they may be followed is decided where a file is opened.
    """
    names = [
        sys.intern(entry.name)  # millions of frames share few names
        for entry in _entries(path)
        if entry.name.lower().endswith(IMAGE_SUFFIXES) and (entry.is_symlink() or entry.is_file())
    ]
    return tuple(sorted(names, key=os.fsencode))


def _entries(path: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return [e for e in entries if not e.name.startswith(".") and e.name not in LITTER]
    except OSError as error:
        raise RequestError(f"cannot list {printable(str(path))}: {error.strerror}") from error


def listing_digest(instances: Iterable[SourceInstance]) -> str:
    """SHA-256 of all folders and file names, to know a source again."""
    digest = hashlib.sha256()
    for instance in instances:
        line = json.dumps([instance.folder, instance.frames, instance.is_validation])
        digest.update(line.encode("ascii"))
    return digest.hexdigest()
