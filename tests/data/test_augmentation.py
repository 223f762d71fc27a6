from __future__ import annotations

import colorsys

import pytest
import torch

from prior_search.data.augmentation import (
    CROP_AREA,
    CROP_RATIO,
    crop,
    flip,
    gray,
    jitter,
    place_crops,
    simclr_views,
    turn_hue,
)


def random_images(count: int = 4, side: int = 8) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def blob(center_x: float, center_y: float, sigma: float, side: int = 64) -> torch.Tensor:
    """A white Gaussian on black, uint8 [1, 3, side, side]."""
    axis = (torch.arange(side) + 0.5) / side
    square = (axis[None, :] - center_x) ** 2 + (axis[:, None] - center_y) ** 2
    return (255 * (-square / (2 * sigma**2)).exp()).round().to(torch.uint8).expand(1, 3, -1, -1)


def moments(image: torch.Tensor) -> tuple[float, float]:
    """Center of brightness, x and y, of [3, H, W]."""
    weight = image.sum(0) / image.sum()
    axis = (torch.arange(image.shape[-1]) + 0.5) / image.shape[-1]
    return float((weight.sum(0) * axis).sum()), float((weight.sum(1) * axis).sum())


def test_a_crop_agrees_with_bilinear_interpolation_in_loops() -> None:
    images = random_images(1, 6)
    corner, size = torch.tensor([[0.2, 0.1]]), torch.tensor([[0.5, 0.8]])
    found, _ = crop(images, torch.tensor([[0.5, 0.5, 0.1, 0.1]]), corner, size)

    def at(channel: int, x: float, y: float) -> float:
        """The image at a place in units of pixels, 0.5 being the first center."""
        x, y = min(max(x - 0.5, 0.0), 5.0), min(max(y - 0.5, 0.0), 5.0)
        left, top = min(int(x), 4), min(int(y), 4)
        dx, dy = x - left, y - top
        p = images[0, channel].tolist()
        upper = (1 - dx) * p[top][left] + dx * p[top][left + 1]
        lower = (1 - dx) * p[top + 1][left] + dx * p[top + 1][left + 1]
        return (1 - dy) * upper + dy * lower

    for channel in range(3):
        for row in range(6):
            for column in range(6):
                x = 6 * (0.2 + 0.5 * (column + 0.5) / 6)
                y = 6 * (0.1 + 0.8 * (row + 0.5) / 6)
                expected = at(channel, x, y)
                assert float(found[0, channel, row, column]) == pytest.approx(expected, abs=1e-5)


def test_the_whole_image_as_its_crop_changes_nothing() -> None:
    images, fovea = random_images(), torch.rand(4, 4)
    found, moved = crop(images, fovea, torch.zeros(4, 2), torch.ones(4, 2))
    torch.testing.assert_close(found, images, atol=1e-5, rtol=0)
    torch.testing.assert_close(moved, fovea)


def test_crops_hold_the_center_of_the_fovea_and_stay_in_the_image() -> None:
    generator = torch.Generator().manual_seed(0)
    fovea = torch.rand(20_000, 4, generator=generator)
    area, ratio = torch.rand(2, 20_000, generator=generator)
    place = torch.rand(20_000, 2, generator=generator)
    corner, size = place_crops(fovea, area=area, ratio=ratio, place=place)
    assert (corner >= 0).all()
    assert (corner + size <= 1 + 1e-6).all()
    assert (corner <= fovea[:, :2] + 1e-6).all()
    assert (fovea[:, :2] <= corner + size + 1e-6).all()
    inside = (size < 1).all(1)  # not clipped
    shares, ratios = size.prod(1)[inside], (size[:, 0] / size[:, 1])[inside]
    assert CROP_AREA[0] - 1e-6 <= float(shares.min())
    assert CROP_RATIO[0] - 1e-5 <= float(ratios.min())
    assert float(ratios.max()) <= CROP_RATIO[1] + 1e-5


def test_flipping_mirrors_pixels_and_foveas_of_the_chosen_samples_only() -> None:
    images, fovea = random_images(2), torch.tensor([[0.2, 0.3, 0.1, 0.2]] * 2)
    found, moved = flip(images, fovea, torch.tensor([True, False]))
    for column in range(8):
        torch.testing.assert_close(found[0, :, :, column], images[0, :, :, 7 - column])
    assert torch.equal(found[1], images[1])
    assert moved.flatten().tolist() == pytest.approx([0.8, 0.3, 0.1, 0.2, 0.2, 0.3, 0.1, 0.2])


def test_brightness_contrast_and_saturation_agree_with_loops() -> None:
    images, one, none = random_images(1, 4), torch.ones(1), torch.zeros(1)
    pixels = images[0].permute(1, 2, 0).reshape(-1, 3).tolist()
    luma = [0.299 * r + 0.587 * g + 0.114 * b for r, g, b in pixels]
    mean = sum(luma) / len(luma)

    def clip(value: float) -> float:
        return min(max(value, 0.0), 1.0)

    factor = torch.tensor([1.6])
    for name, expected in (
        ("brightness", [[clip(1.6 * c) for c in p] for p in pixels]),
        ("contrast", [[clip(1.6 * c - 0.6 * mean) for c in p] for p in pixels]),
        (
            "saturation",
            [[clip(1.6 * c - 0.6 * y) for c in p] for p, y in zip(pixels, luma, strict=True)],
        ),
    ):
        factors = {"brightness": one, "contrast": one, "saturation": one, name: factor}
        found = jitter(images, hue=none, **factors)[0].permute(1, 2, 0).reshape(-1, 3)
        torch.testing.assert_close(found, torch.tensor(expected), atol=1e-5, rtol=0)


@pytest.mark.parametrize("turn", [0.0, 0.13, -0.2, 0.5])
def test_the_hue_turns_as_colorsys_says(turn: float) -> None:
    special = torch.tensor([[0, 0, 0], [1, 1, 1], [0.5, 0.5, 0.5], [1, 0, 0], [0, 1, 1.0]])
    colors = torch.cat([random_images(1, 4)[0].flatten(1).T, special])  # [21, 3]
    found = turn_hue(colors.T.reshape(1, 3, 1, -1), torch.tensor([turn]))[0, :, 0].T
    for before, after in zip(colors.tolist(), found.tolist(), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*before)
        expected = colorsys.hsv_to_rgb((hue + turn) % 1.0, saturation, value)
        assert after == pytest.approx(expected, abs=1e-5)


def test_gray_is_the_luma() -> None:
    assert float(gray(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1))) == pytest.approx(0.299)
    assert float(gray(torch.ones(1, 3, 1, 1))) == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(8))
def test_an_object_stays_under_its_fovea(seed: int) -> None:
    """Far from edges, so that no crop cuts it: its brightness is centered where the fovea is."""
    images, fovea = blob(0.45, 0.55, 0.02), torch.tensor([[0.45, 0.55, 0.02, 0.02]])
    generator = torch.Generator().manual_seed(seed)
    u = torch.rand(4, 1, generator=generator)
    corner, size = place_crops(fovea, area=u[0], ratio=u[1], place=torch.full((1, 2), 0.5))
    views, moved = crop(images.float() / 255, fovea, corner, size)
    views, moved = flip(views, moved, torch.tensor([bool(seed % 2)]))
    assert moments(views[0]) == pytest.approx(moved[0, :2].tolist(), abs=0.01)
    assert moved[0, 2:].tolist() == pytest.approx((0.02 / size[0]).tolist())


def test_views_follow_the_generator_and_stay_colors() -> None:
    images = (255 * random_images(32)).to(torch.uint8)
    fovea = torch.tensor([[0.5, 0.5, 0.2, 0.2]]).expand(32, -1)
    first, second, other = (
        simclr_views(images, fovea, generator=torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    )
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0], other[0])
    assert ((first[0] >= 0) & (first[0] <= 1)).all()
    assert ((first[1][:, :2] >= 0) & (first[1][:, :2] <= 1)).all()
    assert images.dtype == torch.uint8  # what was given is as it was


def test_each_transform_acts_as_often_as_published() -> None:
    count = 4000
    images = (
        torch.tensor([200, 100, 50], dtype=torch.uint8).view(1, 3, 1, 1).expand(count, 3, 2, 2)
    )
    fovea = torch.tensor([[0.25, 0.5, 0.2, 0.2]]).expand(count, -1)
    views, _ = simclr_views(images, fovea, generator=torch.Generator().manual_seed(0))
    is_gray = (views.amax(1) - views.amin(1)).amax((1, 2)) < 1e-6
    same = (views - images / 255.0).abs().amax((1, 2, 3)) < 1e-5
    five_sigma = 5 * (0.25 / count) ** 0.5
    assert float(same.float().mean()) == pytest.approx(0.2 * 0.8, abs=five_sigma)
    assert float(is_gray.float().mean()) == pytest.approx(0.2, abs=five_sigma)


def test_wrong_images_and_foveas_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"images must be uint8 \[B, 3, H, W\], got torch.float32"
    ):
        simclr_views(torch.zeros(2, 3, 4, 4), torch.zeros(2, 4), generator=None)
    with pytest.raises(ValueError, match=r"fovea must be \[2, 4\], got \[1, 4\]"):
        simclr_views(torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(1, 4), generator=None)
