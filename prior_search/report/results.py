"""What final models scored, as a tidy table: one number per row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from prior_search.trial import Bottleneck, Family

Arm = Literal["tuned", "matched"]
ACCURACY = "accuracy."  # then the taxonomy level; in percent
LOWER_IS_BETTER = ("nt_xent", "l1", "l2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One number.

    Attributes:
        arm: tuned on its own, or regularizer-matched: ITD and TD with common weights.
        seed: equal seeds of different models are a pair.
        budget: retained tokens.
        metric: nt_xent (nats), accuracy.LEVEL (percent), information_bits, ssim, l1, l2, ms_ssim.
    """

    family: Family
    bottleneck: Bottleneck
    arm: Arm = "tuned"
    seed: int
    budget: int
    metric: str
    value: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"value must be finite, got {self.value} for {self.metric}")


class Results:
    """A tidy table to ask for what the comparisons need.

    Args:
        rows: in any order; a cell that occurs twice is refused.

    Raises:
        ValueError: two rows for the same model, seed, budget and metric.
    """

    def __init__(self, rows: Iterable[Result]) -> None:
        self.rows = tuple(rows)
        self._cells: dict[tuple[str, str, str, str, int], dict[int, float]] = {}
        for r in self.rows:
            cell = self._cells.setdefault((r.family, r.bottleneck, r.arm, r.metric, r.budget), {})
            if r.seed in cell:
                raise ValueError(
                    f"two values of {r.metric} at budget {r.budget} for {r.family} "
                    f"{r.bottleneck} ({r.arm}), seed {r.seed}"
                )
            cell[r.seed] = r.value

    @property
    def families(self) -> tuple[str, ...]:
        """In order of appearance."""
        return tuple(dict.fromkeys(r.family for r in self.rows))

    def budgets(self, metric: str) -> tuple[int, ...]:
        """At which any model has the metric, ascending."""
        return tuple(sorted({r.budget for r in self.rows if r.metric == metric}))

    def by_seed(
        self, family: str, bottleneck: str, metric: str, budget: int, arm: Arm = "tuned"
    ) -> Mapping[int, float]:
        """Values by seed; empty if there are none."""
        return self._cells.get((family, bottleneck, arm, metric, budget), {})


def from_evaluations(models: Sequence[Mapping[str, Any]], arm: Arm = "tuned") -> list[Result]:
    """Rows of the ``models`` of an ``evaluation.json``; the replicate is the seed of a pair.

    Raises:
        ValueError: an entry lacks a number.
    """
    found = []
    for model in models:
        try:
            found += _of_model(model, arm)
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"{model.get('label', 'a model')}: no {error} in its record"
            ) from error
    return found


def _of_model(model: Mapping[str, Any], arm: Arm) -> list[Result]:
    spec = model["spec"]
    cells: list[tuple[str, int, float]] = []
    if spec["task"] == "contrastive":  # a model of the other track has its information as well
        bits = {int(budget): float(value) for budget, value in model["information_bits"].items()}
        cells = [("information_bits", budget, value) for budget, value in bits.items()]
        cells.append(("nt_xent", max(bits), float(model["objective"])))
    for probe in model["probes"]:
        accuracy = 100.0 * float(probe["accuracy"])
        cells.append((ACCURACY + probe["level"], int(probe["budget"]), accuracy))
    for budget, metrics in model["image_quality"].items():
        cells += [(name, int(budget), float(over["mean"])) for name, over in metrics.items()]
    return [
        Result(
            family=spec["family"],
            bottleneck=spec["bottleneck"],
            arm=arm,
            seed=int(spec["replicate"]),
            budget=budget,
            metric=metric,
            value=value,
        )
        for metric, budget, value in cells
    ]
