"""Studies whose trials are made up, for modules that name ``close_studies``, too."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prior_search.request import StudyRequest
from prior_search.space_tables import Budget, WeightRange
from prior_search.study import Study
from prior_search.trial import TrialResult, TrialSpec

FACTS = {"versions": {"python": "3"}, "data_fingerprint": "abc"}
REQUEST = StudyRequest(
    name="study",
    family="gaussian",
    bottlenecks=("prior", "td"),
    task="contrastive",
    preset="tiny",
    steps=100,
    seed=0,
    data="embedded",
    ranges=(
        WeightRange(
            name="kl_weight", low=1e-5, high=0.1, scale="log", only=("prior", "td", "itd")
        ),
        WeightRange(name="prediction_weight", low=0.01, high=10, scale="log", only=("prior",)),
    ),
    settings={"kappa": 0.5},
    budget=Budget(
        stage1_trials=4, stage2_trials=3, confirm_trials=1, anchors=1, short_horizon=0.25
    ),
)
OPENED: list[Study] = []


@pytest.fixture(autouse=True)
def close_studies() -> Iterator[None]:
    """Close what a test has opened."""
    yield
    while OPENED:
        OPENED.pop().close()


def open_study(folder: Path) -> Study:
    """A driver's view of the study in a folder."""
    OPENED.append(Study(folder))
    return OPENED[-1]


def make_study(folder: Path, **changes: Any) -> Study:
    """A new study, opened; the changes are to ``REQUEST``."""
    Study.create(folder, dataclasses.replace(REQUEST, **changes), FACTS)
    return open_study(folder)


def value_of(spec: TrialSpec, best: float = -3.0) -> float:
    """What a trial measures: the specification alone tells; ``best`` is the log10 of a weight."""
    x = math.log10(spec.weights.kl_weight) - best
    return 4 + 0.3 * x * x + (1 if spec.horizon < 100 else 0) + (spec.seed % 100) / 1000


def outcome(spec: TrialSpec, status: Any = "completed", **changes: Any) -> TrialResult:
    """The result of a trial."""
    fields: dict[str, Any] = {
        "trial": spec.trial,
        "replicate": spec.replicate,
        "attempt": spec.attempt,
        "status": status,
        "objective": value_of(spec) if status == "completed" else None,
    }
    return TrialResult(**(fields | changes))
