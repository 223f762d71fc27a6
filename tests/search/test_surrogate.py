from __future__ import annotations

import math

import numpy as np
import pytest

from prior_search.search.ensemble import Mixture, members
from prior_search.search.layout import (
    DISCREPANCY,
    LATENT,
    LONG_NOISE,
    OTHER_NOISE,
    RHO,
    SCALE,
    SHARE,
    layouts,
    prior_of,
)
from prior_search.search.surrogate import MAX_FIT_ROWS, MAX_ROWS, Surrogate
from prior_search.search.targets import good_spread

RNG = np.random.default_rng(2)
POINTS = RNG.random((24, 2))
SHAPE = 4.0 * ((POINTS - 0.4) ** 2).sum(1)


def long_only(values: np.ndarray) -> Surrogate:
    return Surrogate(POINTS.tolist(), [0] * len(values), values.tolist())


@pytest.mark.parametrize(("scale", "level"), [(1e-6, 0.0), (1.0, -50.0), (1e9, 1e12)])
def test_predictions_follow_the_unit_of_the_objective(scale: float, level: float) -> None:
    noise = 0.01 * RNG.normal(size=len(SHAPE))
    plain = long_only(SHAPE + noise).predict([[0.4, 0.4], [0.9, 0.9]])
    scaled = long_only(level + scale * (SHAPE + noise)).predict([[0.4, 0.4], [0.9, 0.9]])
    for (mean, sd), (scaled_mean, scaled_sd) in zip(plain, scaled, strict=True):
        assert (scaled_mean - level) / scale == pytest.approx(mean, abs=2e-3)
        assert scaled_sd / scale == pytest.approx(sd, rel=0.05)


def test_an_objective_that_never_changes_is_predicted_as_it_is() -> None:
    mean, sd = long_only(np.full(24, 3.25)).predict([[0.1, 0.9]])[0]
    assert mean == pytest.approx(3.25, abs=0.05)
    assert np.isfinite(sd)


@pytest.mark.parametrize("unit", [1e-20, 1e-6, 1.0, 1e6])
def test_the_unit_does_not_matter_where_the_better_half_is_tied(unit: float) -> None:
    tied = np.maximum(SHAPE, np.quantile(SHAPE, 0.7))
    assert good_spread(unit * tied) / unit == pytest.approx(good_spread(tied))
    mean, sd = long_only(unit * tied).predict([[0.4, 0.4]])[0]
    plain_mean, plain_sd = long_only(tied).predict([[0.4, 0.4]])[0]
    assert mean / unit == pytest.approx(plain_mean, rel=1e-3)
    assert sd / unit == pytest.approx(plain_sd, rel=0.05)


def test_one_run_that_exploded_hides_no_difference_of_the_others() -> None:
    values = SHAPE.copy()
    values[3] = 1e30
    assert good_spread(values) == pytest.approx(good_spread(SHAPE), rel=0.2)
    assert long_only(values).predict([[0.4, 0.4]])[0][1] < 10.0


def test_values_that_differ_by_rounding_have_no_spread() -> None:
    assert good_spread([0.3, 0.1 + 0.2, 0.3]) == 1.0
    assert good_spread([0.0, 0.0]) == 1.0


def test_replicates_tell_what_the_noise_is() -> None:
    x = [[0.2], [0.8]] * 8
    values = np.repeat([1.0, 2.0], 8).reshape(2, 8).T.ravel()  # as x alternates
    scatter = 0.3 * np.random.default_rng(0).normal(size=16)
    loud = Surrogate(x, [0] * 16, (values + scatter).tolist())
    quiet = Surrogate(x, [0] * 16, (values + 0.1 * scatter).tolist())
    assert loud.predict([[0.2]])[0][1] == pytest.approx(0.3 / math.sqrt(8), rel=0.5)
    assert quiet.predict([[0.2]])[0][1] < 0.3 * loud.predict([[0.2]])[0][1]


def test_more_seeds_of_a_configuration_make_its_value_more_certain() -> None:
    values = SHAPE + 0.2 * RNG.normal(size=24)
    extra = [float(SHAPE[0])] * 9
    more = Surrogate(
        [*POINTS.tolist(), *[POINTS[0].tolist()] * 9], [0] * 33, [*values.tolist(), *extra]
    )
    spot = [POINTS[0].tolist()]
    assert more.predict(spot)[0][1] < 0.7 * long_only(values).predict(spot)[0][1]


def test_a_fit_that_is_given_is_taken_and_one_of_another_layout_is_not() -> None:
    first = long_only(SHAPE)
    theta = (first.theta + 0.1).tolist()
    args = (POINTS.tolist(), [0] * 24, SHAPE.tolist())
    assert Surrogate(*args, previous=theta, is_fitted=True).theta.tolist() == theta
    assert Surrogate(*args, previous=theta[:-1], is_fitted=True).theta.tolist() != theta[:-1]


def test_many_runs_fit_hyperparameters_to_some_and_predict_from_all() -> None:
    points = RNG.random((MAX_FIT_ROWS + 80, 2))
    values = 4.0 * ((points - 0.4) ** 2).sum(1)
    surrogate = Surrogate(points.tolist(), [0] * len(points), values.tolist())
    assert len(surrogate.posterior.best.rows.y) == len(points)
    mean, sd = surrogate.predict([[0.4, 0.4]])[0]
    assert mean == pytest.approx(0.0, abs=0.02)
    assert sd < 0.05


def test_a_posterior_of_very_many_runs_takes_the_best_and_some_of_the_others() -> None:
    points = RNG.random((2 * MAX_ROWS, 1))
    values = 4.0 * ((points - 0.4) ** 2).sum(1)
    surrogate = Surrogate(points.tolist(), [0] * len(points), values.tolist())
    rows = surrogate.posterior.best.rows
    assert len(rows.y) == MAX_ROWS
    best = points[np.argsort(values)[: MAX_ROWS // 2]]
    assert set(best.ravel().tolist()) <= set(rows.x.ravel().tolist())
    assert surrogate.predict([[0.95]])[0][0] == pytest.approx(4.0 * 0.55**2, rel=0.02)


def test_a_mixture_has_the_moments_of_its_members() -> None:
    surrogate = long_only(SHAPE + 0.1 * RNG.normal(size=24))
    best = surrogate.posterior.best
    thetas = members(best.rows, best.layout, best.theta, 3)
    assert len(thetas) == 4
    assert np.array_equal(thetas[0], best.theta)
    mixture = Mixture([type(best)(best.rows, best.layout, t) for t in thetas])
    spots = RNG.random((5, 2))
    each = [p.marginal(spots) for p in mixture.posteriors]
    mean = np.mean([m for m, _ in each], axis=0)
    second = np.mean([sd**2 + m**2 for m, sd in each], axis=0)
    found_mean, found_sd = mixture.marginal(spots)
    np.testing.assert_allclose(found_mean, mean)
    np.testing.assert_allclose(found_sd**2, second - mean**2, atol=1e-9)
    np.testing.assert_allclose(mixture.mean(spots), mean)
    np.testing.assert_allclose(np.diag(mixture.joint(spots)[1]), found_sd**2, atol=1e-6)


def test_runs_of_a_single_configuration_are_fitted() -> None:
    surrogate = Surrogate([[0.5], [0.5], [0.5]], [1, 1, 1], [2.0, 2.1, 1.9])  # its weight is fixed
    ((mean, sd),) = surrogate.predict([[0.5]])
    assert mean == pytest.approx(2.0, abs=0.1)
    assert sd > 0.05


def test_every_hyperparameter_has_a_prior_and_only_long_runs_that_of_their_noise() -> None:
    for layout in layouts(3, 4):
        mean, sd = prior_of(layout)
        root = 0.5 * math.log(3)
        expected = np.concatenate(
            [
                np.full(3, LATENT[0] + root),
                np.full(3, DISCREPANCY[0] + root),
                [SCALE[0], *[RHO[0]] * 3, *[SHARE[0]] * 3, LONG_NOISE[0], *[OTHER_NOISE[0]] * 3],
            ]
        )
        np.testing.assert_array_equal(mean[: layout.bowl.start], expected)
        assert len(mean) == len(sd) == layout.size
        assert 1.0 not in sd  # what an entry without a prior would have
