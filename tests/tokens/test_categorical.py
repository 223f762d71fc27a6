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


def test_both_entropy_terms_agree_with_the_table_in_loops() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, 3, generator=generator)
    mask = torch.rand(6, 4, generator=generator) < 0.5
    mask[:, 2] = True  # a token that nobody keeps
    family = family_with_identity_logits(3)
    with torch.no_grad():
        terms = family(logits, mask=mask, generator=torch.Generator().manual_seed(1)).terms

    def entropy_of(q: list[float]) -> float:
        return -sum(p * math.log(p) for p in q)

    kept = [[b for b in range(6) if not bool(mask[b, n])] for n in range(4)]
    q = logits.softmax(-1).tolist()
    samples = [entropy_of(q[b][n]) for n in range(4) for b in kept[n]]
    batch = [
        -entropy_of([sum(q[b][n][c] for b in kept[n]) / len(kept[n]) for c in range(3)])
        for n in range(4)
        if kept[n]
    ]
    assert len(batch) == 3
    assert float(terms["sample_entropy"]) == pytest.approx(sum(samples) / len(samples), rel=1e-5)
    assert float(terms["batch_entropy"]) == pytest.approx(sum(batch) / len(batch), rel=1e-5)


def test_deterministic_straight_through_has_the_gradient_of_the_softmax() -> None:
    logits = torch.tensor([1.0, 2.0, 0.0], dtype=torch.float64, requires_grad=True)
    values = straight_through_one_hot(logits.softmax(-1), logits.argmax())
    (values * torch.tensor([3.0, 5.0, 7.0])).sum().backward()
    assert values.tolist() == [0.0, 1.0, 0.0]
    assert logits.grad is not None
    expected = [-0.41373898, 0.20582275, 0.20791623]
    assert logits.grad.tolist() == pytest.approx(expected, abs=1e-8)


def test_the_batch_entropy_is_lowest_when_all_classes_are_used_alike() -> None:
    even = negative_batch_entropy(torch.eye(4)[:, None], None)
    assert float(even) == pytest.approx(-math.log(4))
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        q = torch.randn(8, 1, 4, generator=generator).softmax(-1)
        assert float(negative_batch_entropy(q, None)) > float(even)


@pytest.mark.parametrize("temperature", [1e-4, 1e4])
def test_extreme_temperatures_have_finite_terms_and_gradients(temperature: float) -> None:
    family = CategoricalTokens(num_groups=1, num_channels=5, temperature=temperature)
    features = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    tokens = family(features, mask=None, generator=torch.Generator().manual_seed(0))
    (tokens.values.square().sum() + sum(tokens.terms.values())).backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()
    assert all(term.isfinite() for term in tokens.terms.values())


def test_no_gradient_reaches_a_masked_token() -> None:
    family = family_with_identity_logits(3)
    features = torch.randn(2, 2, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    mask = torch.tensor([[False, True], [False, True]])
    tokens = family(features, mask=mask, generator=torch.Generator().manual_seed(0))
    (tokens.values.square().sum() + sum(tokens.terms.values())).backward()
    assert features.grad is not None
    assert (features.grad[:, 1] == 0).all()
    assert (features.grad[:, 0] != 0).any()


def test_usage_reaches_the_logarithm_of_the_classes_and_no_more() -> None:
    usage = CategoricalTokens(num_groups=1, num_channels=128, temperature=1.0).usage_accumulator()
    usage.add({"probabilities": torch.eye(128)[:, None].expand(128, 127, 128)})
    assert float(usage.nats().sum()) / math.log(2) == pytest.approx(889)
