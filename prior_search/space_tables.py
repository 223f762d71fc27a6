"""The tables of a space file, checked: weights to search, constants of a family, the budget."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from prior_search.errors import RequestError
from prior_search.search import Parameter, SearchPlan
from prior_search.toml_input import as_table, check_keys, choice, count, number
from prior_search.trial import BOTTLENECKS, Family
from prior_search.weights import WEIGHT_NAMES

TERM_OWNERS: dict[Family, tuple[str, ...]] = {  # weights that a family has a term for (Table 1)
    "gaussian": ("kl_weight",),
    "categorical": ("sample_entropy_weight", "batch_entropy_weight"),
    "ema_vq": ("commitment_weight",),
}
SETTINGS: dict[Family, tuple[str, ...]] = {
    "gaussian": ("kappa",),
    "categorical": ("temperature",),
    "ema_vq": ("decay",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightRange:
    """One searched weight; ``only`` names the bottlenecks that have its term."""

    name: str
    low: float
    high: float
    scale: str
    only: tuple[str, ...]

    def parameter(self) -> Parameter:
        """The coordinate of the search space."""
        return Parameter(name=self.name, low=self.low, high=self.high, scale=self.scale)  # type: ignore[arg-type]  # checked on reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much a search may spend, in trials of each of its bottlenecks.

    Attributes:
        short_horizon: steps of a stage-1 trial as a share of the full horizon.
        anchors: how many of the stage-2 trials repeat the best stage-1 points.
    """

    stage1_trials: int
    stage2_trials: int
    confirm_trials: int
    anchors: int
    short_horizon: float

    @property
    def long_trials(self) -> int:
        """Trials at the full horizon."""
        return self.stage2_trials + self.confirm_trials

    @property
    def trials(self) -> int:
        """All trials."""
        return self.stage1_trials + self.long_trials

    def plan(self) -> SearchPlan:
        """The same for the optimizer."""
        return SearchPlan(
            stage1_trials=self.stage1_trials,
            stage2_trials=self.stage2_trials,
            confirm_trials=self.confirm_trials,
            num_anchors=self.anchors,
        )


def read_ranges(weights: Any, family: Family, where: str) -> tuple[WeightRange, ...]:
    """The table ``weights``.

    Raises:
        RequestError: an unknown weight, or one that the family has no term for; a wrong range.
    """
    table = as_table(weights, "weights", where)
    allowed = [*TERM_OWNERS[family], "prediction_weight"]
    for name in table:
        if name in WEIGHT_NAMES and name not in allowed:
            raise RequestError(
                f"{where}: {name} has no term in family {family!r}; "
                f"its weights are {', '.join(allowed)}"
            )
        choice("weight", name, allowed, where)
    return tuple(_range(name, as_table(table[name], name, where), where) for name in table)


def _range(name: str, table: dict[str, Any], where: str) -> WeightRange:
    default_only = ["prior"] if name == "prediction_weight" else list(BOTTLENECKS)
    table = {"only": default_only, **table}
    place = f"{where}: weights.{name}"
    check_keys(table, ("low", "high", "scale", "only"), place)
    low, high = number(table["low"], "low", place), number(table["high"], "high", place)
    scale = choice("scale", table["scale"], ("log", "linear"), place)
    if not 0 <= low < high:
        raise RequestError(f"{place}: needs 0 <= low < high, got low {low}, high {high}")
    if scale == "log" and low == 0:
        raise RequestError(
            f"{place}: a log range needs low > 0, got 0; leave the weight out to switch it off"
        )
    if not isinstance(table["only"], list) or not table["only"]:
        raise RequestError(f"{place}: only must be a list of bottlenecks, got {table['only']!r}")
    for bottleneck in table["only"]:
        choice("only", bottleneck, BOTTLENECKS, place)
    if name == "prediction_weight" and table["only"] != ["prior"]:
        raise RequestError(f"{place}: only PRIOR has a prediction term, so only must be ['prior']")
    return WeightRange(name=name, low=low, high=high, scale=scale, only=tuple(table["only"]))


def read_settings(settings: Any, family: Family, where: str) -> dict[str, float]:
    """The table ``settings``: the constants of the family.

    Raises:
        RequestError: a constant is unknown, missing or no number.
    """
    table = as_table(settings, "settings", where)
    check_keys(table, SETTINGS[family], f"{where}: settings")
    return {name: number(value, f"settings.{name}", where) for name, value in table.items()}


def read_budget(budget: Any, where: str) -> Budget:
    """The table ``budget``.

    Raises:
        RequestError: an entry is unknown, missing or out of its range.
    """
    table = as_table(budget, "budget", where)
    check_keys(table, [f.name for f in dataclasses.fields(Budget)], f"{where}: budget")
    share = number(table["short_horizon"], "budget.short_horizon", where)
    if not 0 < share <= 1:
        raise RequestError(f"{where}: budget.short_horizon must be in (0, 1], got {share}")
    lowest = {"stage1_trials": 2, "stage2_trials": 1, "confirm_trials": 0, "anchors": 0}
    counts = {}
    for name, least in lowest.items():
        counts[name] = count(table[name], f"budget.{name}", where, low=least, high=100_000)
    if counts["anchors"] > counts["stage2_trials"]:
        raise RequestError(
            f"{where}: budget.anchors must be <= stage2_trials, "
            f"got {counts['anchors']} > {counts['stage2_trials']}"
        )
    return Budget(short_horizon=share, **counts)
