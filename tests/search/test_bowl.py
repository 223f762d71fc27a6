from __future__ import annotations

import math

import numpy as np
import pytest

from prior_search.search.bowl import TURN, PriorMean
from prior_search.search.layout import layouts, layouts_of, prior_of
from prior_search.search.surrogate import MAX_BOWL_ROWS, Surrogate

PLAIN, AROUND_BOWL = layouts(2, 2)
LONG, SHORT = np.array([0]), np.array([1])


def theta_of(*, skew: tuple[float, float] = (0.0, 0.0), shear: float = 0.0) -> np.ndarray:
    """Height 2, center (0.5, 0.5), curvatures 4 and 9, correlation 0.5."""
    theta, _ = prior_of(AROUND_BOWL)
    curvature = [math.log(4.0), math.log(9.0)]
    theta[AROUND_BOWL.bowl] = [math.log(2.0), 0.5, 0.5, *curvature, *skew, shear]
    theta[AROUND_BOWL.rho] = 0.5
    return theta


def at(theta: np.ndarray, x: float, y: float, s: np.ndarray = LONG) -> float:
    return float(PriorMean(AROUND_BOWL, theta).at(np.array([[x, y]]), s)[0])


def test_the_bowl_by_hand() -> None:
    plain = theta_of()
    assert at(plain, 0.5, 0.5) == 0.0
    assert at(plain, 0.75, 0.5) == pytest.approx(2.0 * math.log(1 + 4 / 16))
    assert at(plain, 0.75, 0.25) == pytest.approx(2.0 * math.log(1 + 4 / 16 + 9 / 16))
    assert at(plain, 0.75, 0.25, SHORT) == pytest.approx(math.log(1 + 13 / 16))


def test_one_side_is_steeper_and_weights_interact() -> None:
    skewed = theta_of(skew=(0.5, 0.0))
    u = 0.25 * math.exp(0.5 * math.tanh(0.25 / TURN))
    assert at(skewed, 0.75, 0.5) == pytest.approx(2.0 * math.log(1 + 4 * u * u))
    assert at(skewed, 0.25, 0.5) < at(theta_of(), 0.25, 0.5) < at(skewed, 0.75, 0.5)
    # v = (x + shear y, y): the valley runs where the two make up for each other
    sheared = theta_of(shear=1.0)
    assert at(sheared, 0.25, 0.75) == pytest.approx(2.0 * math.log(1 + 9 / 16))
    assert at(sheared, 0.75, 0.75) == pytest.approx(2.0 * math.log(1 + 4 / 4 + 9 / 16))


def test_without_a_bowl_the_mean_is_zero() -> None:
    theta, _ = prior_of(PLAIN)
    mean = PriorMean(PLAIN, theta)
    assert mean.at(np.full((3, 2), 0.9), np.array([0, 1, 0])).tolist() == [0.0] * 3
    assert not mean.gradient(np.full((1, 2), 0.9), LONG, np.ones(1)).any()


@pytest.mark.parametrize("dimension", [1, 2, 5])
@pytest.mark.parametrize("fidelities", [2, 3, 6])
def test_layouts_are_known_by_the_size_of_both(dimension: int, fidelities: int) -> None:
    pair = layouts(dimension, fidelities)
    assert layouts_of(dimension, sum(layout.size for layout in pair)) == pair
    assert layouts_of(dimension, pair[0].size) != pair


def valley(count: int, noise: float) -> tuple[list[list[float]], list[float]]:
    rng = np.random.default_rng(5)
    points = rng.random((count, 3))
    values = np.log1p(12.0 * ((points - [0.3, 0.6, 0.5]) ** 2).sum(1))
    return points.tolist(), (values + noise * rng.normal(size=count)).tolist()


def test_a_few_runs_of_a_valley_show_a_bowl_where_it_is() -> None:
    points, values = valley(30, 0.01)
    surrogate = Surrogate(points, [0] * len(points), values)
    members = surrogate.posterior.posteriors
    bowls = [m for m in members if m.layout.has_bowl]
    assert 2 * len(bowls) == len(members)  # weights are equal
    center = bowls[0].theta[bowls[0].layout.center]
    np.testing.assert_allclose(center, [0.3, 0.6, 0.5], atol=0.1)
    # away from every run the slope goes on; without the bowl it turns back to the middle
    corner = np.array([[1.0, 0.0, 1.0]])
    plain = [m for m in members if not m.layout.has_bowl]
    assert bowls[0].mean(corner)[0] > plain[0].mean(corner)[0] + 0.1


def test_many_runs_leave_the_bowl_out_and_keep_its_hyperparameters() -> None:
    points, values = valley(MAX_BOWL_ROWS, 0.02)
    before = Surrogate(points, [0] * len(points), values)
    assert any(m.layout.has_bowl for m in before.posterior.posteriors)
    points, values = valley(MAX_BOWL_ROWS + 1, 0.02)
    after = Surrogate(points, [0] * len(points), values, previous=before.theta.tolist())
    assert not any(m.layout.has_bowl for m in after.posterior.posteriors)
    plain, _ = layouts(3, 2)
    assert np.array_equal(after.theta[plain.size :], before.theta[plain.size :])
    assert not np.array_equal(after.theta[: plain.size], before.theta[: plain.size])
