"""GPyTorch and BoTorch as written-out references for the engine's own numerics."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from botorch.acquisition.analytic import _log_ei_helper
from botorch.acquisition.logei import qLogNoisyExpectedImprovement
from botorch.acquisition.objective import LinearMCObjective
from botorch.sampling import SobolQMCNormalSampler
from gpytorch.mlls import ExactMarginalLogLikelihood
from scipy.optimize import approx_fprime

from prior_search.search.acquisition import NoisyImprovement, log_improvement
from prior_search.search.botorch_model import HorizonGP
from prior_search.search.evidence import Evidence
from prior_search.search.gp import Posterior
from prior_search.search.layout import prior_of
from prior_search.search.surrogate import Surrogate


def fitted(num_runs: int = 30, fidelities: int = 3) -> Surrogate:
    rng = np.random.default_rng(3)
    points = rng.random((num_runs, 2))
    points[-3:] = points[:3]  # replicates
    s = np.arange(num_runs) % fidelities
    s[-3:] = s[:3]
    values = 2.0 + ((points - 0.4) ** 2).sum(1) * (1 + 0.3 * s) + 0.03 * rng.normal(size=num_runs)
    return Surrogate(points.tolist(), s.tolist(), values.tolist())


def at_long(points: np.ndarray) -> torch.Tensor:
    return torch.tensor(np.column_stack([points, np.zeros(len(points))]))


def around_constant_and_bowl(fidelities: int = 3) -> list[Posterior]:
    """The best fit of each model; the bowl's skew and shear moved, as few runs leave them at 0."""
    posteriors = fitted(fidelities=fidelities).posterior.posteriors
    plain, bowl = posteriors[0], posteriors[len(posteriors) // 2]
    assert not plain.layout.has_bowl
    assert bowl.layout.has_bowl
    theta = bowl.theta.copy()
    theta[bowl.layout.bowl] += [0.1, 0.05, -0.05, 0.3, -0.3, 0.7, -0.4, 0.35]
    return [plain, Posterior(bowl.rows, bowl.layout, theta)]


def test_posterior_is_that_of_gpytorch() -> None:
    points = np.random.default_rng(0).random((7, 2))
    for posterior in around_constant_and_bowl():
        reference = HorizonGP(posterior).posterior(at_long(points))
        mean, covariance = posterior.joint(points)
        np.testing.assert_allclose(mean, reference.mean[:, 0].detach(), atol=1e-7)
        expected = reference.distribution.covariance_matrix.detach()
        np.testing.assert_allclose(covariance, expected, atol=1e-7)


def test_evidence_is_the_marginal_likelihood_of_gpytorch_times_the_prior() -> None:
    for posterior in around_constant_and_bowl():
        model = HorizonGP(posterior)
        model.train()
        likelihood = ExactMarginalLogLikelihood(model.likelihood, model)
        per_row = likelihood(model(*model.train_inputs), model.train_targets).item()
        n = len(posterior.rows.y)
        mean, sd = prior_of(posterior.layout)
        expected = -n * per_row - 0.5 * n * math.log(2 * math.pi)
        expected += 0.5 * float((((posterior.theta - mean) / sd) ** 2).sum())
        value, _ = Evidence(posterior.rows, posterior.layout)(posterior.theta)
        assert value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("fidelities", [2, 4])
def test_gradient_of_the_evidence_is_its_slope(fidelities: int) -> None:
    for posterior in around_constant_and_bowl(fidelities):
        evidence = Evidence(posterior.rows, posterior.layout)
        away = 0.1 * np.random.default_rng(1).normal(size=posterior.layout.size)
        theta = posterior.theta + away
        slopes = approx_fprime(theta, lambda t, e=evidence: e(t)[0], 1e-6)
        np.testing.assert_allclose(evidence(theta)[1], slopes, atol=2e-3, rtol=1e-4)


def test_log_improvement_is_botorchs_and_stays_finite_far_out() -> None:
    u = np.array([-1e6, -1e3 - 1, -1e3 + 1, -50.0, -3.0, -1.0 - 1e-9, -1.0 + 1e-9, 0.0, 4.0])
    found = log_improvement(u)
    np.testing.assert_allclose(found, _log_ei_helper(torch.tensor(u)).numpy(), rtol=1e-5)
    assert found[7] == pytest.approx(math.log(1 / math.sqrt(2 * math.pi)))  # phi(0)


def test_noisy_improvement_is_botorchs_given_leaders_and_pending_points() -> None:
    posterior = fitted(num_runs=12).posterior.posteriors[-1]  # around a bowl
    assert posterior.layout.has_bowl
    rng = np.random.default_rng(5)
    leaders, pending, points = (
        rng.random((4, 2)),
        rng.random((2, 2)),
        0.3 + 0.2 * rng.random((6, 2)),
    )
    ours = NoisyImprovement(posterior, leaders, pending, np.random.default_rng(0), 4096)(points)
    reference = qLogNoisyExpectedImprovement(
        HorizonGP(posterior),
        at_long(leaders),
        sampler=SobolQMCNormalSampler(torch.Size([4096]), seed=0),
        objective=LinearMCObjective(torch.tensor([-1.0], dtype=torch.double)),
        X_pending=at_long(pending),
        prune_baseline=False,
    )
    theirs = reference(at_long(points)[:, None, :]).detach().numpy()
    likely = theirs > -5  # below, their smoothed maximum shows
    assert likely.sum() >= 3
    np.testing.assert_allclose(ours[likely], theirs[likely], atol=0.1)
