"""The record of a study: one append-only file of JSON lines, safe against a driver that dies.

Every event is a flat mapping with a sequence number ``seq`` (from 0), the wall-clock ``time`` in
Unix seconds and its kind in ``event``. A line is handed to the system before ``append`` returns,
so a driver that is killed loses none. A result, and all else that others hear of, is on disk by
then, with everything before it, so a machine that loses power loses none of these. Suggestions,
retries, starts and metric points wait for the next of them: the next driver comes to the same
suggestions and retries, and starts and points decide nothing. A last line that was cut by a crash
never counted and is removed when the log is opened for writing, as is a hole of zeros that a file
system may leave where the machine lost power, with what was to follow it.

In the working copy of a bucket the log is written there, too, under a lease (``storage``), and
what waits for the disk waits for the bucket.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader, FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prior_search.errors import RecordError, RequestError, StorageError
from prior_search.redaction import redact_event
from prior_search.storage.origin import find_origin

if TYPE_CHECKING:
    from prior_search.storage.log_replica import LogReplica

logger = logging.getLogger(__name__)

Event = dict[str, Any]

PLAN_NAME = "campaign.toml"  # in the folder of a campaign, which holds those of its studies

# Most of the log, without text that somebody else's code wrote.
PLAIN = ("trial_suggested", "trial_started", "metric_point")
# The next result takes these along to the disk, and to a bucket.
UNSYNCED = (*PLAIN, "trial_retried")

_AS_JSON = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


def read_events(path: Path) -> list[Event]:
    """All complete events of a log, oldest first; a cut last line is left out.

    Raises:
        RecordError: a line in the middle is damaged, or sequence numbers have a gap.
    """
    return list(_parse(_complete(path.read_bytes()), path))


@contextmanager
def at_rest(path: Path) -> Iterator[list[Event]]:
    """The events of a log, which no process of this machine writes to meanwhile.

    Raises:
        RequestError: one does.
        RecordError: as of ``read_events``.
    """
    with path.open("rb") as file:
        _lock(file, path)
        yield read_events(path)


def _lock(file: FileIO | BufferedReader, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise RequestError(f"another process is running the study in {path.parent}") from error


def holds_study(folder: Path) -> bool:
    """Whether a folder has a log with its first event; a driver may die before it is written."""
    path = folder / "events.jsonl"
    if not path.exists():
        return False
    with path.open("rb") as file:
        return file.readline().endswith(b"\n")


def holds_campaign(folder: Path) -> bool:
    """Whether a folder is one of several studies that ``prior-search study`` runs."""
    return (folder / PLAN_NAME).is_file()


def _parse(complete: bytes, path: Path) -> Iterator[Event]:
    for number, line in enumerate(complete.split(b"\n")[:-1]):
        try:
            event = json.loads(line)
        except ValueError as error:
            raise RecordError(f"{path} line {number + 1} is not JSON: {error}") from error
        if not isinstance(event, dict) or event.get("seq") != number:
            raise RecordError(f"{path} line {number + 1} must be an event with seq {number}")
        yield event


def _complete(content: bytes) -> bytes:
    """The events that count: up to the last line break, or to a hole of zeros.

    A result is on disk with all before it, so a hole with a result behind it is damage.
    """
    complete = content[: content.rfind(b"\n") + 1]
    hole = complete.find(b"\0")
    if hole < 0:
        return complete
    before = complete[: complete.rfind(b"\n", 0, hole) + 1]
    behind = complete[complete.find(b"\n", hole) + 1 :].splitlines()
    lost = (b"\0", *(b'"event":"%s"' % kind.encode() for kind in UNSYNCED))
    return before if all(any(sign in line for sign in lost) for line in behind) else complete


def _replica(path: Path) -> LogReplica | None:
    """What keeps a log in a bucket, if that is where it belongs."""
    origin = find_origin(path.parent)
    if origin is None:
        return None
    from prior_search.storage.log_replica import LogReplica  # brings pyarrow

    return LogReplica(path, origin)


class EventLog:
    """The one writer of a log; a second driver on the same study is refused.

    Args:
        path: of the log; made if it is missing.
        read_only: read what is there, also while a driver is writing; ``append`` then fails.

    Raises:
        RequestError: another process holds the log.
        RecordError: the log is damaged before its last line.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        # unbuffered: a buffer would keep what a full disk refused, and write it later
        self._file = path.open("rb" if read_only else "a+b", buffering=0)
        self._replica: LogReplica | None = None
        try:
            if not read_only:
                _lock(self._file, path)
                self._replica = _replica(path)
                self._file.seek(0)
            content = self._file.read()
            complete = _complete(content)
            self.events: list[Event] = list(_parse(complete, path))
        except BaseException:
            self._file.close()
            raise
        if not read_only and len(complete) < len(content):
            logger.warning("%s: removed an end that a crash had cut or left empty", path)
            self._file.truncate(len(complete))
            self._file.seek(0, os.SEEK_END)

    def append(self, kind: str, data: Mapping[str, Any]) -> Event:
        """Write one event and return it.

        Raises:
            ValueError: the data hold a number that JSON cannot carry (infinity, NaN).
            StorageError: the disk refused, and the log still ends with its last whole event; or a
                bucket was away for too long, and the log of this machine has the event.
        """
        event: Event = {"seq": len(self.events), "time": time.time(), "event": kind}
        event |= data if kind in PLAIN else redact_event(data)
        line = _AS_JSON.encode(event).encode() + b"\n"
        is_heard = kind not in UNSYNCED
        self._write(line, is_synced=is_heard)
        self.events.append(event)
        if self._replica is not None:
            self._replica.add(line, is_heard=is_heard)
        return event

    def _write(self, line: bytes, *, is_synced: bool) -> None:
        file, written = self._file.fileno(), 0
        try:
            while written < len(line):  # a full disk takes a part, then refuses
                written += os.write(file, line[written:])
            if is_synced:
                os.fsync(file)
        except OSError as error:
            os.ftruncate(file, os.fstat(file).st_size - written)
            raise StorageError(
                f"cannot write {self.path}: {error.strerror}; "
                "all that it holds is kept, and the same command goes on from there"
            ) from error

    def close(self) -> None:
        """Release the log for another driver."""
        if self._replica is not None:
            self._replica.close()
        self._file.close()

    def __enter__(self) -> EventLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
