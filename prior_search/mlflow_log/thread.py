"""The mirror behind the driver's back: tracking never holds up a search."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from prior_search.event_log import Event
from prior_search.mlflow_log.driver_metrics import SAMPLE_SECONDS, DriverMonitor, DriverSample
from prior_search.mlflow_log.mirror import MlflowMirror
from prior_search.mlflow_log.store import MirrorError

logger = logging.getLogger(__name__)

RETRY_SECONDS = 10.0  # between attempts to reach a store


class MirrorThread:
    """A store that cannot be reached is warned of once and tried again; all it missed comes later.

    Args:
        folder: of the log.
        tracking_uri: as of ``MlflowMirror``.
        retry_seconds: between attempts to reach the store.
        sample_seconds: between samples of the driver's load.
    """

    def __init__(
        self,
        folder: Path,
        tracking_uri: str | None = None,
        *,
        retry_seconds: float = RETRY_SECONDS,
        sample_seconds: float = SAMPLE_SECONDS,
    ) -> None:
        self._mirror = MlflowMirror(folder, tracking_uri)
        self._retry_seconds = retry_seconds
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
        while (item := self._queue.get()) is not None:
            if not self._insist(partial(self._send, item)):
                return
        self._has_sent_all = self._insist(self._mirror.log_artifacts)

    def _send(self, item: Event | DriverSample) -> None:
        if isinstance(item, DriverSample):
            self._mirror.log_driver(item)
        else:
            self._mirror.apply([item])

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
