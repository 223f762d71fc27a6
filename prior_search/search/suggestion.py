"""What goes into and comes out of the optimizer: suggestions, outcomes, recommendations."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

Stage = Literal["stage1", "stage2", "confirm"]
Role = Literal["sobol", "anchor", "posterior_mean", "expected_improvement", "manual"]
Horizon = Literal["short", "long"]
Status = Literal["completed", "diverged", "failed"]

UNSURE = {"predicted_sd": math.inf, "low": -math.inf, "high": math.inf}  # where nothing is known


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
        num_told: observations that were known when it was chosen.
        hyperparameters: of the surrogate that chose it, from which the next fit starts.
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
    num_told: int = 0
    hyperparameters: tuple[float, ...] | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready data."""
        data = {name: getattr(self, name) for name in self.__slots__}
        theta = None if self.hyperparameters is None else list(self.hyperparameters)
        data |= {"point": list(self.point), "hyperparameters": theta}
        return data | {"values": dict(self.values)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Suggestion:
        """The inverse of ``as_dict``."""
        theta = data.get("hyperparameters")
        changed: dict[str, Any] = {"point": tuple(data["point"]), "values": dict(data["values"])}
        changed["hyperparameters"] = None if theta is None else tuple(theta)
        return cls(**{**data, **changed})


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The outcome of a suggestion; ``value`` to minimize, given exactly if it completed.

    ``diverged`` says something about the configuration, ``failed`` does not.

    Raises:
        ValueError: there is no such status, the value does not go with it or is not finite, or the
            index is no integer.
    """

    index: int
    value: float | None
    status: Status

    def __post_init__(self) -> None:
        index: object = self.index  # also of those without a type checker
        if not isinstance(index, numbers.Integral):
            raise ValueError(f"index must be an integer, got {index!r}")
        object.__setattr__(self, "index", int(index))
        if self.status not in get_args(Status):
            raise ValueError(f"status must be one of {get_args(Status)}, got {self.status!r}")
        if (self.value is not None) != (self.status == "completed"):
            raise ValueError(
                f"a value belongs to a completed run, got {self.value} with {self.status!r}"
            )
        _keep_as_float(self, otherwise="report it as 'diverged'")


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """A run of another study: ``value`` is its objective, or None if it diverged."""

    study: str
    values: Mapping[str, float]
    horizon: Horizon
    value: float | None

    def __post_init__(self) -> None:
        _keep_as_float(self, otherwise="give None if the run diverged")
        if not all(math.isfinite(x) for x in self.values.values()):
            raise ValueError(f"values must be finite, got {dict(self.values)}")
        object.__setattr__(self, "values", {name: float(x) for name, x in self.values.items()})


def _keep_as_float(run: Observation | PastRun, *, otherwise: str) -> None:
    """Refuse a value that is not finite; whatever kind of float it is, a record is JSON."""
    if run.value is None:
        return
    if not math.isfinite(run.value):
        raise ValueError(f"value must be finite, got {run.value}; {otherwise}")
    object.__setattr__(run, "value", float(run.value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """The configuration to use, with what the surrogate believes of it at the long horizon.

    ``predicted_sd`` is that of the noiseless objective, widened as this is the best-looking of
    several configurations; ``low`` and ``high`` bound its central 95 %, by Student's t. All three
    are infinite where a single run says nothing of its noise. ``warnings`` say what its user
    should know, as that a weight lies at a bound of its range.
    """

    trial: int
    values: Mapping[str, float]
    predicted_mean: float
    predicted_sd: float
    low: float
    high: float
    num_runs: int
    warnings: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready data; what is infinite, so unknown, is None."""
        data = {name: getattr(self, name) for name in self.__slots__}
        data |= {name: None for name in UNSURE if not math.isfinite(data[name])}
        return data | {"values": dict(self.values), "warnings": list(self.warnings)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Recommendation:
        """Inverse of ``as_dict``; other entries are ignored."""
        known = {name: data[name] for name in cls.__slots__ if name in data}
        known |= {name: bound for name, bound in UNSURE.items() if data[name] is None}
        return cls(**known | {"warnings": tuple(data.get("warnings", ()))})
