from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from prior_search.models import (
    RECONSTRUCTION_PRESETS,
    OrderedModel,
    build_reconstruction_model,
    reconstruction_parameter_table,
)
from prior_search.models.predictors import Predictor
from prior_search.models.wavelet_vit import WaveletDecoder, WaveletEncoder, grid_code
from prior_search.trial import BOTTLENECKS, FAMILIES

PRESET = RECONSTRUCTION_PRESETS["tiny"]


def build(family: Any, bottleneck: Any) -> OrderedModel:
    """A model whose decoders do not answer gray to everything, as they do before training."""
    torch.manual_seed(0)
    model = build_reconstruction_model(
        family=family, bottleneck=bottleneck, preset=PRESET, settings={}
    )
    for head in model.heads:
        torch.nn.init.normal_(head.out[1].weight)
    return model


def faces(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = (count, 3, PRESET.image_size, PRESET.image_size)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    return images, torch.zeros(count, 4)


@pytest.mark.parametrize(
    "row",
    [row for row in reconstruction_parameter_table("paper") if row["total_published"]],
    ids=lambda r: f"{r['architecture']}-{r['family']}",
)
def test_the_paper_preset_is_within_a_percent_of_the_published_totals(row: dict[str, Any]) -> None:
    assert row["total"] == pytest.approx(row["total_published"], rel=0.01)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("bottleneck", BOTTLENECKS)
def test_every_autoencoder_gives_images_codes_terms_and_gradients(
    family: Any, bottleneck: Any
) -> None:
    model = build(family, bottleneck)
    images, fovea = faces(2)
    output = model(images, fovea, generator=torch.Generator().manual_seed(0))
    assert len(output.level_outputs) == (PRESET.num_levels if bottleneck == "prior" else 1)
    assert all(made.shape == images.shape for made in output.level_outputs)
    assert output.codes.num_tokens == PRESET.num_tokens == 15
    loss = sum(made.square().mean() for made in output.level_outputs) + sum(output.terms.values())
    loss.backward()
    unused = [n for n, p in model.named_parameters() if p.grad is None]
    assert not unused
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("bottleneck", ["td", "itd"])
def test_a_budget_of_mbop_decodes_the_prefix_with_the_rest_masked(
    family: Any, bottleneck: Any
) -> None:
    model = build(family, bottleneck).eval()
    codes = model.encode(*faces(2), generator=None).codes
    masked = {"gaussian": 0.0, "categorical": 1 / PRESET.channels, "ema_vq": 0.0}[family]
    tokens = codes.levels[0].clone()
    tokens[:, 3:] = masked
    torch.testing.assert_close(model.output_at(codes, 3), model.heads[0](tokens))


def test_a_budget_of_prior_decodes_the_level_that_ends_there() -> None:
    model = build("gaussian", "prior").eval()
    output = model(*faces(2), generator=None)
    for level, budget in enumerate(output.codes.budgets):
        assert budget == 2 ** (level + 1) - 1
        torch.testing.assert_close(
            model.output_at(output.codes, budget), output.level_outputs[level]
        )


@pytest.mark.parametrize("bottleneck", BOTTLENECKS)
def test_the_full_budget_is_what_validation_sees(bottleneck: Any) -> None:
    model = build("categorical", bottleneck).eval()
    output = model(*faces(2), generator=None)
    full = model.output_at(output.codes, PRESET.num_tokens)
    torch.testing.assert_close(full, output.level_outputs[-1])
    with pytest.raises(ValueError, match=r"budget must be one of \(1, 3, 7, 15\), got 2"):
        model.output_at(output.codes, 2)


def test_a_decoder_starts_from_gray_and_reads_its_tokens() -> None:
    torch.manual_seed(0)
    decoder = WaveletDecoder(
        image_size=8, depth=2, width=32, channels=4, head_size=32, num_blocks=1, num_tokens=3
    )
    tokens = torch.randn(2, 3, 4)
    assert decoder(tokens).unique().tolist() == [0.5]
    torch.nn.init.normal_(decoder.out[1].weight)
    made = decoder(tokens)
    assert made.shape == (2, 3, 8, 8)
    assert not torch.allclose(made[0], made[1])


def test_the_encoder_sees_the_whole_image_and_no_fovea() -> None:
    torch.manual_seed(0)
    encoder = WaveletEncoder(
        image_size=8,
        depth=2,
        width=32,
        channels=4,
        head_size=32,
        num_blocks=1,
        num_tokens=3,
        is_pyramidal=False,
    )
    images = torch.rand(1, 3, 8, 8, requires_grad=True)
    features = encoder(images, torch.rand(1, 4), generator=None)
    assert features.equal(encoder(images, torch.zeros(1, 4), generator=None))
    features.sum().backward()
    assert images.grad is not None
    assert (images.grad != 0).all()


def test_grid_codes_tell_all_blocks_apart() -> None:
    code = grid_code(16, 64)
    assert code.shape == (256, 64)
    assert (torch.cdist(code, code) + 10 * torch.eye(256)).min() > 0.05


def test_a_doubling_mlp_has_the_parameters_of_two_linear_maps() -> None:
    def count(hidden: int) -> int:
        module = Predictor(4, 32, head_size=32, num_blocks=0, doubling_hidden=hidden)
        return sum(p.numel() for p in module.split_children.parameters())

    assert count(0) == 32 * 64 + 64
    assert count(48) == 32 * 48 + 48 + 48 * 64 + 64


def test_evaluation_usage_of_an_autoencoder_stays_below_its_ceiling() -> None:
    model = build("categorical", "prior").eval()
    usage = model.usage_accumulator()
    usage.add(model(*faces(3), generator=None).codes)
    assert usage.nats().shape == (PRESET.num_tokens,)
    assert (usage.nats() <= math.log(PRESET.channels)).all()
