"""Regularizer weights: the numbers that the search tunes, one field per term of Table 1 and Eq. 5.

A weight is called ``<term>_weight`` everywhere: in a space file, in the event log, in MLflow and
in an export. The model emits unweighted terms and never sees a weight.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RegularizerWeights:
    """Non-negative factors of the regularizer terms; 0 leaves a term out of the loss.

    Raises:
        ValueError: a weight is negative, infinite or not a number.
    """

    kl_weight: float = 0.0
    sample_entropy_weight: float = 0.0
    batch_entropy_weight: float = 0.0
    commitment_weight: float = 0.0
    prediction_weight: float = 0.0

    def __post_init__(self) -> None:
        for name, value in self.as_dict().items():
            if not math.isfinite(value) or value < 0:
                raise ValueError(f"{name} must be finite and >= 0, got {value}")

    def as_dict(self) -> dict[str, float]:
        """All weights by name, zeros included, in the order of declaration."""
        return {name: float(getattr(self, name)) for name in WEIGHT_NAMES}

    def by_term(self) -> dict[str, float]:
        """All weights by the name of the term that each multiplies (``kl`` for ``kl_weight``)."""
        return {term_of(name): value for name, value in self.as_dict().items()}

    @classmethod
    def from_mapping(cls, values: Mapping[str, float]) -> RegularizerWeights:
        """Weights from names and numbers; names that are absent are 0.

        Raises:
            ValueError: an unknown name.
        """
        for name in values:
            if name not in WEIGHT_NAMES:
                raise ValueError(f"unknown weight {name!r}; expected one of {list(WEIGHT_NAMES)}")
        return cls(**{name: float(value) for name, value in values.items()})


WEIGHT_NAMES: tuple[str, ...] = tuple(f.name for f in dataclasses.fields(RegularizerWeights))


def term_of(weight_name: str) -> str:
    """The term that a weight multiplies: ``kl`` for ``kl_weight``."""
    return weight_name.removesuffix("_weight")
