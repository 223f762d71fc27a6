from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from prior_search.errors import SurrogateFitError
from prior_search.search import (
    TwoStageOptimizer,
)
from prior_search.search.diagnostics import (
    importance,
    leave_one_out,
    progress,
    slices,
)
from prior_search.search.gp import Posterior
from tests.search.valley import PLAN, SPACE, searched, valley_with_a_cliff

SHORT_COST = 0.25


@pytest.fixture(scope="module")
def finished() -> TwoStageOptimizer:
    return searched(valley_with_a_cliff)


def test_slices_pass_through_the_recommendation_and_hold_the_truth(
    finished: TwoStageOptimizer,
) -> None:
    along, across = slices(finished, num_values=33)
    assert (along.name, across.name) == ("matters", "does_not")
    assert along.values[0] == 1e-3
    assert along.values[-1] == 1.0
    best = finished.recommend()
    nearest = int(np.argmin(np.abs(np.log(np.array(along.values) / best.values["matters"]))))
    assert along.mean[nearest] == pytest.approx(best.predicted_mean, abs=0.02)
    y = best.values["does_not"]
    truth = 2.0 + 4.0 * (np.linspace(0, 1, 33) - 0.4) ** 2 + 0.02 * y
    inside = (np.array(along.low) <= truth) & (truth <= np.array(along.high))
    assert inside.mean() > 0.8
    assert all(a < b < c for a, b, c in zip(along.low, along.mean, along.high, strict=True))
    assert abs(along.apart[nearest]) < 1.0
    assert along.apart[-1] > 1.96  # where the weight that matters is far off
    assert max(across.apart) < 3.0


def test_leave_one_out_is_what_leaving_one_out_gives(finished: TwoStageOptimizer) -> None:
    found = leave_one_out(finished)
    full = finished.history.fit()[0].posterior.best
    long = iter(r for r, s in zip(found.residuals, found.fidelities, strict=True) if s == 0)
    sizes = []
    for point in dict.fromkeys(map(tuple, full.rows.x[full.rows.s == 0].tolist())):
        out = (full.rows.x == point).all(1) & (full.rows.s == 0)  # with its replicates
        left = Posterior(full.rows.take(np.flatnonzero(~out)), full.layout, full.theta)
        mean, sd = left.marginal(np.array([point]))
        noise = full.covariance.noise[0] / out.sum()
        expected = (full.rows.y[out].mean() - mean[0]) / np.sqrt(sd[0] ** 2 + noise)
        assert next(long) == pytest.approx(expected, abs=1e-4)
        sizes.append(out.sum())
    assert max(sizes) > 1
    assert next(long, None) is None
    assert 0.75 <= found.coverage <= 1.0
    assert found.coverage == np.mean(np.abs(found.residuals) <= 1.96)


def test_the_weight_that_matters_is_the_important_one(finished: TwoStageOptimizer) -> None:
    matters, does_not = importance(finished)
    assert matters.first_order > 0.85
    assert does_not.total < 0.1
    assert matters.total >= matters.first_order - 0.05


def test_progress_counts_cost_and_never_gets_worse(finished: TwoStageOptimizer) -> None:
    points = progress(finished, SHORT_COST)
    runs = len(points)
    assert points[-1].cost == pytest.approx(12 * SHORT_COST + runs)
    assert points[2].value is None  # the run that diverged
    best = [p.best for p in points if p.best is not None]
    assert best == sorted(best, reverse=True)
    regret = [p.regret for p in points if p.regret is not None]
    assert regret == sorted(regret, reverse=True)
    assert regret[-1] == 0.0


@pytest.mark.parametrize("diagnostic", [leave_one_out, importance])
def test_without_a_run_there_is_nothing_to_diagnose(
    diagnostic: Callable[[TwoStageOptimizer], object],
) -> None:
    with pytest.raises(SurrogateFitError, match="no completed run to fit a surrogate to"):
        diagnostic(TwoStageOptimizer(SPACE, PLAN, seed=1))
