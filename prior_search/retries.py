"""How often a run is tried again, by what ended its last attempt: one rule for all long work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping

MAX_RETRIES: Mapping[str, int] = {"lost": 3, "failed": 1}  # machines, code


class Retries:
    """Counts the ends of attempts."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[Hashable, str]] = Counter()

    def grants(self, run: Hashable, status: str) -> bool:
        """Count an end of this run; whether it is to be tried again."""
        self._counts[run, status] += 1
        return self._counts[run, status] <= MAX_RETRIES.get(status, 0)
