"""Runs of other studies as evidence for a search: fidelities of their own, in its space."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from prior_search.search.space import SearchSpace
from prior_search.search.suggestion import PastRun
from prior_search.search.surrogate import LONG, SHORT

FIRST = 1 + max(LONG, SHORT)  # fidelity that is free for them


class EndedRun(NamedTuple):
    """A run that a surrogate may be fitted to.

    Attributes:
        point: in the present space.
        fidelity: 0 long, 1 short, more for the horizons of other studies.
        value: its objective; None if it diverged.
    """

    point: tuple[float, ...]
    fidelity: int
    value: float | None


def check_complete(runs: Iterable[PastRun], space: SearchSpace) -> None:
    """Refuse runs that have no value of a parameter.

    Raises:
        ValueError: one of them lacks a parameter of the space.
    """
    for run in runs:
        missing = [name for name in space.names if name not in run.values]
        if missing:
            raise ValueError(f"a run of {run.study!r} lacks {', '.join(missing)}")


def placed(runs: Iterable[PastRun], space: SearchSpace) -> list[EndedRun]:
    """Those with a place in the space, each study and horizon with a fidelity of its own."""
    kinds: dict[tuple[str, str], int] = {}
    found = []
    for run in runs:
        fidelity = kinds.setdefault((run.study, run.horizon), FIRST + len(kinds))
        point = space.place(run.values)
        if point is not None:
            found.append(EndedRun(point, fidelity, run.value))
    return found
