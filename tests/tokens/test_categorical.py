from __future__ import annotations

import math

import pytest
import torch

from prior_search.tokens import CategoricalTokens
from prior_search.tokens.categorical import negative_batch_entropy, straight_through_one_hot
from prior_search.tokens.protocol import entropy


def family_with_identity_logits(classes: int, **options: bool) -> CategoricalTokens:
    family = CategoricalTokens(num_groups=1, num_channels=classes, temperature=1.0, **options)
    with torch.no_grad():
        family.logits.weight[0] = torch.eye(classes)
        family.logits.bias.zero_()
    return family


def test_entropy_agrees_with_torch_distributions_and_is_zero_at_a_corner() -> None:
    q = torch.rand(6, 5, generator=torch.Generator().manual_seed(0)).softmax(-1)
    torch.testing.assert_close(entropy(q), torch.distributions.Categorical(q).entropy())
    assert float(entropy(torch.tensor([1.0, 0.0]))) == 0.0


def test_negative_batch_entropy_of_two_corners_is_minus_log_two() -> None:
    q = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])
    assert float(negative_batch_entropy(q, None)) == pytest.approx(-math.log(2))


def test_negative_batch_entropy_uses_kept_samples_of_each_token_only() -> None:
    q = torch.tensor([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [1.0, 0.0]]])
    mask = torch.tensor([[False, True], [False, True]])  # nobody keeps the second token
    assert float(negative_batch_entropy(q, mask)) == pytest.approx(-math.log(2))
    mask = torch.tensor([[False, True], [True, True]])
    assert float(negative_batch_entropy(q, mask)) == 0.0


@pytest.mark.parametrize(
    ("rows", "nats"),
    [
        ([[1.0, 0.0], [0.0, 1.0]], math.log(2)),
        ([[0.75, 0.25], [0.25, 0.75]], 0.130812035941137),
        ([[0.3, 0.7], [0.3, 0.7]], 0.0),
    ],
)
def test_usage_is_the_mutual_information_of_spec(rows: list[list[float]], nats: float) -> None:
    usage = CategoricalTokens(num_groups=1, num_channels=2, temperature=1.0).usage_accumulator()
    for row in rows:  # a batch each: pooled, not averaged
        usage.add({"probabilities": torch.tensor([[row]], dtype=torch.float64)})
    assert float(usage.nats()) == pytest.approx(nats, abs=1e-12)


def test_straight_through_has_the_value_and_gradient_by_hand() -> None:
    logits = torch.tensor([0.0, math.log(3)], dtype=torch.float64, requires_grad=True)
    values = straight_through_one_hot(logits.softmax(-1), torch.tensor(0))
    (values * torch.tensor([1.0, 0.0])).sum().backward()
    assert values.tolist() == [1.0, 0.0]
    assert logits.grad is not None
    assert logits.grad.tolist() == pytest.approx([0.1875, -0.1875])


def test_training_draws_each_class_as_often_as_q_says() -> None:
    family = family_with_identity_logits(3)
    q = torch.tensor([0.2, 0.3, 0.5])
    features = q.log().expand(100_000, 1, 3)
    tokens = family(features, mask=None, generator=torch.Generator().manual_seed(0))
    five_sigma = 5 * (q * (1 - q) / 100_000).sqrt()
    assert ((tokens.values.mean((0, 1)) - q).abs() < five_sigma).all()


def test_evaluation_and_the_switch_take_the_most_probable_class() -> None:
    features = torch.tensor([0.2, 0.3, 0.5]).log().expand(50, 1, 3)
    for family in (
        family_with_identity_logits(3).eval(),
        family_with_identity_logits(3, sample=False),
    ):
        values = family(features, mask=None, generator=None).values
        assert (values.argmax(-1) == 2).all()


def test_the_masked_state_is_uniform() -> None:
    family = family_with_identity_logits(4)
    mask = torch.ones(2, 3, dtype=torch.bool)
    tokens = family(torch.zeros(2, 3, 4), mask=mask, generator=torch.Generator().manual_seed(0))
    assert (tokens.values == 0.25).all()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_gradients_are_finite_at_the_extremes(scale: float) -> None:
    family = family_with_identity_logits(3)
    features = torch.tensor([[[scale, -scale, 0.0]], [[0.0, scale, 0.0]]], requires_grad=True)
    tokens = family(features, mask=None, generator=torch.Generator().manual_seed(0))
    (tokens.values.square().sum() + sum(tokens.terms.values())).backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()


def test_a_temperature_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="temperature must be > 0, got 0"):
        CategoricalTokens(num_groups=1, num_channels=2, temperature=0.0)
