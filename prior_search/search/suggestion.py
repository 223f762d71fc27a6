"""What goes into and comes out of the optimizer: plan, suggestion, observation, recommendation."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Stage = Literal["stage1", "stage2", "confirm"]
Role = Literal["sobol", "anchor", "posterior_mean", "expected_improvement"]
Horizon = Literal["short", "long"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPlan:
    """How many suggestions of each kind.

    Attributes:
        stage1_trials: Sobol points at the short horizon.
        stage2_trials: points at the long horizon, anchors included.
        confirm_trials: further seeds for the leading configurations.
        num_anchors: stage-2 points that repeat the best of stage 1.
        posterior_mean_every: every so many stage-2 suggestions minimize the posterior mean.
    """

    stage1_trials: int
    stage2_trials: int
    confirm_trials: int
    num_anchors: int
    posterior_mean_every: int = 4

    def __post_init__(self) -> None:
        if self.stage1_trials < 2 or self.stage2_trials < 1 or self.confirm_trials < 0:
            raise ValueError(
                "a plan needs stage1_trials >= 2, stage2_trials >= 1 and confirm_trials >= 0, "
                f"got {self.stage1_trials}, {self.stage2_trials}, {self.confirm_trials}"
            )
        if not 0 <= self.num_anchors <= self.stage2_trials:
            raise ValueError(
                f"num_anchors must be from 0 to stage2_trials {self.stage2_trials}, "
                f"got {self.num_anchors}"
            )

    @property
    def total(self) -> int:
        """All suggestions."""
        return self.stage1_trials + self.stage2_trials + self.confirm_trials


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One training run to do.

    Attributes:
        index: counts suggestions from 0.
        trial: index of the suggestion that first proposed this configuration.
        replicate: 0 for a configuration's first run at its horizon, then 1, 2, ...
        point: in the unit cube; ``values`` are the same in units of the parameters.
        predicted_mean: of the long-horizon objective when it was chosen; None without a surrogate.
        predicted_sd: its standard deviation, without the noise of a run.
        acquisition: log expected improvement, where that chose the point.
        rng_key: seed of everything random in the choice.
    """

    index: int
    trial: int
    replicate: int = 0
    stage: Stage
    role: Role
    horizon: Horizon
    point: tuple[float, ...]
    values: Mapping[str, float]
    predicted_mean: float | None = None
    predicted_sd: float | None = None
    acquisition: float | None = None
    rng_key: int

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready data."""
        data = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return data | {"point": list(self.point), "values": dict(self.values)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Suggestion:
        """The inverse of ``as_dict``."""
        return cls(**{**data, "point": tuple(data["point"]), "values": dict(data["values"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The outcome of a suggestion; ``value`` to minimize, given exactly if it completed.

    ``diverged`` says something about the configuration, ``failed`` does not.
    """

    index: int
    value: float | None
    status: Literal["completed", "diverged", "failed"]

    def __post_init__(self) -> None:
        if (self.value is not None) != (self.status == "completed"):
            raise ValueError(
                f"a value belongs to a completed run, got {self.value} with {self.status!r}"
            )
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"value must be finite, got {self.value}; report it as 'diverged'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """The configuration to use, with what the surrogate believes of it at the long horizon.

    ``low`` and ``high`` bound the central 95 % of the posterior of the noiseless objective.
    """

    trial: int
    values: Mapping[str, float]
    predicted_mean: float
    predicted_sd: float
    low: float
    high: float
    num_runs: int

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready data."""
        data = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return data | {"values": dict(self.values)}
