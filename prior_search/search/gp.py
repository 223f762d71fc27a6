"""The surrogate: one Gaussian process over both horizons, in autoregressive form.

Notation (n observations, d parameters):

    x        [n, d]    points in the unit cube
    s        [n]       1 for a short-horizon observation, 0 for a long one
    X        [n, d+1]  x with s as last column
    f_long   = g(x)                         g ~ GP(m_long, Matern-5/2, ARD)
    f_short  = rho * g(x) + delta(x) + m_short,   delta ~ GP(0, Matern-5/2)
    y        = f + noise, with one noise variance per horizon

after Kennedy and O'Hagan (2000), with the roles of base and correction exchanged: long is the
latent function, as it is the one that is asked for. Pooling both horizons unmarked is much worse.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import gpytorch
import numpy as np
import torch
from botorch.exceptions import ModelFittingError
from botorch.fit import fit_gpytorch_mll
from botorch.models.gpytorch import GPyTorchModel
from gpytorch.constraints import GreaterThan
from gpytorch.kernels import Kernel, MaternKernel
from gpytorch.likelihoods import HadamardGaussianLikelihood
from gpytorch.mlls import ExactMarginalLogLikelihood
from gpytorch.priors import LogNormalPrior, NormalPrior
from torch import Tensor

from prior_search.errors import SurrogateFitError


@dataclass(frozen=True, slots=True)
class TargetScale:
    """Robust targets of one horizon: centered, and the bad half compressed.

    z = (y - median) / spread, and log1p(z) above the median, so that collapsed runs do not flatten
    the valley. The good half stays linear.
    """

    median: float
    spread: float

    @classmethod
    def of(cls, values: Sequence[float] | np.ndarray, spread: float) -> TargetScale:
        """Centered on the values' median."""
        return cls(float(np.median(np.asarray(values))), spread)

    def forward(self, values: np.ndarray) -> np.ndarray:
        """Objective to target."""
        z = (values - self.median) / self.spread
        return np.where(z > 0, np.log1p(np.maximum(z, 0)), z)

    def backward(self, target: float) -> float:
        """Target to objective."""
        z = math.expm1(target) if target > 0 else target
        return self.median + self.spread * z

    def slope(self, target: float) -> float:
        """Derivative of objective by target: scales a standard deviation to first order."""
        return self.spread * (math.exp(target) if target > 0 else 1.0)


def good_spread(values: Sequence[float] | np.ndarray) -> float:
    """Twice the mean distance of the better half to the median; 1 if it has no spread."""
    array = np.asarray(values, dtype=float)
    below = np.median(array) - array[array <= np.median(array)]
    spread = 2.0 * float(below.mean())
    return spread if spread > 1e-12 else 1.0


class _HorizonMean(gpytorch.means.Mean):
    """A constant per horizon."""

    def __init__(self) -> None:
        super().__init__()
        self.register_parameter(
            "constants", torch.nn.Parameter(torch.zeros(2, dtype=torch.double))
        )
        self.register_prior("constants_prior", NormalPrior(0.0, 0.5), "constants")

    def forward(self, x: Tensor) -> Tensor:
        """Mean at X [..., n, d+1]."""
        return torch.where(x[..., -1] > 0.5, self.constants[1], self.constants[0])


class _AutoregressiveKernel(Kernel):
    """cov of f over X: scale² (rho^(s+s') k_g + s s' share² k_delta)."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        # dimension-scaled prior of Hvarfner et al. (2024): longer scales in more dimensions
        location = math.sqrt(2.0) + 0.5 * math.log(dimension)
        self.latent = MaternKernel(
            nu=2.5,
            ard_num_dims=dimension,
            lengthscale_prior=LogNormalPrior(location - 1.4, 0.8),
            lengthscale_constraint=GreaterThan(0.03),
        )
        self.discrepancy = MaternKernel(
            nu=2.5,
            ard_num_dims=dimension,
            lengthscale_prior=LogNormalPrior(location - 1.0, 0.5),
            lengthscale_constraint=GreaterThan(0.05),
        )
        for name, start, prior in (
            ("log_scale", 0.0, NormalPrior(0.0, 0.7)),
            ("rho", 1.0, NormalPrior(1.0, 0.3)),
            ("log_share", math.log(0.3), NormalPrior(math.log(0.3), 0.7)),
        ):
            value = torch.tensor([start], dtype=torch.double)
            self.register_parameter(name, torch.nn.Parameter(value))
            self.register_prior(f"{name}_prior", prior, name)

    def forward(self, x1: Tensor, x2: Tensor, diag: bool = False, **_: object) -> Tensor:
        """Covariance of X [..., n, d+1] and X' [..., m, d+1]."""
        s1, s2 = x1[..., -1], x2[..., -1]
        if not diag:
            s1, s2 = s1.unsqueeze(-1), s2.unsqueeze(-2)
        x1, x2 = x1[..., :-1], x2[..., :-1]
        rho = torch.where(s1 > 0.5, self.rho, 1.0) * torch.where(s2 > 0.5, self.rho, 1.0)
        shared = rho * self.latent.forward(x1, x2, diag=diag)
        share = (2.0 * self.log_share).exp()
        own = s1 * s2 * share * self.discrepancy.forward(x1, x2, diag=diag)
        return (2.0 * self.log_scale).exp() * (shared + own)


class HorizonGP(gpytorch.models.ExactGP, GPyTorchModel):
    """The model over X; BoTorch's acquisition functions take it as it is."""

    _num_outputs = 1

    def __init__(self, inputs: Tensor, targets: Tensor) -> None:
        likelihood = HadamardGaussianLikelihood(
            num_tasks=2,
            task_feature_index=-1,
            noise_prior=LogNormalPrior(-3.0, 1.0),
            noise_constraint=GreaterThan(1e-4, transform=None, initial_value=0.05),
        )
        super().__init__(inputs, targets, likelihood)
        self.mean_module = _HorizonMean()
        self.covar_module = _AutoregressiveKernel(inputs.shape[-1] - 1)
        self.double()

    def forward(self, x: Tensor) -> gpytorch.distributions.MultivariateNormal:
        """Prior at X."""
        return gpytorch.distributions.MultivariateNormal(self.mean_module(x), self.covar_module(x))


class Surrogate:
    """A fitted ``HorizonGP`` with its target scale.

    Args:
        points: x, [n, d].
        is_short: s, [n].
        values: objectives, [n], to minimize.

    Raises:
        SurrogateFitError: the fit failed.
    """

    def __init__(
        self, points: Sequence[Sequence[float]], is_short: Sequence[bool], values: Sequence[float]
    ) -> None:
        x = torch.tensor([list(p) for p in points], dtype=torch.double)
        short = np.asarray(is_short, dtype=bool)
        y = np.asarray(values, dtype=float)
        if not np.isfinite(y).all():
            raise SurrogateFitError(f"observations must be finite, got {y[~np.isfinite(y)]}")
        spread = good_spread(y[short] if short.sum() > (~short).sum() else y[~short])
        self._scales = {
            horizon: TargetScale.of(y[chosen] if chosen.any() else y, spread)
            for horizon, chosen in ((True, short), (False, ~short))
        }
        target = np.where(short, self._scales[True].forward(y), self._scales[False].forward(y))
        column = torch.tensor(short, dtype=torch.double)[:, None]
        self.inputs = torch.cat([x, column], dim=1)
        self.model = HorizonGP(self.inputs, torch.tensor(target, dtype=torch.double))
        try:
            fit_gpytorch_mll(ExactMarginalLogLikelihood(self.model.likelihood, self.model))
        except (ModelFittingError, RuntimeError, ValueError) as error:
            raise SurrogateFitError(
                f"the surrogate could not be fitted to {len(y)} observations: {error}"
            ) from error
        self.model.eval()

    def at_long(self, points: Tensor) -> Tensor:
        """Points [m, d] as rows of X at the long horizon."""
        return torch.cat([points, torch.zeros_like(points[:, :1])], dim=1)

    @torch.no_grad()
    def predict(self, points: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
        """Posterior mean and standard deviation of the noiseless long-horizon objective.

        In the units of the objective; the mean is the image of the target's mean, so in the
        compressed half it is a median, and the deviation is first order.
        """
        x = torch.tensor([list(p) for p in points], dtype=torch.double)
        posterior = self.model.posterior(self.at_long(x))
        mean, sd = posterior.mean[:, 0].tolist(), posterior.variance[:, 0].sqrt().tolist()
        scale = self._scales[False]
        return [(scale.backward(m), s * scale.slope(m)) for m, s in zip(mean, sd, strict=True)]
