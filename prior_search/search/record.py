"""A search as JSON-ready data, and back: everything that changed an optimizer, in order."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from prior_search.search.plan import SearchPlan
from prior_search.search.space import SearchSpace
from prior_search.search.suggestion import Observation, PastRun, Suggestion
from prior_search.search.two_stage import TwoStageOptimizer


def to_record(optimizer: TwoStageOptimizer) -> dict[str, Any]:
    """Space, plan, seed and all changes since."""
    return {
        "space": optimizer.first_space.as_dict(),
        "plan": dataclasses.asdict(optimizer.plan),
        "seed": optimizer.seed,
        "changes": [[kind, _as_data(change)] for kind, change in optimizer.changes],
    }


def from_record(record: Mapping[str, Any]) -> TwoStageOptimizer:
    """An optimizer that goes on as the recorded one would, bit for bit.

    Raises:
        ValueError: the changes contradict each other.
    """
    optimizer = TwoStageOptimizer(
        SearchSpace.from_dict(record["space"]), SearchPlan(**record["plan"]), record["seed"]
    )
    for kind, data in record["changes"]:
        apply(optimizer, kind, data)
    return optimizer


def apply(optimizer: TwoStageOptimizer, kind: str, data: Any) -> None:
    """Make one recorded change.

    Raises:
        ValueError: there is no such kind of change, or the optimizer refuses it.
    """
    if kind == "suggestion":
        optimizer.adopt(Suggestion.from_dict(data))
    elif kind == "observation":
        optimizer.tell(Observation(**data))
    elif kind == "enqueue":
        optimizer.enqueue(data)
    elif kind == "fix":
        optimizer.fix(*data)
    elif kind == "change_space":
        optimizer.change_space(SearchSpace.from_dict(data))
    elif kind == "warm_start":
        optimizer.warm_start([PastRun(**run) for run in data])
    else:
        raise ValueError(f"unknown change {kind!r} in the record of a search")


def _as_data(change: Any) -> Any:
    if isinstance(change, Suggestion | SearchSpace):
        return change.as_dict()
    if isinstance(change, Observation | PastRun):
        return dataclasses.asdict(change)
    if isinstance(change, tuple):
        return [_as_data(part) for part in change]
    return dict(change) if isinstance(change, Mapping) else change
