"""The mirror behind the driver's back: tracking never holds up a search."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from prior_search.event_log import Event
from prior_search.mlflow_log.driver_metrics import SAMPLE_SECONDS, DriverMonitor, DriverSample
from prior_search.mlflow_log.mirror import MAX_EVENTS, MlflowMirror
from prior_search.mlflow_log.store import MirrorError

logger = logging.getLogger(__name__)

RETRY_SECONDS = 10.0  # between attempts to reach a store
GATHER_SECONDS = 1.0  # that the first event of a portion waits for others


class MirrorThread:
    """A store that cannot be reached is warned of once and tried again; all it missed comes later.

    Args:
        folder: of the log.
        tracking_uri: as of ``MlflowMirror``.
        retry_seconds: between attempts to reach the store.
        sample_seconds: between samples of the driver's load.
        gather_seconds: that the first event of a portion waits for others.
    """

    def __init__(
        self,
        folder: Path,
        tracking_uri: str | None = None,
        *,
        retry_seconds: float = RETRY_SECONDS,
        sample_seconds: float = SAMPLE_SECONDS,
        gather_seconds: float = GATHER_SECONDS,
    ) -> None:
        self._mirror = MlflowMirror(folder, tracking_uri)
        self._retry_seconds, self._gather_seconds = retry_seconds, gather_seconds
        self._queue: queue.SimpleQueue[Event | DriverSample | None] = queue.SimpleQueue()
        self._has_warned = self._has_sent_all = False
        self._give_up = threading.Event()
        self._monitor = DriverMonitor(self._queue.put, sample_seconds)
        self._thread = threading.Thread(target=self._work, name="mlflow mirror", daemon=True)
        self._thread.start()

    def put(self, event: Event) -> None:
        """Hand over one event."""
        self._queue.put(event)

    def put_all(self, events: Iterable[Event]) -> None:
        """Hand over the events of a log that is continued."""
        for event in events:
            self._queue.put(event)

    def close(self, timeout: float) -> bool:
        """Send what is left and the artifacts; False if the store could not take it in time."""
        self._monitor.stop()
        self._queue.put(None)
        self._thread.join(timeout)
        self._give_up.set()
        if not self._has_sent_all:
            logger.warning("MLflow did not take everything; `prior-search ui` sends the rest")
        return self._has_sent_all

    def _work(self) -> None:
        is_open = True
        while is_open:
            items = self._next_items()
            is_open = items[-1] is not None
            if not self._insist(partial(self._send, items)):
                return
        self._has_sent_all = self._insist(self._mirror.log_artifacts)

    def _next_items(self) -> list[Event | DriverSample | None]:
        """What comes next, and all that comes soon after: a portion; None ends the last one."""
        items = [self._queue.get()]
        end = time.monotonic() + self._gather_seconds
        while items[-1] is not None and len(items) < MAX_EVENTS:
            try:
                items.append(self._queue.get(timeout=max(0.0, end - time.monotonic())))
            except queue.Empty:
                break
        return items

    def _send(self, items: Sequence[Event | DriverSample | None]) -> None:
        self._mirror.apply(item for item in items if isinstance(item, dict))
        for item in items:
            if isinstance(item, DriverSample):
                self._mirror.log_driver(item)

    def _insist(self, action: Callable[[], None]) -> bool:
        while not self._give_up.is_set():
            try:
                action()
            except MirrorError as error:
                if not self._has_warned:
                    logger.warning("%s; the search goes on, and tracking is tried again", error)
                    self._has_warned = True
                self._give_up.wait(self._retry_seconds)
            else:
                return True
        return False
