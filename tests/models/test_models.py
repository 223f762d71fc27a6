from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from prior_search.models import PRESETS, build_model, count_parameters, parameter_table
from prior_search.models.attention import FlipBlock
from prior_search.models.parameter_counts import COMPONENTS
from prior_search.models.patches import (
    FovealPatches,
    PatchEmbedding,
    crop_patches,
    place_patches,
    whitened,
)
from prior_search.models.predictors import Predictor
from prior_search.models.readout import pyramid_code
from prior_search.trial import BOTTLENECKS, FAMILIES

FOVEA = torch.tensor([[0.5, 0.5, 0.2, 0.2], [0.4, 0.6, 0.1, 0.3]])


@pytest.mark.parametrize(
    "row", parameter_table("paper"), ids=lambda r: f"{r['architecture']}-{r['family']}"
)
def test_the_paper_preset_matches_every_cell_of_table_two(row: dict[str, Any]) -> None:
    for name in COMPONENTS:
        published = row[f"{name}_published"]
        if published is None:
            assert row[name] == 0
        else:
            assert row[name] == pytest.approx(published, rel=0.01)


def test_blocks_and_embeddings_have_the_published_sizes() -> None:
    def count(module: torch.nn.Module) -> int:
        return sum(p.numel() for p in module.parameters())

    assert count(FlipBlock(128, 32, has_positions=True)) == 214_915
    assert count(FlipBlock(128, 32, has_positions=False)) == 198_787
    sizes = [count(PatchEmbedding(size, 128)) for size in (1, 2, 4, 8, 16, 32)]
    assert sizes == [67_712, 72_320, 90_752, 328_736, 329_888, 334_016]


def test_null_states_are_not_counted_as_codes() -> None:
    model = build_model(family="ema_vq", bottleneck="td", preset=PRESETS["tiny"], settings={})
    preset = PRESETS["tiny"]
    expected = preset.num_tokens * (preset.mbop_states - 1) * preset.channels
    assert count_parameters(model)["ema"] == expected


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("bottleneck", BOTTLENECKS)
def test_every_model_gives_descriptors_codes_terms_and_gradients(
    family: Any, bottleneck: Any
) -> None:
    torch.manual_seed(0)
    preset = PRESETS["tiny"]
    model = build_model(family=family, bottleneck=bottleneck, preset=preset, settings={})
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    output = model(images, FOVEA, generator=torch.Generator().manual_seed(0))
    assert len(output.level_outputs) == (preset.num_levels if bottleneck == "prior" else 1)
    assert output.level_outputs[-1].shape == (2, preset.descriptor_size)
    assert output.codes.prefix(3).shape == (2, 3, preset.channels)
    assert ("prediction" in output.terms) == (bottleneck == "prior")
    loss = sum(h.square().sum() for h in output.level_outputs) + sum(output.terms.values())
    loss.backward()
    gradients = [p.grad for p in model.parameters()]
    assert all(g is None or g.isfinite().all() for g in gradients)
    unused = [n for n, p in model.named_parameters() if p.grad is None]
    assert not unused


def test_evaluation_is_deterministic_and_training_is_not() -> None:
    model = build_model(family="gaussian", bottleneck="prior", preset=PRESETS["tiny"], settings={})
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))

    def descriptor(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return model(images, FOVEA, generator=generator).level_outputs[-1]

    assert not torch.equal(descriptor(0), descriptor(1))
    assert torch.equal(descriptor(0), descriptor(0))
    model.eval()
    assert torch.equal(descriptor(0), descriptor(1))


def test_usage_of_a_data_set_covers_every_token() -> None:
    for bottleneck in BOTTLENECKS:
        preset = PRESETS["tiny"]
        model = build_model(
            family="categorical", bottleneck=bottleneck, preset=preset, settings={}
        ).eval()
        usage = model.usage_accumulator()
        for seed in range(2):
            images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
            usage.add(model(images, FOVEA, generator=None).codes)
        assert usage.nats().shape == (preset.num_tokens,)
        assert (usage.nats() <= math.log(preset.channels)).all()


def test_an_unknown_setting_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match=r"unknown settings \['kapa'\]; gaussian has \['kappa'\]"):
        build_model(
            family="gaussian", bottleneck="td", preset=PRESETS["tiny"], settings={"kapa": 1.0}
        )


def test_a_crop_at_a_pixel_grid_is_the_pixels_themselves() -> None:
    images = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    centers = torch.tensor([[[6 / 16, 10 / 16]]])  # x, y: columns 4..7, rows 8..11
    crop = crop_patches(images, centers, 4)[0, 0]
    torch.testing.assert_close(crop, images[0, :, 8:12, 4:8])


def test_a_crop_between_pixels_is_bilinear() -> None:
    images = torch.zeros(1, 3, 8, 8)
    images[:, :, 4, 4] = 1.0
    crop = crop_patches(images, torch.tensor([[[5.0 / 8, 4.5 / 8]]]), 1)
    assert crop.flatten().tolist() == pytest.approx([0.5] * 3)


def test_patches_stay_in_the_image_and_gather_around_the_object() -> None:
    points = torch.randn(2, 4000, 2, generator=torch.Generator().manual_seed(0))
    centers = place_patches(FOVEA, points, margin=0.1)
    assert centers.min() >= 0.1
    assert centers.max() <= 0.9
    narrow = torch.tensor([[0.5, 0.5, 0.05, 0.02]])
    centers = place_patches(narrow, points[:1], margin=0.1)
    torch.testing.assert_close(centers.std(1), narrow[:, 2:], rtol=0.1, atol=0)


def test_whitened_coordinates_have_the_values_by_hand() -> None:
    fovea = torch.tensor([[0.25, 0.5, 0.5, 0.25]])
    centers = torch.tensor([[[0.5, 0.75], [0.25, 0.5], [0.25, 9.0]]])
    assert whitened(centers, fovea)[0].tolist() == [[0.5, 1.0], [0.0, 0.0], [0.0, 5.0]]


def test_small_patches_lie_closer_to_the_center_than_large_ones() -> None:
    patches = FovealPatches({4: 512, 8: 512}, 8).train()
    fovea = torch.tensor([[0.5, 0.5, 0.05, 0.05]])
    images = torch.zeros(1, 3, 32, 32)
    _, place = patches(images, fovea, generator=torch.Generator().manual_seed(0))
    small, large = place[0].split(512)
    assert small.std() < 0.8 * large.std()


def test_children_of_a_token_follow_each_other() -> None:
    predictor = Predictor(4, 32, head_size=32, num_blocks=0)
    parents = torch.randn(1, 2, 32, generator=torch.Generator().manual_seed(0))
    before = predictor(parents)
    parents[0, 1] += 1.0
    changed = (predictor(parents) != before).any(-1)[0]
    assert changed.tolist() == [False, False, True, True]


def test_pyramid_codes_tell_all_tokens_apart() -> None:
    code = pyramid_code(127)
    distance = torch.cdist(code, code) + 10 * torch.eye(127)
    assert distance.min() > 0.05
