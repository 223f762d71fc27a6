"""The two frozen types that cross the cluster: a trial goes out, its result comes back.

Both are plain data. ``as_dict`` and ``from_dict`` are their form in the event log (JSON), and they
are exact inverses of each other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from prior_search.weights import RegularizerWeights

Family = Literal["gaussian", "categorical", "ema_vq"]
Bottleneck = Literal["prior", "td", "itd"]
Task = Literal["contrastive", "reconstruction", "synthetic"]
Stage = Literal["stage1", "stage2", "confirm", "final", "evaluation"]
Status = Literal["completed", "diverged", "failed", "lost", "stopped"]

AttemptKey = tuple[str, str, int, int, int]  # study, search, trial, replicate, attempt

FAMILIES: tuple[Family, ...] = get_args(Family)
BOTTLENECKS: tuple[Bottleneck, ...] = get_args(Bottleneck)
TASKS: tuple[Task, ...] = get_args(Task)
TRAINED_TASKS: tuple[Task, ...] = ("contrastive", "reconstruction")  # those that have a model

# what a task's search minimizes, as progress, tables and figures call it
OBJECTIVES: dict[Task, str] = {
    "contrastive": "validation NT-Xent",
    "reconstruction": "validation L1 + L2",
    "synthetic": "made-up objective",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPoint:
    """Metrics at one training step."""

    step: int
    metrics: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """The point as JSON-ready data."""
        return {"step": self.step, "metrics": dict(self.metrics)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MetricPoint:
        """The inverse of ``as_dict``."""
        return cls(step=int(data["step"]), metrics=dict(data["metrics"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSpec:
    """Everything that decides the outcome of one training run; nothing about where it runs.

    A trial is one configuration, a replicate one further seed of it, an attempt one try to run it:
    (``trial``, ``replicate``, ``attempt``) is unique in a study.

    Attributes:
        search: name of the search within the study that suggested the trial.
        settings: constants of the token family (free bits, temperature, ...), recorded, not tuned.
        horizon: optimization steps.
        seed: seeds initialization, batches, masks and token noise.
    """

    study: str
    search: str
    trial: int
    replicate: int = 0
    attempt: int = 0
    stage: Stage
    role: str
    task: Task = "contrastive"
    bottleneck: Bottleneck
    family: Family
    preset: str
    weights: RegularizerWeights
    settings: Mapping[str, float] = field(default_factory=dict)
    horizon: int
    seed: int

    def __post_init__(self) -> None:
        if self.horizon < 1:
            raise ValueError(f"horizon must be >= 1 step, got {self.horizon}")

    @property
    def label(self) -> str:
        """``t0042``, or ``t0042-r2`` for the second further seed: a folder name and a run name."""
        return f"t{self.trial:04d}" + (f"-r{self.replicate}" if self.replicate else "")

    @property
    def arm_name(self) -> str:
        """``td``, or ``control/td`` for an arm of a search over several bottlenecks."""
        is_alone = self.search == self.bottleneck
        return self.search if is_alone else f"{self.search}/{self.bottleneck}"

    @property
    def training(self) -> tuple[object, ...]:
        """What is trained, whoever asks for it: equal ones come out equal, on equal data."""
        constants = tuple(sorted(self.settings.items()))
        what = (self.task, self.family, self.bottleneck, self.preset)
        return (*what, self.weights, constants, self.horizon, self.seed)

    @property
    def key(self) -> tuple[int, int, int]:
        """(trial, replicate, attempt): unique in a study."""
        return (self.trial, self.replicate, self.attempt)

    @property
    def attempt_key(self) -> AttemptKey:
        """Unique among the attempts of a driver, which may run several studies."""
        return (self.study, self.search, *self.key)

    def retry(self) -> TrialSpec:
        """The same trial, one attempt later."""
        return dataclasses.replace(self, attempt=self.attempt + 1)

    def as_dict(self) -> dict[str, Any]:
        """The specification as JSON-ready data."""
        data = {name: getattr(self, name) for name in self.__slots__}
        return data | {"weights": self.weights.as_dict(), "settings": dict(self.settings)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TrialSpec:
        """The inverse of ``as_dict``."""
        weights = RegularizerWeights.from_mapping(data["weights"])
        return cls(**{**data, "weights": weights, "settings": dict(data["settings"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """What came of one attempt.

    Attributes:
        objective: the value to minimize, at the last step; None unless ``status`` is completed.
        metrics: further values at the last step, unweighted regularizer terms among them.
        steps: optimization steps done by the end, those before a checkpoint included.
        wall_seconds: time of this attempt alone.
        error: what went wrong, in one line; None if nothing did.
        study: of the specification, like ``search``: says whose result it is where several studies
            share the workers. Empty in records from before they could.
    """

    trial: int
    replicate: int
    attempt: int
    status: Status
    objective: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    steps: int = 0
    wall_seconds: float = 0.0
    worker: str = ""
    error: str | None = None
    study: str = ""
    search: str = ""

    def __post_init__(self) -> None:
        if (self.objective is not None) != (self.status == "completed"):
            raise ValueError(
                "objective must be given exactly when status is 'completed', "
                f"got {self.objective} with {self.status!r}"
            )

    @classmethod
    def without_value(
        cls, spec: TrialSpec, status: Status, error: str, *, wall_seconds: float = 0.0
    ) -> TrialResult:
        """Of an attempt that ended without telling anything itself."""
        return cls(
            trial=spec.trial,
            replicate=spec.replicate,
            attempt=spec.attempt,
            status=status,
            wall_seconds=wall_seconds,
            error=error,
            study=spec.study,
            search=spec.search,
        )

    @property
    def key(self) -> tuple[int, int, int]:
        """(trial, replicate, attempt): the specification that this answers."""
        return (self.trial, self.replicate, self.attempt)

    @property
    def attempt_key(self) -> AttemptKey:
        """That of the specification."""
        return (self.study, self.search, *self.key)

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON-ready data."""
        data = {name: getattr(self, name) for name in self.__slots__}
        return data | {"metrics": dict(self.metrics)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TrialResult:
        """The inverse of ``as_dict``."""
        return cls(**{**data, "metrics": dict(data["metrics"])})
