"""Where to look next: log noisy expected improvement or the posterior mean, times feasibility."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from botorch.acquisition import AcquisitionFunction
from botorch.acquisition.logei import qLogNoisyExpectedImprovement
from botorch.acquisition.objective import LinearMCObjective
from botorch.optim import optimize_acqf
from botorch.sampling import SobolQMCNormalSampler
from botorch.utils.transforms import t_batch_mode_transform
from torch import Tensor

from prior_search.search.gp import Surrogate

NUM_SAMPLES = 64  # of the joint posterior, quasi-random
RAW_SAMPLES = 128  # starting points that are looked at
NUM_RESTARTS = 4  # that are followed up
FEASIBILITY_SCALE = 0.15  # distance in the unit cube at which one run says little of another


class Feasibility:
    """Share of runs that did not diverge near a point, with one imagined success everywhere.

    Args:
        points: where runs ended, [n, d].
        diverged: which of them diverged, [n].
    """

    def __init__(self, points: Sequence[Sequence[float]], diverged: Sequence[bool]) -> None:
        self._points = torch.tensor([list(p) for p in points], dtype=torch.double)
        self._succeeded = torch.tensor([not d for d in diverged], dtype=torch.double)

    def probability(self, points: Tensor) -> Tensor:
        """[..., d] -> [...], in (0, 1]."""
        distance = torch.cdist(points, self._points)
        kernel = (-0.5 * (distance / FEASIBILITY_SCALE).square()).exp()
        return (1.0 + kernel @ self._succeeded) / (1.0 + kernel.sum(-1))


class _LogImprovement(AcquisitionFunction):
    """log EI + log feasibility over X at the long horizon."""

    def __init__(
        self, surrogate: Surrogate, feasibility: Feasibility, pending: Tensor, seed: int
    ) -> None:
        super().__init__(surrogate.model)
        observed = surrogate.at_long(surrogate.inputs[:, :-1])
        self._log_ei = qLogNoisyExpectedImprovement(
            surrogate.model,
            observed,
            sampler=SobolQMCNormalSampler(torch.Size([NUM_SAMPLES]), seed=seed % 2**31),
            objective=LinearMCObjective(torch.tensor([-1.0], dtype=torch.double)),  # we minimize
            X_pending=surrogate.at_long(pending) if len(pending) else None,
            prune_baseline=True,
        )
        self._feasibility = feasibility

    @t_batch_mode_transform(expected_q=1)  # type: ignore[untyped-decorator]
    def forward(self, X: Tensor) -> Tensor:
        """[b, 1, d+1] -> [b]."""
        probability = self._feasibility.probability(X[..., 0, :-1])
        return self._log_ei(X) + probability.log()


class _LowMean(AcquisitionFunction):
    """Minus the posterior mean, with a penalty where runs diverge."""

    def __init__(self, surrogate: Surrogate, feasibility: Feasibility) -> None:
        super().__init__(surrogate.model)
        self._feasibility = feasibility

    @t_batch_mode_transform(expected_q=1)  # type: ignore[untyped-decorator]
    def forward(self, X: Tensor) -> Tensor:
        """[b, 1, d+1] -> [b]."""
        mean = self.model.posterior(X).mean[..., 0, 0]
        probability = self._feasibility.probability(X[..., 0, :-1])
        return -mean + probability.log()


def maximize_improvement(
    surrogate: Surrogate, feasibility: Feasibility, pending: Sequence[Sequence[float]], seed: int
) -> tuple[tuple[float, ...], float]:
    """The point of highest log noisy EI given pending points, and that value.

    Noisy EI after Letham et al. (2019), on the log scale after Ament et al. (2023).
    """
    waiting = torch.tensor([list(p) for p in pending], dtype=torch.double)
    return _maximize(_LogImprovement(surrogate, feasibility, waiting, seed), surrogate)


def minimize_mean(
    surrogate: Surrogate, feasibility: Feasibility
) -> tuple[tuple[float, ...], float]:
    """The point of lowest posterior mean, and minus its target."""
    return _maximize(_LowMean(surrogate, feasibility), surrogate)


def _maximize(
    acquisition: AcquisitionFunction, surrogate: Surrogate
) -> tuple[tuple[float, ...], float]:
    dimension = surrogate.inputs.shape[-1] - 1
    bounds = torch.tensor([[0.0] * (dimension + 1), [1.0] * (dimension + 1)], dtype=torch.double)
    found, value = optimize_acqf(
        acquisition,
        bounds,
        q=1,
        num_restarts=NUM_RESTARTS,
        raw_samples=RAW_SAMPLES,
        fixed_features={dimension: 0.0},
    )
    return tuple(found[0, :dimension].clamp(0.0, 1.0).tolist()), float(value)
