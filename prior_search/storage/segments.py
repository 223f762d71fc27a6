"""An event log in a bucket, where nothing can be appended to: numbered objects, each a few lines.

``events/EPOCH-FIRST-END.jsonl`` holds the events FIRST to END - 1 of the log. Every driver writes
under an epoch of its own, one above all that are there, and begins it with the whole log. So only
the objects of the last epoch count, and a driver that writes on after another took over (it was
suspended between its look at the lease and its write) changes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from prior_search.errors import RecordError
from prior_search.storage.file_store import FileStore

FOLDER = "events"
NAME = re.compile(rf"{FOLDER}/(\d{{6}})-(\d{{9}})-(\d{{9}})\.jsonl")
READ_ATTEMPTS = 5  # a driver may put segments together while they are read


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One object: the events ``first`` to ``end`` - 1, written in an epoch."""

    epoch: int
    first: int
    end: int

    @property
    def name(self) -> str:
        """Of the object."""
        return f"{FOLDER}/{self.epoch:06d}-{self.first:09d}-{self.end:09d}.jsonl"


def list_segments(store: FileStore) -> list[Segment]:
    """All segments of a log, of all epochs."""
    matches = (NAME.fullmatch(entry.name) for entry in store.entries(FOLDER))
    return sorted(Segment(*map(int, match.groups())) for match in matches if match)


def last_epoch(segments: list[Segment]) -> int:
    """The highest epoch; 0 if there is none."""
    return max((segment.epoch for segment in segments), default=0)


def chain(segments: list[Segment]) -> list[Segment]:
    """Those of the last epoch that make up the log, in order; the longest where several begin.

    Raises:
        RecordError: a segment in between is missing.
    """
    epoch = last_epoch(segments)
    longest: dict[int, Segment] = {}
    for segment in segments:  # sorted, so the longest of those that begin at an event comes last
        if segment.epoch == epoch:
            longest[segment.first] = segment
    found, at = [], 0
    while at in longest:
        found.append(longest[at])
        at = longest[at].end
    end = max((segment.end for segment in longest.values()), default=0)
    if at < end:
        raise RecordError(f"events {at} to {end - 1} of the log are not in the bucket")
    return found


def read_log(store: FileStore) -> bytes:
    """The whole log; empty if there is none.

    Raises:
        RecordError: a part is missing.
    """
    for attempt in range(READ_ATTEMPTS):
        try:
            return b"".join(store.read(segment.name) for segment in chain(list_segments(store)))
        except FileNotFoundError:
            if attempt + 1 == READ_ATTEMPTS:
                raise
    raise AssertionError  # the loop returns or raises


def write_whole(store: FileStore, epoch: int, content: bytes) -> None:
    """Write the log as one object, then remove what it replaces."""
    whole = Segment(epoch, 0, content.count(b"\n"))
    replaced = [s for s in list_segments(store) if s.epoch <= epoch and s != whole]
    if content:
        store.write(whole.name, content)
    for segment in replaced:
        store.remove(segment.name)
