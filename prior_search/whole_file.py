"""Files that are there as a whole or not at all, whenever a process dies or a disk is full."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Where to write what becomes ``path`` at the end of the block, its folder included.

    Readers see the old file or the new one. If the block raises, what it wrote is removed: it
    would fill the disk further.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write text as ``whole_file`` does."""
    with whole_file(path) as partial:
        partial.write_text(text, "utf-8")
