"""Trying a store again that does not answer: bounded, with one warning."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from prior_search.errors import StorageError

logger = logging.getLogger(__name__)

OUTAGE_SECONDS = 300.0  # that a store may be away before a driver gives up
LONGEST_PAUSE = 15.0  # seconds between two tries
# what trying again does not change, by the names that S3 gives
LASTING = (
    "ACCESS_DENIED",
    "NO_SUCH_BUCKET",
    "INVALID_ACCESS_KEY_ID",
    "SIGNATURE_DOES_NOT_MATCH",
    "INVALID_CLIENT_TOKEN_ID",
    "EXPIRED_TOKEN",
    "Path does not exist",
)

Answer = TypeVar("Answer")


def is_lasting(error: OSError) -> bool:
    """Whether an error says that the next try will fail as well."""
    return isinstance(error, StorageError) or any(name in str(error) for name in LASTING)


def insist(action: Callable[[], Answer], where: str, kept: str, seconds: float) -> Answer:
    """What ``action`` gives, tried again while the store is away.

    Args:
        action: may be repeated.
        where: the store, for messages.
        kept: what is safe meanwhile, for messages.
        seconds: after which the store counts as gone; 0 tries once.

    Raises:
        StorageError: it is gone, or refuses.
    """
    ends, pause, is_told = time.monotonic() + seconds, 1.0, False
    while True:
        try:
            return action()
        except OSError as error:
            if isinstance(error, StorageError):
                raise
            if is_lasting(error) or time.monotonic() >= ends:
                reason = " ".join(str(error).split())
                raise StorageError(f"cannot write to {where}: {reason}; {kept}") from error
            if not is_told:
                logger.warning("%s does not answer (%s); trying again", where, error)
                is_told = True
            time.sleep(min(pause, max(0.0, ends - time.monotonic())))
            pause = min(2 * pause, LONGEST_PAUSE)
