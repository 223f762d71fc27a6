from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmarks.search.standard_functions import FUNCTIONS
from benchmarks.search.surfaces import (
    cube,
    minimum_over_cube,
    names,
    surface,
    with_optimum_at_bound,
)

SOME = ("tuning-weights2-0", "tuning-weights3-2", "reporting-weights4-1003", "reporting-ackley2")


@pytest.mark.parametrize(
    ("name", "lowest"),
    [("branin", 0.397887), ("hartmann3", -3.86278), ("hartmann6", -3.32237), ("ackley4", 0.0)],
)
def test_standard_functions_have_their_published_minimum(name: str, lowest: float) -> None:
    function, dimension = FUNCTIONS[name]
    assert minimum_over_cube(function, dimension) == pytest.approx(lowest, abs=1e-4)


def test_tuning_and_reporting_surfaces_share_no_seed() -> None:
    tuning, reporting = set(names("tuning", 9)), set(names("reporting", 9))
    assert {n.split("-")[-1] for n in tuning}.isdisjoint(n.split("-")[-1] for n in reporting)
    with pytest.raises(ValueError, match="tuning seeds are 0 to 999"):
        surface("tuning-weights2-1000")
    with pytest.raises(ValueError, match="no surface 'tuning-branin'"):
        surface("tuning-branin")


@pytest.mark.parametrize("name", SOME)
def test_the_short_horizon_ranks_much_as_the_long_one(name: str) -> None:
    chosen = surface(name)
    points = cube(chosen.dimension)
    rho = stats.spearmanr(chosen.long(points), chosen.short(points)).statistic
    assert 0.57 < rho < 0.93  # set to 0.6-0.9 on a quarter of these points


@pytest.mark.parametrize("name", SOME)
def test_no_point_beats_the_minimum_and_a_median_guess_has_regret_one(name: str) -> None:
    chosen = surface(name)
    points = cube(chosen.dimension)
    truth = chosen.truth(points)
    assert truth.min() >= chosen.minimum - 1e-6
    middle = points[np.argsort(truth)[len(points) // 2]]
    assert chosen.regret(middle) == pytest.approx(1.0, abs=0.02)
    assert 0.0 <= chosen.regret(points[truth.argmin()]) < 0.3


def test_runs_scatter_around_the_truth_of_their_horizon() -> None:
    chosen, generator = surface("tuning-weights2-0"), np.random.default_rng(0)
    point = (0.5, 0.5)
    x = np.array([point])
    for horizon, mean in (("long", chosen.long(x)[0]), ("short", chosen.short(x)[0])):
        runs = [chosen.sample(point, horizon, generator) for _ in range(2000)]  # type: ignore[arg-type]
        scale = (chosen.noise if horizon == "long" else chosen.short_noise)(x)[0]
        # the median of n draws of Student's t with 3 or more degrees scatters by 1.37 / sqrt(n)
        assert np.median(np.array(runs, float)) == pytest.approx(
            mean, abs=5 * 1.4 * scale / 2000**0.5
        )


def test_runs_beyond_the_cliff_diverge_and_count_as_the_ceiling() -> None:
    chosen = surface("tuning-weights3-2")
    points = cube(3)
    beyond = points[chosen.divergence(points).argmax()]
    assert chosen.divergence(beyond[None])[0] > 0.99
    assert chosen.sample(tuple(beyond), "short", np.random.default_rng(0)) is None
    assert chosen.truth(beyond[None])[0] == pytest.approx(chosen.ceiling, abs=0.1)


def test_a_name_is_one_surface() -> None:
    points = cube(3)
    first = surface("tuning-weights3-5")
    surface.cache_clear()
    second = surface("tuning-weights3-5")
    assert first is not second
    assert np.array_equal(first.short(points), second.short(points))
    assert first.minimum == second.minimum


@pytest.mark.parametrize("name", ["tuning-weights2-0", "tuning-weights3-2"])
def test_a_surface_can_be_cut_through_its_optimum(name: str) -> None:
    whole = surface(name)
    part = with_optimum_at_bound(whole)
    points = cube(part.dimension)
    best = points[np.argmin(part.truth(points))]
    assert min(best[0], 1 - best[0]) < 0.05
    assert part.minimum == pytest.approx(whole.minimum, abs=1e-3 * (whole.median - whole.minimum))
    assert part.truth(points).min() >= part.minimum
