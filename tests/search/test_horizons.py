from __future__ import annotations

import dataclasses

from prior_search.search import Observation, SearchSpace, TwoStageOptimizer
from prior_search.search.horizons import horizon_correlation
from tests.search.valley import PLAN, SPACE, searched, valley, valley_with_a_cliff


def test_horizons_that_agree_correlate_over_their_shared_configurations() -> None:
    found = horizon_correlation(searched(valley_with_a_cliff).history)
    assert found is not None
    assert found.num_pairs == 5  # six anchors, one of which diverged
    assert found.correlation > 0.6
    assert found.low <= found.correlation <= found.high
    assert horizon_correlation(TwoStageOptimizer(SPACE, PLAN, seed=1).history) is None


def test_a_horizon_that_tells_nothing_apart_has_no_correlation() -> None:
    assert horizon_correlation(searched(lambda s: 3.0).history) is None


def test_the_correlation_of_tied_runs_has_bounds() -> None:
    found = horizon_correlation(searched(lambda s: float(s.point[0] > 0.35)).history)
    assert found is not None
    assert -1.0 <= found.low <= found.correlation <= found.high <= 1.0


def test_horizons_correlate_over_what_they_share_when_the_space_has_moved() -> None:
    optimizer = TwoStageOptimizer(SPACE, PLAN, seed=1)

    def tell_next() -> None:
        s = optimizer.ask()
        assert s is not None
        optimizer.tell(Observation(index=s.index, value=valley(s), status="completed"))

    for low, runs in ((1e-3, 12), (1e-4, 3), (1e-5, 3)):  # stage 1, then the six anchors
        matters = dataclasses.replace(SPACE.parameters[0], low=low)
        optimizer.change_space(SearchSpace(parameters=(matters, SPACE.parameters[1])))
        for _ in range(runs):
            tell_next()
    anchors = [s for s in optimizer.history.suggestions if s.role == "anchor"]
    found = horizon_correlation(optimizer.history)
    assert found is not None
    assert found.num_pairs == len(anchors) >= 5
