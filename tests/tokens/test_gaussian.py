from __future__ import annotations

import math

import pytest
import torch

from prior_search.tokens import GaussianTokens
from prior_search.tokens.gaussian import free_bits_kl, kl_to_standard_normal


def test_kl_agrees_with_torch_distributions() -> None:
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(5, 3, 4, generator=generator, dtype=torch.float64)
    log_variance = torch.randn(5, 3, 4, generator=generator, dtype=torch.float64)
    reference = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, (0.5 * log_variance).exp()),
        torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean)),
    ).sum(-1)
    torch.testing.assert_close(kl_to_standard_normal(mean, log_variance), reference)


def test_kl_has_the_value_by_hand() -> None:
    mean = torch.tensor([1.0], dtype=torch.float64)
    log_variance = torch.tensor([math.log(0.25)], dtype=torch.float64)
    assert float(kl_to_standard_normal(mean, log_variance)) == pytest.approx(0.8181471805599453)


def test_free_bits_spare_what_is_below_kappa_per_sample() -> None:
    kl = torch.tensor([[0.5], [0.0]])
    assert float(free_bits_kl(kl, None, kappa=0.2)) == pytest.approx(0.15)


def test_masked_tokens_are_left_out_of_the_penalty() -> None:
    kl = torch.tensor([[1.0, 100.0], [3.0, 5.0]])
    mask = torch.tensor([[False, True], [False, False]])
    assert float(free_bits_kl(kl, mask, kappa=0.0)) == pytest.approx(3.0)


@pytest.mark.parametrize("value", [-80.0, -1e-4, 0.0, 80.0])
def test_gradients_are_finite_at_the_extremes(value: float) -> None:
    family = GaussianTokens(num_groups=1, num_channels=4, kappa=0.5)
    features = torch.full((2, 3, 4), value, requires_grad=True)
    tokens = family(features, mask=None, generator=torch.Generator().manual_seed(0))
    (tokens.values.square().mean() + tokens.terms["kl"]).backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()


def test_samples_have_the_mean_and_variance_that_the_features_say() -> None:
    family = GaussianTokens(num_groups=1, num_channels=2, kappa=0.0)
    with torch.no_grad():
        family.statistics.weight.zero_()
        family.statistics.bias[0] = torch.tensor([1.0, -2.0, math.log(0.25), math.log(4.0)])
    features = torch.zeros(200_000, 1, 2)
    values = family(features, mask=None, generator=torch.Generator().manual_seed(1)).values[:, 0]
    five_sigma = 5 * torch.tensor([0.5, 2.0]) / math.sqrt(200_000)
    assert ((values.mean(0) - torch.tensor([1.0, -2.0])).abs() < five_sigma).all()
    torch.testing.assert_close(values.std(0), torch.tensor([0.5, 2.0]), rtol=0.01, atol=0)


def test_evaluation_gives_the_mean_and_a_zero_masked_state() -> None:
    family = GaussianTokens(num_groups=3, num_channels=4, kappa=0.5).eval()
    features = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[False, False, True]]).expand(2, 3)
    values = family(features, mask=mask, generator=None).values
    mean = family.statistics(features)[..., :4]
    torch.testing.assert_close(values[:, :2], mean[:, :2])
    assert (values[:, 2] == 0).all()


def test_no_gradient_reaches_a_masked_token() -> None:
    family = GaussianTokens(num_groups=1, num_channels=4, kappa=0.0)
    features = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    mask = torch.tensor([[False, True, True]]).expand(2, 3)
    tokens = family(features, mask=mask, generator=torch.Generator().manual_seed(0))
    (tokens.values.sum() + tokens.terms["kl"]).backward()
    assert features.grad is not None
    assert (features.grad[:, 1:] == 0).all()
    assert (features.grad[:, 0] != 0).any()


def test_each_position_has_its_own_linear_when_groups_are_positions() -> None:
    family = GaussianTokens(num_groups=3, num_channels=4, kappa=0.0)
    features = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    together = family.statistics(features)
    for position in range(3):
        alone = features[:, position] @ family.statistics.weight[position]
        alone = alone + family.statistics.bias[position]
        torch.testing.assert_close(together[:, position], alone)


def test_usage_is_the_mean_kl_over_the_whole_set() -> None:
    family = GaussianTokens(num_groups=1, num_channels=1, kappa=0.5)
    usage = family.usage_accumulator()
    usage.add({"kl": torch.tensor([[0.5], [0.5], [0.5]])})
    usage.add({"kl": torch.tensor([[2.5]])})
    assert usage.nats().tolist() == [1.0]


def test_a_negative_kappa_is_refused() -> None:
    with pytest.raises(ValueError, match="kappa must be >= 0, got -1"):
        GaussianTokens(num_groups=1, num_channels=2, kappa=-1.0)


def test_features_of_the_wrong_shape_are_refused() -> None:
    family = GaussianTokens(num_groups=3, num_channels=4, kappa=0.5)
    with pytest.raises(ValueError, match=r"must be \[B, n, 4\], got \[2, 3, 5\]"):
        family(torch.zeros(2, 3, 5), mask=None, generator=None)
    with pytest.raises(ValueError, match="must be 1 or the number of tokens 2, got 3"):
        family(torch.zeros(2, 2, 4), mask=None, generator=None)


def test_free_bits_agree_with_the_table_in_loops() -> None:
    generator = torch.Generator().manual_seed(0)
    kl = 2.0 * torch.rand(4, 5, generator=generator)
    mask = torch.rand(4, 5, generator=generator) < 0.4
    kept = [
        max(0.0, float(kl[b, n]) - 0.7) for b in range(4) for n in range(5) if not bool(mask[b, n])
    ]
    found = float(free_bits_kl(kl, mask, kappa=0.7))
    assert found == pytest.approx(sum(kept) / len(kept), rel=1e-6)


def test_free_bits_are_counted_on_the_sum_over_channels() -> None:
    mean = torch.tensor([[[1.0, 0.0]]], dtype=torch.float64)
    log_variance = torch.tensor([[[math.log(0.25), 0.0]]], dtype=torch.float64)
    kl = kl_to_standard_normal(mean, log_variance)
    assert float(free_bits_kl(kl, None, kappa=0.5)) == pytest.approx(0.3181471805599453)


def test_below_kappa_a_token_is_not_pulled_towards_the_prior() -> None:
    mean = torch.tensor([[[0.1], [3.0]]], requires_grad=True)
    free_bits_kl(kl_to_standard_normal(mean, torch.zeros(1, 2, 1)), None, kappa=0.5).backward()
    assert mean.grad is not None
    assert mean.grad.flatten().tolist() == pytest.approx([0.0, 1.5])


def test_the_divergence_is_never_negative_and_zero_only_at_the_prior() -> None:
    generator = torch.Generator().manual_seed(0)
    mean, log_variance = 1e-3 * torch.randn(2, 1000, 1, generator=generator)
    assert (kl_to_standard_normal(mean, log_variance) >= 0).all()
    assert float(kl_to_standard_normal(torch.zeros(1), torch.zeros(1))) == 0.0


@pytest.mark.parametrize("log_variance", [-1e6, -20.0, 20.0, 1e6])
def test_log_variances_at_and_beyond_their_limits_stay_finite(log_variance: float) -> None:
    family = GaussianTokens(num_groups=1, num_channels=2, kappa=0.0)
    with torch.no_grad():
        family.statistics.weight.zero_()
        family.statistics.bias[0, 2:] = log_variance
    tokens = family(torch.ones(3, 2, 2), mask=None, generator=torch.Generator().manual_seed(0))
    (tokens.values.square().mean() + tokens.terms["kl"]).backward()
    assert tokens.values.isfinite().all()
    assert tokens.terms["kl"].isfinite()
    for parameter in family.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()


def test_masked_tokens_are_standard_normal_in_training_whatever_the_features() -> None:
    family = GaussianTokens(num_groups=1, num_channels=1, kappa=0.0)
    mask = torch.ones(100_000, 1, dtype=torch.bool)
    features = torch.full((100_000, 1, 1), 50.0)
    with torch.no_grad():
        tokens = family(features, mask=mask, generator=torch.Generator().manual_seed(0))
    values = tokens.values.flatten()
    assert abs(float(values.mean())) < 5 / math.sqrt(100_000)
    assert float(values.var()) == pytest.approx(1.0, abs=5 * math.sqrt(2 / 100_000))
    assert float(tokens.terms["kl"]) == 0.0  # nothing kept, nothing to pay for
