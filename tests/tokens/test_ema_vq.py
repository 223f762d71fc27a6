from __future__ import annotations

import math

import pytest
import torch

from prior_search.tokens import EmaVqTokens
from prior_search.tokens.ema_vq import moving_average_codes, nearest_code


def make_family(codes: list[list[float]], **options: float) -> EmaVqTokens:
    family = EmaVqTokens(
        num_groups=1, num_channels=len(codes[0]), num_states=len(codes), decay=0.9, **options
    )
    family.codes = torch.tensor([codes])
    family.sums = family.codes.clone()
    family.counts = torch.ones_like(family.counts)
    family.is_seeded = torch.tensor(True)
    return family


def test_nearest_code_agrees_with_loops() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 20, 3, generator=generator)
    codes = torch.randn(2, 6, 3, generator=generator)
    index = nearest_code(features, codes)
    for g in range(2):
        for m in range(20):
            distances = [float((features[g, m] - code).square().sum()) for code in codes[g]]
            assert int(index[g, m]) == distances.index(min(distances))


def test_codes_and_commitment_have_the_values_by_hand() -> None:
    family = make_family([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]).eval()
    features = torch.tensor([[[0.4, 0.1], [0.6, 0.0], [0.0, 1.5]]])
    tokens = family(features, mask=None, generator=None)
    assert tokens.usage["codes"].tolist() == [[0, 1, 2]]
    assert float(tokens.terms["commitment"]) == pytest.approx((0.17 + 0.16 + 0.25) / 3)


def test_a_tie_goes_to_the_null_state() -> None:
    index = nearest_code(torch.tensor([[[0.5]]]), torch.tensor([[[0.0], [1.0]]]))
    assert int(index) == 0


def test_the_gradient_passes_straight_through_the_null_state_too() -> None:
    family = make_family([[0.0, 0.0], [1.0, 0.0]]).eval()
    features = torch.tensor([[[0.1, 0.1], [0.9, 0.0]]], requires_grad=True)
    tokens = family(features, mask=None, generator=None)
    tokens.values.sum().backward()
    assert features.grad is not None
    assert (features.grad == 1).all()


def test_moving_averages_have_the_values_by_hand() -> None:
    counts, sums = moving_average_codes(
        torch.tensor([[1.0]]),
        torch.tensor([[[1.0, 0.0]]]),
        torch.tensor([[2.0]]),
        torch.tensor([[[1.4, 0.2]]]),
        decay=0.9,
    )
    assert float(counts) == pytest.approx(1.1)
    assert sums.flatten().tolist() == pytest.approx([1.04, 0.02])


def test_the_null_state_never_moves_and_the_others_follow_their_inputs() -> None:
    family = make_family([[0.0, 0.0], [1.0, 1.0]])
    features = torch.tensor([0.9, 1.1]).expand(64, 1, 2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        family(features, mask=None, generator=generator)
        family(features * 0.01, mask=None, generator=generator)
    assert (family.codes[:, 0] == 0).all()
    torch.testing.assert_close(family.codes[0, 1], torch.tensor([0.9, 1.1]), atol=0.02, rtol=0)


def test_masked_tokens_do_not_move_codes() -> None:
    family = make_family([[0.0], [1.0]], dead_share=0.0)
    before = family.codes.clone()
    mask = torch.ones(8, 1, dtype=torch.bool)
    family.counts = torch.full_like(family.counts, 5.0)
    family.sums = family.codes * 5.0
    tokens = family(torch.full((8, 1, 1), 3.0), mask=mask, generator=torch.Generator())
    torch.testing.assert_close(family.codes, before, atol=1e-4, rtol=0)
    assert (tokens.values == 0).all()


def test_evaluation_moves_nothing() -> None:
    family = make_family([[0.0], [1.0]]).eval()
    before = {name: value.clone() for name, value in family.state_dict().items()}
    family(torch.full((8, 1, 1), 3.0), mask=None, generator=None)
    assert all(torch.equal(value, before[name]) for name, value in family.state_dict().items())


def test_a_dead_code_comes_back_at_an_input_of_the_batch() -> None:
    family = make_family([[0.0], [1.0], [1e6]], dead_share=0.05)
    features = torch.linspace(0.5, 1.5, 32)[:, None, None]
    generator = torch.Generator().manual_seed(0)
    for _ in range(100):
        family(features, mask=None, generator=generator)
    assert 0.4 < float(family.codes[0, 2]) < 1.6


def test_the_first_batch_seeds_the_codes() -> None:
    family = EmaVqTokens(num_groups=3, num_channels=2, num_states=5, decay=0.99)
    features = 10.0 + torch.rand(16, 3, 2, generator=torch.Generator().manual_seed(0))
    family(features, mask=None, generator=torch.Generator().manual_seed(1))
    assert (family.codes[:, 0] == 0).all()
    assert ((family.codes[:, 1:] > 9.0) & (family.codes[:, 1:] < 12.0)).all()


def test_positions_with_their_own_codebooks_equal_separate_families() -> None:
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(3, 4, 2, generator=generator)
    codes[:, 0] = 0
    features = torch.randn(6, 3, 2, generator=generator)
    family = EmaVqTokens(num_groups=3, num_channels=2, num_states=4, decay=0.9).eval()
    family.codes = codes
    found = family(features, mask=None, generator=None).usage["codes"]
    for position in range(3):
        alone = nearest_code(features[None, :, position], codes[None, position])[0]
        assert torch.equal(found[:, position], alone)


def test_usage_is_the_entropy_of_the_pooled_histogram() -> None:
    usage = EmaVqTokens(num_groups=1, num_channels=1, num_states=4, decay=0.9).usage_accumulator()
    usage.add({"codes": torch.tensor([[0], [1]])})
    usage.add({"codes": torch.tensor([[1], [2]])})
    assert float(usage.nats()) == pytest.approx(1.5 * math.log(2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_states": 1, "decay": 0.9}, "num_states must be >= 2"),
        ({"num_states": 4, "decay": 1.0}, r"decay must be in \(0, 1\), got 1.0"),
    ],
)
def test_bad_sizes_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EmaVqTokens(num_groups=1, num_channels=2, **options)  # type: ignore[arg-type]


def test_a_training_step_agrees_with_the_moving_averages_in_loops() -> None:
    generator = torch.Generator().manual_seed(0)
    family = EmaVqTokens(num_groups=2, num_channels=3, num_states=4, decay=0.8, dead_share=0.0)
    family.codes = torch.randn(2, 4, 3, generator=generator)
    family.codes[:, 0] = 0.0
    family.sums = 2.0 * family.codes
    family.counts = torch.full((2, 4), 2.0)
    family.is_seeded = torch.tensor(True)
    features = torch.randn(9, 2, 3, generator=generator)
    mask = torch.rand(9, 2, generator=generator) < 0.3
    counts, sums = family.counts.clone(), family.sums.clone()
    index = family(features, mask=mask, generator=generator).usage["codes"]
    for g in range(2):
        for k in range(4):
            chosen = [b for b in range(9) if not bool(mask[b, g]) and int(index[b, g]) == k]
            counts[g, k] = 0.8 * counts[g, k] + 0.2 * len(chosen)
            total = torch.stack([features[b, g] for b in chosen]).sum(0) if chosen else 0.0
            sums[g, k] = 0.8 * sums[g, k] + 0.2 * total
    torch.testing.assert_close(family.counts, counts)
    torch.testing.assert_close(family.sums, sums)
    expected = sums / counts[..., None]
    expected[:, 0] = 0.0
    torch.testing.assert_close(family.codes, expected, rtol=1e-4, atol=1e-5)  # smoothed by 1e-5


def test_a_code_has_the_value_by_hand_after_a_step() -> None:
    family = EmaVqTokens(num_groups=1, num_channels=2, num_states=2, decay=0.9, dead_share=0.0)
    family.codes = torch.tensor([[[0.0, 0.0], [1.0, 0.0]]])
    family.sums, family.counts = family.codes.clone(), torch.ones(1, 2)
    family.is_seeded = torch.tensor(True)
    family(torch.tensor([[[0.6, 0.0]], [[0.8, 0.2]]]), mask=None, generator=torch.Generator())
    assert family.codes[0, 1].tolist() == pytest.approx([0.94545455, 0.01818182], rel=1e-4)


def test_the_commitment_trains_the_features_and_never_the_codes() -> None:
    family = make_family([[0.0, 0.0], [1.0, 0.0]]).eval()
    features = torch.tensor([[[0.9, 0.3]], [[0.1, 0.1]]], requires_grad=True)
    family(features, mask=None, generator=None).terms["commitment"].backward()
    assert features.grad is not None
    expected = [2 * -0.1 / 2, 2 * 0.3 / 2, 2 * 0.1 / 2, 2 * 0.1 / 2]  # mean over two tokens
    assert features.grad.flatten().tolist() == pytest.approx(expected, rel=1e-5)
    assert not family.codes.requires_grad


@pytest.mark.parametrize("scale", [0.0, 1e-20, 1e6])
def test_identical_and_extreme_features_leave_codes_and_gradients_finite(scale: float) -> None:
    family = EmaVqTokens(num_groups=1, num_channels=3, num_states=4, decay=0.9)
    features = torch.full((8, 2, 3), scale, requires_grad=True)
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        tokens = family(features, mask=None, generator=generator)
        (tokens.values.sum() + tokens.terms["commitment"]).backward()
    assert family.codes.isfinite().all()
    assert family.counts.isfinite().all()
    assert features.grad is not None
    assert features.grad.isfinite().all()


def test_a_position_that_nobody_keeps_for_long_recovers() -> None:
    """Its counts decay towards zero; the codes must stay finite and follow again afterwards."""
    family = EmaVqTokens(num_groups=1, num_channels=1, num_states=3, decay=0.5)
    generator = torch.Generator().manual_seed(0)
    features = torch.tensor([[[2.0]], [[4.0]]])
    nobody = torch.ones(2, 1, dtype=torch.bool)
    for _ in range(300):
        family(features, mask=nobody, generator=generator)
    assert family.codes.isfinite().all()
    for _ in range(30):
        tokens = family(features, mask=None, generator=generator)
    assert sorted(family.codes[0, 1:, 0].tolist()) == pytest.approx([2.0, 4.0], abs=0.05)
    assert float(tokens.terms["commitment"]) < 0.01


def test_usage_reaches_the_logarithm_of_the_states_and_is_zero_for_a_constant_code() -> None:
    usage = EmaVqTokens(
        num_groups=1, num_channels=1, num_states=256, decay=0.9
    ).usage_accumulator()
    usage.add({"codes": torch.arange(256)[:, None]})
    assert float(usage.nats()) / math.log(2) == pytest.approx(8)
    usage = EmaVqTokens(num_groups=1, num_channels=1, num_states=4, decay=0.9).usage_accumulator()
    usage.add({"codes": torch.full((50, 1), 2)})
    assert float(usage.nats()) == 0.0


def test_a_negative_share_of_dead_codes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"dead_share must be in \[0, 1\), got -0.1"):
        EmaVqTokens(num_groups=1, num_channels=1, num_states=4, decay=0.9, dead_share=-0.1)
