"""Who may write to an event log in a bucket: one driver at a time, on whatever machine.

A driver puts an object of its own under ``lease/`` and then looks who else has one. Two that come
at once both see the other's and both stand back, so no conditional writes are needed, only that a
listing shows what was written before it, as S3 and its kin promise. An object that was not renewed
for ``LEASE_SECONDS`` belongs to a driver that is gone. All ages are differences of the store's own
times, so the clocks of the machines do not matter. A driver that finds its object taken away (it
was suspended, or without a network for long) must stop.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import time

from prior_search.errors import RequestError, StorageError
from prior_search.storage.file_store import FileStore

logger = logging.getLogger(__name__)

LEASE_SECONDS = 60.0  # without a sign of life, after which a driver counts as gone
FOLDER = "lease"


class LeaseLostError(StorageError):
    """Another driver has taken over."""


class Lease:
    """One driver's right to write to a log.

    Args:
        store: folder of the log.
        holder: names the working copy that this driver works on, whose local lock it holds; so a
            driver that was killed is followed at once by the next one of the same copy.
    """

    def __init__(self, store: FileStore, holder: str) -> None:
        self._store, self._name = store, f"{FOLDER}/{holder}.json"
        self._renewed = -float("inf")

    def take(self) -> None:
        """Take the lease.

        Raises:
            RequestError: another driver holds it.
        """
        self._write()
        entries = {entry.name: entry for entry in self._store.entries(FOLDER)}
        own = entries.pop(self._name)
        for name, entry in entries.items():
            age = own.written - entry.written
            if age <= LEASE_SECONDS:
                told = self._told(name)
                self.release()
                raise RequestError(
                    f"another driver runs the study in {self._store.location}: {told}, last sign "
                    f"of life {max(0, age):.0f} s ago; after {LEASE_SECONDS:.0f} s without one "
                    "it counts as gone"
                )
            logger.warning("%s is gone; going on from its record", self._told(name))
            self._store.remove(name)
        self._renewed = _now()

    def renew(self) -> None:
        """Give a sign of life.

        Raises:
            LeaseLostError: another driver has taken over.
        """
        if self._store.size(self._name) is None:
            raise LeaseLostError(
                f"another driver has taken over the study in {self._store.location}, as this one "
                f"gave no sign of life for {LEASE_SECONDS:.0f} s; stopping"
            )
        self._write()
        self._renewed = _now()

    def ensure(self) -> None:
        """Renew if the last sign of life is so old that another driver may come.

        Raises:
            LeaseLostError: one has come.
        """
        if _now() - self._renewed > LEASE_SECONDS / 2:
            self.renew()

    def release(self) -> None:
        """Give the lease back."""
        self._store.remove(self._name)

    def _write(self) -> None:
        content = {"host": socket.gethostname(), "pid": os.getpid()}
        self._store.write(self._name, json.dumps(content).encode())

    def _told(self, name: str) -> str:
        try:
            content = json.loads(self._store.read(name))
            return f"process {content['pid']} on {content['host']}"
        except (OSError, ValueError, KeyError, TypeError):
            return f"the driver of {name}"  # released while it was read, or not ours


def _now() -> float:
    """Seconds that go on while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
