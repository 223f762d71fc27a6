"""How much a search may spend, and on what."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass

STAGE1_SHARE = 0.15  # of the budget; measured, with the other defaults, in docs/search.md
CONFIRM_SHARE = 0.1
NUM_ANCHORS = 6
COUNTS = (
    "stage1_trials", "stage2_trials", "confirm_trials", "num_anchors", "posterior_mean_every",
)  # fmt: skip
SLACK = 1e-9  # of sums of costs that are no binary fractions


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPlan:
    """How many suggestions of each kind.

    Attributes:
        stage1_trials: Sobol points at the short horizon.
        stage2_trials: points at the long horizon, anchors included.
        confirm_trials: at most so many further seeds for the leading configurations.
        num_anchors: stage-2 points that repeat the best of stage 1.
        posterior_mean_every: every so many stage-2 suggestions minimize the posterior mean.
        separated_below: confirmation ends early once choosing among the measured configurations
            is expected to lose less than this many standard deviations of a run's noise.
        stop_below: stage 2 ends early once expected improvement is below this many standard
            deviations of a run's noise, twice in a row; None: never.
    """

    stage1_trials: int
    stage2_trials: int
    confirm_trials: int
    num_anchors: int
    posterior_mean_every: int = 4
    separated_below: float = 0.01
    stop_below: float | None = None

    def __post_init__(self) -> None:
        for name in COUNTS:
            count = getattr(self, name)
            if not isinstance(count, numbers.Integral):
                raise TypeError(f"{name} must be an integer, got {count!r}")
            object.__setattr__(self, name, int(count))  # numpy's are not for JSON
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
        if self.posterior_mean_every < 1:
            raise ValueError(f"posterior_mean_every must be >= 1, got {self.posterior_mean_every}")
        for name in ("separated_below", "stop_below"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise ValueError(f"{name} must be >= 0, got {value}")

    @classmethod
    def for_budget(
        cls,
        budget: float,
        short_cost: float,
        num_workers: int = 1,
        *,
        stage1_share: float = STAGE1_SHARE,
        confirm_share: float = CONFIRM_SHARE,
        num_anchors: int = NUM_ANCHORS,
    ) -> SearchPlan:
        """The plan that spends a budget.

        Args:
            budget: total cost, in long runs.
            short_cost: of a short run, in long runs.
            num_workers: runs at a time; stage 1 has at least one for each, as far as half of the
                budget pays for them.
            stage1_share: of the budget, for stage 1.
            confirm_share: of the long runs, for further seeds.
            num_anchors: at most a third of the long runs.

        Raises:
            ValueError: the budget does not pay for two short runs and a long one.
        """
        if not (math.isfinite(budget) and 0 < short_cost <= 1 and num_workers >= 1):
            raise ValueError(
                "a budget needs to be finite, with short_cost in (0, 1] and num_workers >= 1, "
                f"got {budget}, {short_cost}, {num_workers}"
            )
        if budget + SLACK < 1 + 2 * short_cost:
            raise ValueError(
                f"budget must pay for a long run and two short ones, so be >= "
                f"{1 + 2 * short_cost:g}, got {budget:g}"
            )
        for_workers = min(num_workers, int(budget / 2 / short_cost + SLACK))
        wanted = max(2, for_workers, round(stage1_share * budget / short_cost))
        long_runs = max(1, int(budget - wanted * short_cost + SLACK))
        confirm = min(round(confirm_share * long_runs), long_runs - 1)
        return cls(
            stage1_trials=int((budget - long_runs) / short_cost + SLACK),  # the change as well
            stage2_trials=long_runs - confirm,
            confirm_trials=confirm,
            num_anchors=min(num_anchors, -(-long_runs // 3), long_runs - confirm),
        )

    @property
    def total(self) -> int:
        """All suggestions."""
        return self.stage1_trials + self.stage2_trials + self.confirm_trials
