"""What a matched control says: where common weights moved, and whether ITD and TD still differ.

The difference between the two is attributed to their masking only if it is there with common
weights as well (section 3.1 of the paper, Table 3, arrows of Fig. 3). It is taken over pairs of
trainings with one seed, from final trainings if there are any **(ours)**.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prior_search.event_log import Event
from prior_search.report.claims import Claim, Contrast, JudgedClaim, judge
from prior_search.report.comparison_charts import WeightMove
from prior_search.report.contrasts import between
from prior_search.report.tables import trial_rows
from prior_search.trial import Bottleneck, Family
from prior_search.weights import RegularizerWeights

BySeed = Mapping[str, Mapping[int, float]]  # objective at the full horizon: bottleneck, then seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """What the search of one bottleneck alone recommends.

    Attributes:
        study: that holds the search.
        predicted_sd: None if a single run says nothing of it.
    """

    study: str
    values: Mapping[str, float]
    predicted_mean: float
    predicted_sd: float | None


def tuned_in(events: Iterable[Event]) -> dict[str, Tuned]:
    """By bottleneck, as the last driver of a control recorded it; empty if none had any."""
    found: Mapping[str, Mapping[str, object]] = {}
    for event in events:
        found = event.get("tuned") or found
    return {bottleneck: Tuned(**data) for bottleneck, data in found.items()}  # type: ignore[arg-type]  # as written


def weight_moves(
    family: Family, tuned: Mapping[str, Tuned], matched: Mapping[str, float]
) -> list[WeightMove]:
    """Every weight of every bottleneck that was tuned alone, there and in the control."""
    return [
        WeightMove(family=family, bottleneck=bottleneck, weight=name, tuned=before, matched=after)
        for bottleneck, own in tuned.items()
        for name, after in matched.items()
        if (before := own.values.get(name)) is not None
    ]


def objectives_by_seed(
    events: Iterable[Event], weights: Mapping[str, Mapping[str, float]], horizon: int
) -> dict[str, dict[int, float]]:
    """What completed runs measured with certain weights.

    Args:
        events: of a study, or of a final training.
        weights: by bottleneck; runs with others do not count.
        horizon: steps; runs of another length do not count.
    """
    wanted = {name: RegularizerWeights.from_mapping(own) for name, own in weights.items()}
    found: dict[str, dict[int, float]] = {}
    for row in trial_rows(events):
        spec = row.spec
        is_wanted = spec.horizon == horizon and spec.weights == wanted.get(spec.bottleneck)
        if is_wanted and row.objective is not None:
            found.setdefault(spec.bottleneck, {})[spec.seed] = row.objective
    return found


def judge_difference(
    arms: tuple[Bottleneck, Bottleneck], tuned: BySeed, matched: BySeed, source: str
) -> JudgedClaim:
    """Whether the first arm minus the second has the same clear sign with common weights.

    Args:
        arms: the pair.
        tuned: final trainings, each with the weights of its own search.
        matched: trainings with common weights.
        source: where ``matched`` comes from, in words.
    """
    first, second = arms
    name = f"{first.upper()} - {second.upper()}"
    found = [
        _contrast(f"{name}, each tuned on its own, final trainings", arms, tuned),
        _contrast(f"{name}, common weights, {source}", arms, matched),
    ]
    missing = [
        f"not measured: {what} of both bottlenecks"
        for contrast, what in zip(
            found, ("final trainings of the tuned weights", "common weights"), strict=True
        )
        if contrast is None
    ]
    claim = Claim(
        number="3",
        text=f"with common weights, {name} has the sign that it has when each is tuned",
        published="similar direction and magnitude (Fig. 3)",
        contrasts=tuple(contrast for contrast in found if contrast is not None),
        missing="; ".join(missing),
    )
    return judge([claim])[0]


def _contrast(label: str, arms: tuple[str, str], values: BySeed) -> Contrast | None:
    first, second = (values.get(arm, {}) for arm in arms)
    return between(label, first, second, sign=0)  # the sign of the first contrast is expected
