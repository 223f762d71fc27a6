"""The event log of a working copy and its segments in the bucket, kept equal by the driver.

Every line is in this machine's log first. A result, a start of a driver and everything else that
others hear of is on its disk and in the bucket before ``add`` returns; suggestions, starts and
metric points, which the next driver comes to again, go there with it, or after ``RENEW_SECONDS``
at the latest.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from prior_search.errors import StorageError
from prior_search.storage import patience
from prior_search.storage.file_store import FileStore
from prior_search.storage.lease import Lease
from prior_search.storage.origin import Origin
from prior_search.storage.segments import (
    Segment,
    last_epoch,
    list_segments,
    read_log,
    write_whole,
)

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

RENEW_SECONDS = 15.0  # between signs of life; a lease lapses after four times as long
MANY_SEGMENTS = 500  # are put together


class LogReplica:
    """The writer's side of one log.

    Args:
        path: of the log in the working copy, whose lock the caller holds.
        origin: of the working copy.

    Raises:
        RequestError: another driver holds the lease.
        StorageError: the bucket does not answer, or refuses.
    """

    def __init__(self, path: Path, origin: Origin) -> None:
        self._path = path
        self._store = FileStore(origin.of(path.parent))
        self._lease = Lease(self._store, origin.holder)
        self._lock = threading.Lock()  # of all below, as signs of life come from a thread
        self._pending: list[bytes] = []
        self._error: StorageError | None = None
        self._ends = threading.Event()
        self._insist(self._lease.take)
        self._epoch = 1 + self._insist(lambda: last_epoch(list_segments(self._store)))
        content = merge(path, self._insist(lambda: read_log(self._store)))
        self._insist(lambda: write_whole(self._store, self._epoch, content))
        self._written, self._segments = content.count(b"\n"), 1
        self._thread = threading.Thread(target=self._live, name="lease", daemon=True)
        self._thread.start()

    def add(self, line: bytes, *, is_heard: bool) -> None:
        """Take one more line that is in this machine's log.

        Raises:
            StorageError: another driver has taken over, or the bucket was away for too long.
        """
        with self._lock:
            if self._error is not None:
                raise self._error
            self._pending.append(line)
            if is_heard:
                self._insist(self._send)

    def close(self) -> None:
        """Send the rest, as one object, and give the lease back; says so if that cannot be."""
        self._ends.set()
        self._thread.join()
        with self._lock:
            if self._error is not None:
                return
            try:
                self._insist(self._finish, seconds=0.0)
            except StorageError as error:
                logger.warning("%s", error)

    def _finish(self) -> None:
        self._lease.ensure()
        write_whole(self._store, self._epoch, self._path.read_bytes())
        self._lease.release()

    def _insist(self, action: Callable[[], Answer], seconds: float | None = None) -> Answer:
        kept = f"{self._path} has everything, and the same command on this machine sends it"
        limit = patience.OUTAGE_SECONDS if seconds is None else seconds
        return patience.insist(action, self._store.location, kept, limit)

    def _send(self) -> None:
        """Write what is pending as the next segment."""
        if not self._pending:
            return
        self._lease.ensure()
        segment = Segment(self._epoch, self._written, self._written + len(self._pending))
        self._store.write(segment.name, b"".join(self._pending))
        self._written, self._segments = segment.end, self._segments + 1
        self._pending.clear()
        if self._segments > MANY_SEGMENTS:
            write_whole(self._store, self._epoch, self._path.read_bytes())
            self._segments = 1

    def _live(self) -> None:
        """Give signs of life; an error of the network is for the next result to wait for."""
        while not self._ends.wait(RENEW_SECONDS):
            with self._lock:
                try:
                    self._lease.renew()
                    self._send()
                except StorageError as error:
                    self._error = error
                    return
                except OSError as error:
                    logger.debug("no sign of life: %s", error)


def merge(path: Path, theirs: bytes) -> bytes:
    """Bring a log of this machine up to date with the bucket's; returns its content.

    Lines that only this machine has (its last driver died before they were sent) stay. If the
    logs contradict each other, another driver went on meanwhile: its log counts, and ours is kept
    aside. The file stays the same one, since its lock is held.
    """
    whole = path.read_bytes() if path.exists() else b""
    ours = whole[: whole.rfind(b"\n") + 1]  # behind the last line break nothing is complete
    if ours.startswith(theirs):
        return ours
    if not theirs.startswith(ours):
        aside = path.with_suffix(".superseded")
        aside.write_bytes(ours)
        logger.warning(
            "another driver went on with %s; what only this machine had is in %s", path, aside
        )
        ours = b""
    with path.open("ab") as file:  # a crash in here leaves a part of theirs, as if it came late
        file.truncate(len(ours))
        file.write(theirs[len(ours) :])
        file.flush()
        os.fsync(file.fileno())
    return theirs


def refresh_log(store: FileStore, path: Path) -> None:
    """Bring a log up to date for reading, unless a driver of this machine is writing it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    theirs = read_log(store)
    with path.open("ab") as file, contextlib.suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        merge(path, theirs)
