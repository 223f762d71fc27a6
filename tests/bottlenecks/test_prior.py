from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from prior_search.bottlenecks import (
    MbopBottleneck,
    OrderedCodes,
    PriorBottleneck,
    budgets,
    level_sizes,
    num_levels_of,
)
from prior_search.bottlenecks.prior import prediction_penalty
from prior_search.tokens import EmaVqTokens, GaussianTokens, Tokens


class Rounding(nn.Module):
    """A family whose Q rounds, to follow Eq. 4 by hand."""

    def forward(self, features: Tensor, *, mask: Tensor | None, generator: object) -> Tokens:
        return Tokens(values=features.round(), terms={"kl": features.abs().mean()}, usage={})


class Identity(nn.Module):
    def forward(self, features: Tensor, *, mask: Tensor | None, generator: object) -> Tokens:
        return Tokens(values=features, terms={}, usage={})


class Duplicate(nn.Module):
    def forward(self, parents: Tensor) -> Tensor:
        return parents.repeat_interleave(2, dim=1)


def features_by_hand() -> Tensor:
    return torch.tensor([3.2, 2.6, 4.4, 2.0, 3.0, 4.0, 5.0], dtype=torch.float64)[None, :, None]


def test_the_recursion_has_the_values_by_hand() -> None:
    prior = PriorBottleneck(
        tokens=[Rounding() for _ in range(3)], predictors=[Duplicate(), Duplicate()]
    )
    output = prior(features_by_hand(), generator=None)
    assert output.codes.prefix(7).flatten().tolist() == [3, 3, 4, 2, 3, 4, 5]
    assert float(output.terms["prediction"]) == pytest.approx(0.78)
    residuals = [3.2, 0.4, 1.4, 1, 0, 0, 1]  # absolute values; the term is their mean over tokens
    assert float(output.terms["kl"]) == pytest.approx(sum(residuals) / 7)


def test_with_an_identity_for_q_every_level_is_its_target_whatever_the_predictor() -> None:
    prior = PriorBottleneck(
        tokens=[Identity() for _ in range(3)], predictors=[Duplicate(), nn.Upsample(1)]
    )
    prior.predictors[1] = Duplicate()
    features = torch.randn(2, 7, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(prior(features, generator=None).codes.prefix(7), features)


def test_equation_five_agrees_with_loops_and_sends_no_gradient_to_the_target() -> None:
    generator = torch.Generator().manual_seed(0)
    predictions = [torch.randn(2, n, 3, generator=generator, requires_grad=True) for n in (2, 4)]
    targets = [torch.randn(2, n, 3, generator=generator, requires_grad=True) for n in (2, 4)]
    total = 0.0
    for p, t in zip(predictions, targets, strict=True):
        squares = [
            (a - b) ** 2 for a, b in zip(p.flatten().tolist(), t.flatten().tolist(), strict=True)
        ]
        total += sum(squares) / len(squares)
    penalty = prediction_penalty(predictions, targets)
    assert float(penalty.detach()) == pytest.approx(total / 2, rel=1e-5)
    penalty.backward()
    assert all(t.grad is None for t in targets)
    assert all(p.grad is not None for p in predictions)


def test_a_prediction_without_its_target_is_refused() -> None:
    with pytest.raises(ValueError, match="must pair up, got 1 and 0"):
        prediction_penalty([torch.zeros(1)], [])


def gradient_of_the_last_level(family: str) -> float:
    """Norm of the gradient that the last level's code sends into the predictor."""
    torch.manual_seed(0)
    if family == "ema_vq":
        tokens: list[nn.Module] = [
            EmaVqTokens(num_groups=1, num_channels=4, num_states=8, decay=0.9) for _ in range(2)
        ]
    else:
        tokens = [GaussianTokens(num_groups=1, num_channels=4, kappa=0.0) for _ in range(2)]
    predictor = nn.Sequential(nn.Linear(4, 4), Duplicate())
    prior = PriorBottleneck(tokens=tokens, predictors=[predictor])
    codes = prior(torch.randn(6, 3, 4), generator=torch.Generator().manual_seed(0)).codes
    (codes.levels[1] * torch.randn(6, 2, 4)).sum().backward()
    return float(sum(p.grad.norm() for p in predictor.parameters()))  # type: ignore[union-attr]


def test_the_objective_trains_gaussian_predictors_but_never_those_of_ema_vq() -> None:
    assert gradient_of_the_last_level("gaussian") > 1e-2
    assert gradient_of_the_last_level("ema_vq") < 1e-5


def test_masks_act_in_training_only() -> None:
    tokens = GaussianTokens(num_groups=7, num_channels=4, kappa=0.0)
    mbop = MbopBottleneck(tokens=tokens, num_tokens=7, dropping="td").eval()
    features = torch.randn(16, 7, 4, generator=torch.Generator().manual_seed(0))
    values = mbop(features, generator=None).codes.prefix(7)
    torch.testing.assert_close(values, tokens.statistics(features)[..., :4])


@pytest.mark.parametrize("dropping", ["td", "itd"])
def test_training_masks_late_tokens_most(dropping: str) -> None:
    tokens = EmaVqTokens(num_groups=7, num_channels=4, num_states=8, decay=0.9)
    mbop = MbopBottleneck(tokens=tokens, num_tokens=7, dropping=dropping)  # type: ignore[arg-type]
    features = 5 + torch.randn(500, 7, 4, generator=torch.Generator().manual_seed(0))
    codes = mbop(features, generator=torch.Generator().manual_seed(1)).codes.prefix(7)
    is_masked = (codes == 0).all(-1).float().mean(0)
    assert is_masked[0] == 0
    assert is_masked[6] > is_masked[3] > is_masked[1] > 0.1


def test_a_prefix_is_the_first_tokens_or_the_first_levels() -> None:
    flat = torch.arange(7.0)[None, :, None]
    mbop = OrderedCodes(levels=(flat,), usage=({},))
    prior = OrderedCodes(levels=tuple(flat.split((1, 2, 4), dim=1)), usage=({}, {}, {}))
    assert mbop.budgets == prior.budgets == (1, 3, 7)
    for budget in mbop.budgets:
        assert torch.equal(mbop.prefix(budget), prior.prefix(budget))
        assert mbop.prefix(budget).shape == (1, budget, 1)
    with pytest.raises(ValueError, match=r"budget must be one of \(1, 3, 7\), got 4"):
        prior.prefix(4)


@pytest.mark.parametrize("num_tokens", [0, 2, 6, 128])
def test_a_token_count_that_is_no_pyramid_is_refused(num_tokens: int) -> None:
    with pytest.raises(ValueError, match=r"num_tokens must be 2\^L - 1"):
        num_levels_of(num_tokens)


def test_quantized_residuals_have_the_values_by_hand() -> None:
    """Two levels, codes 0 and 3: the residuals -1 and 3 become 0 and 3."""
    family = EmaVqTokens(num_groups=1, num_channels=1, num_states=2, decay=0.9)
    family.codes = torch.tensor([[[0.0], [3.0]]])
    prior = PriorBottleneck(tokens=[Identity(), family], predictors=[Duplicate()]).eval()
    prior.tokens[0].forward = lambda features, **_: Tokens(  # type: ignore[method-assign]
        values=features, terms={"commitment": features.new_zeros(())}, usage={}
    )
    output = prior(torch.tensor([2.0, 1.0, 5.0])[None, :, None], generator=None)
    assert output.codes.prefix(3).flatten().tolist() == pytest.approx([2, 2, 5])
    assert float(output.terms["prediction"]) == pytest.approx(5.0)
    assert float(output.terms["commitment"]) == pytest.approx(2 / 3 * (1 + 0) / 2)


def test_the_prediction_penalty_is_zero_at_the_target_and_finite_at_extremes() -> None:
    target = torch.randn(2, 2, 3, generator=torch.Generator().manual_seed(0))
    assert float(prediction_penalty([target], [target])) == 0.0
    far = torch.full((2, 2, 3), 1e15, requires_grad=True)
    prediction_penalty([far], [target]).backward()
    assert far.grad is not None
    assert far.grad.isfinite().all()


def test_levels_and_budgets_are_those_of_equation_three() -> None:
    assert level_sizes(4) == (1, 2, 4, 8)
    assert budgets(7) == (1, 3, 7, 15, 31, 63, 127)
    for num_levels in range(1, 10):
        assert sum(level_sizes(num_levels)) == budgets(num_levels)[-1] == 2**num_levels - 1
        assert num_levels_of(2**num_levels - 1) == num_levels
    with pytest.raises(ValueError, match="num_levels must be >= 1, got 0"):
        level_sizes(0)


def test_bottlenecks_refuse_what_does_not_fit() -> None:
    tokens = GaussianTokens(num_groups=1, num_channels=4, kappa=0.0)
    with pytest.raises(ValueError, match="2 levels need 1 predictors, got 0"):
        PriorBottleneck(tokens=[tokens, tokens], predictors=[])
    prior = PriorBottleneck(tokens=[tokens, tokens], predictors=[Duplicate()])
    with pytest.raises(ValueError, match="features must have 3 tokens, got 7"):
        prior(torch.zeros(1, 7, 4), generator=None)
    with pytest.raises(ValueError, match="dropping must be one of td, itd, got 'tail'"):
        MbopBottleneck(tokens=tokens, num_tokens=3, dropping="tail")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="features must have 3 tokens, got 4"):
        MbopBottleneck(tokens=tokens, num_tokens=3, dropping="td")(
            torch.zeros(1, 4, 4), generator=None
        )
