"""A fitted surrogate as a BoTorch model, for BoTorch's acquisition functions and as a reference.

The engine's own numerics are plain numpy, for speed; this is the same Gaussian process written
in GPyTorch. Inputs are [..., d+1]: a point and its fidelity; outputs are targets, to minimize.
"""

from __future__ import annotations

import gpytorch
import torch
from botorch.models.gpytorch import GPyTorchModel
from gpytorch.kernels import Kernel, MaternKernel
from gpytorch.likelihoods import FixedNoiseGaussianLikelihood
from torch import Tensor

from prior_search.search.bowl import TURN
from prior_search.search.evidence import JITTER
from prior_search.search.gp import Posterior
from prior_search.search.kernel import ADDITIVE, OFFSET_SD, Covariance
from prior_search.search.layout import Layout


class _AutoregressiveKernel(Kernel):
    """scale² (rho_s rho_s' k_g + [s = s'] share_s² k_delta) + [s = s'] OFFSET_SD²."""

    def __init__(self, covariance: Covariance) -> None:
        super().__init__()
        self._variance = covariance.variance
        self._rho, self._share = torch.tensor(covariance.rho), torch.tensor(covariance.share)
        dimension = len(covariance.length)
        self.latent = MaternKernel(nu=2.5, ard_num_dims=dimension)
        self.latent.lengthscale = torch.tensor(covariance.length)
        self.effects = torch.nn.ModuleList(MaternKernel(nu=2.5) for _ in range(dimension))
        for effect, length in zip(self.effects, covariance.length, strict=True):
            effect.lengthscale = torch.tensor([length])
        self.discrepancy = MaternKernel(nu=2.5, ard_num_dims=dimension)
        self.discrepancy.lengthscale = torch.tensor(covariance.own_length)

    def forward(self, x1: Tensor, x2: Tensor, diag: bool = False, **_: object) -> Tensor:
        """Covariance of [..., n, d+1] and [..., m, d+1]."""
        s1, s2 = x1[..., -1].round().long(), x2[..., -1].round().long()
        if not diag:
            s1, s2 = s1.unsqueeze(-1), s2.unsqueeze(-2)
        x1, x2 = x1[..., :-1], x2[..., :-1]
        latent = (1.0 - ADDITIVE) * self.latent.forward(x1, x2, diag=diag)
        for k, effect in enumerate(self.effects):
            one = slice(k, k + 1)
            effect_value = effect.forward(x1[..., one], x2[..., one], diag=diag)
            latent = latent + ADDITIVE / len(self.effects) * effect_value
        shared = self._rho[s1] * self._rho[s2] * latent
        same = (s1 == s2).double()
        own = same * self._share[s1] ** 2 * self.discrepancy.forward(x1, x2, diag=diag)
        return self._variance * (shared + own) + OFFSET_SD**2 * same


class _BowlMean(gpytorch.means.Mean):
    """rho_s height log(1 + q), as ``bowl`` has it; 0 without a bowl."""

    def __init__(self, layout: Layout, theta: Tensor) -> None:
        super().__init__()
        self._has_bowl = layout.has_bowl
        if not layout.has_bowl:
            return
        d = layout.dimension
        self._rho = torch.cat([torch.ones(1).double(), theta[layout.rho]])
        self._height, center, curvature, self._skew, shear = theta[layout.bowl].split(
            [1, d, d, d, d * (d - 1) // 2]
        )
        self._center, self._curvature = center, curvature.exp()
        self._mix = torch.eye(d).double()
        self._mix[tuple(torch.triu_indices(d, d, 1))] = shear

    def forward(self, x: Tensor) -> Tensor:
        """[..., n, d+1] -> [..., n]."""
        if not self._has_bowl:
            return torch.zeros(x.shape[:-1]).double()
        v = torch.einsum("kj,...j->...k", self._mix, x[..., :-1] - self._center)
        u = v * (self._skew * (v / TURN).tanh()).exp()
        rho = self._rho[x[..., -1].round().long()]
        return rho * self._height.exp() * torch.log1p((self._curvature * u**2).sum(-1))


class HorizonGP(gpytorch.models.ExactGP, GPyTorchModel):
    """One of a surrogate's posteriors over points and fidelities."""

    _num_outputs = 1

    def __init__(self, posterior: Posterior) -> None:
        rows, covariance = posterior.rows, posterior.covariance
        fidelity = torch.tensor(rows.s, dtype=torch.double)[:, None]
        inputs = torch.cat([torch.tensor(rows.x), fidelity], dim=1)
        noise = torch.tensor(covariance.noise[rows.s] / rows.runs + JITTER)
        super().__init__(inputs, torch.tensor(rows.y), FixedNoiseGaussianLikelihood(noise))
        self.mean_module = _BowlMean(posterior.layout, torch.tensor(posterior.theta))
        self.covar_module = _AutoregressiveKernel(covariance)
        self.double().eval()

    def forward(self, x: Tensor) -> gpytorch.distributions.MultivariateNormal:
        """Prior at [..., n, d+1]."""
        return gpytorch.distributions.MultivariateNormal(self.mean_module(x), self.covar_module(x))
