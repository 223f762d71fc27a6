"""What a training run leaves behind while it runs and at its end: on a disk, or in a bucket.

A checkpoint that cannot be written costs nothing but itself: the training goes on, and the next
one is tried in its turn. What must be kept, the model at the end, is insisted on.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError

from prior_search.storage import patience
from prior_search.storage.file_store import FileStore, cache_folder
from prior_search.storage.origin import below, is_remote
from prior_search.whole_file import whole_file

logger = logging.getLogger(__name__)

NAME = "checkpoint.safetensors"
# what a disk does to a training through no fault of its code
OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE)


def disk_fault(error: BaseException) -> str | None:
    """What the disk of the machine had against a file; None if the error is another."""
    if isinstance(error, SafetensorError):  # has the number in its text only
        found = re.search(r"os error (\d+)", str(error))
        number = int(found.group(1)) if found else None
    else:
        number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number in OF_THE_DISK else None


class Checkpoint:
    """The file that an interrupted training goes on from.

    Args:
        path: of the file on this machine.
        seconds: between two checkpoints.
        address: of the run's folder in a bucket, where the file belongs; None: it stays here.
        has_folder: whether the file's folder is of this run alone, and goes with it.
    """

    def __init__(
        self, path: Path, seconds: float, address: str | None = None, *, has_folder: bool = False
    ) -> None:
        self.path = path
        self._seconds = seconds
        self._has_folder = has_folder
        self._store = None if address is None else FileStore(address)
        self._saved = time.monotonic()

    @classmethod
    def of_run(cls, trials: str, label: str, seconds: float) -> Checkpoint:
        """The checkpoint of one run.

        Args:
            trials: folder of all runs, a path or an s3:// address.
            label: of the run.
            seconds: between two checkpoints.
        """
        place = below(trials, label)
        if not is_remote(place):
            return cls(Path(place) / NAME, seconds, has_folder=True)
        scratch = cache_folder() / "trials" / hashlib.sha256(place.encode()).hexdigest()[:16]
        return cls(scratch / NAME, seconds, place, has_folder=True)

    def fetch(self) -> bool:
        """Whether there is one to go on from; brought here from the bucket first."""
        if self._store is not None and self._store.size(NAME) is not None:
            with whole_file(self.path) as partial:
                self._store.fetch(NAME, partial)
        return self.path.exists()

    @property
    def is_due(self) -> bool:
        """Whether it is time for the next one."""
        return time.monotonic() - self._saved >= self._seconds

    def save(self, write: Callable[[Path], None]) -> None:
        """Write one; a disk or a bucket that refuses is warned of, and the training goes on."""
        try:
            write(self.path)
            if self._store is not None:
                self._store.write(NAME, self.path.read_bytes())
        except (OSError, SafetensorError) as error:
            is_of_bucket = self._store is not None and isinstance(error, OSError)
            # another attempt at this run has come to its end, and took the folder with it
            is_gone = self._has_folder and not self.path.parent.exists()
            if not (is_of_bucket or is_gone) and disk_fault(error) is None:
                raise
            logger.warning("no checkpoint this time, the training goes on: %s", error)
        self._saved = time.monotonic()

    def leave(self, name: str, write: Callable[[Path], None]) -> None:
        """Write a file that stays beside the checkpoint.

        Raises:
            StorageError: the bucket refused, or was away for too long.
        """
        path = self.path.with_name(name)
        write(path)
        store = self._store
        if store is not None:
            kept = f"it is in {path}"
            patience.insist(
                lambda: store.write(name, path.read_bytes()),
                store.location,
                kept,
                patience.OUTAGE_SECONDS,
            )

    def remove(self) -> None:
        """Remove it, and the run's folder if nothing else is in it: the training is at its end."""
        self.path.unlink(missing_ok=True)
        if self._has_folder:
            with suppress(OSError):  # it has a model, or a file that another attempt writes now
                self.path.parent.rmdir()
        if self._store is not None and self._store.size(NAME) is not None:
            self._store.remove(NAME)
