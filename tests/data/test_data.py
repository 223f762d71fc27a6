from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prior_search.data import open_tracks, sample_pairs, validation_pairs, write_tracks
from prior_search.data.objects import VIEWS, render_class
from prior_search.data.rendering import Part, camera, cast
from prior_search.data.taxonomy import LEVELS, object_classes
from prior_search.errors import RequestError


def small_set() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    instance = np.repeat(np.arange(10, dtype=np.int32), 4)
    return {
        "images": rng.integers(0, 256, (40, 3, 8, 8), dtype=np.uint8),
        "fovea": rng.random((40, 4), dtype=np.float32),
        "instance": instance,
        "labels": np.stack([instance % k for k in (1, 2, 3, 5)], 1).astype(np.int16),
        "is_validation": instance % 5 == 0,
        "level_names": LEVELS,
        "class_names": list("abcde"),
        "source": "test",
    }


def test_a_written_set_comes_back_equal(tmp_path: Path) -> None:
    data = small_set()
    write_tracks(tmp_path / "a.arrow", **data)
    tracks = open_tracks(tmp_path / "a.arrow")
    np.testing.assert_array_equal(tracks.gather(np.arange(40)), data["images"])
    for name in ("fovea", "instance", "labels", "is_validation"):
        np.testing.assert_array_equal(getattr(tracks, name), data[name])
    assert tracks.offsets.tolist() == list(range(0, 41, 4))
    assert tracks.instances("validation").tolist() == [0, 5]
    assert not list(tmp_path.glob("*.partial"))


def test_images_are_views_of_the_mapped_file(tmp_path: Path) -> None:
    write_tracks(tmp_path / "a.arrow", **small_set())
    (images,) = open_tracks(tmp_path / "a.arrow").blocks
    assert not images.flags.owndata
    assert not images.flags.writeable


def test_the_fingerprint_follows_the_content(tmp_path: Path) -> None:
    data = small_set()
    write_tracks(tmp_path / "a.arrow", **data)
    write_tracks(tmp_path / "b.arrow", **data)
    data["images"][39, 2, 7, 7] ^= 1
    write_tracks(tmp_path / "c.arrow", **data)
    prints = [open_tracks(tmp_path / f"{name}.arrow").fingerprint for name in "abc"]
    assert prints[0] == prints[1] != prints[2]


def test_files_that_are_no_tracks_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"cannot read object tracks from .*missing\.arrow"):
        open_tracks(tmp_path / "missing.arrow")
    (tmp_path / "text.arrow").write_text("hello" * 100)
    with pytest.raises(RequestError, match=r"cannot read object tracks from .*text\.arrow"):
        open_tracks(tmp_path / "text.arrow")
    write_tracks(tmp_path / "a.arrow", **small_set())
    content = (tmp_path / "a.arrow").read_bytes()
    (tmp_path / "cut.arrow").write_bytes(content[: len(content) // 2])
    with pytest.raises(RequestError, match=r"cannot read object tracks from .*cut\.arrow"):
        open_tracks(tmp_path / "cut.arrow")


def test_instances_out_of_order_are_refused(tmp_path: Path) -> None:
    data = small_set()
    data["instance"] = data["instance"][::-1].copy()
    write_tracks(tmp_path / "a.arrow", **data)
    with pytest.raises(RequestError, match="instances must be numbered 0, 1, "):
        open_tracks(tmp_path / "a.arrow")


def test_pairs_are_two_frames_of_one_instance_and_never_cross_the_split(tmp_path: Path) -> None:
    write_tracks(tmp_path / "a.arrow", **small_set())
    tracks = open_tracks(tmp_path / "a.arrow")
    generator = np.random.default_rng(0)
    for _ in range(200):
        first, second = sample_pairs(tracks, "train", 6, generator)
        assert (tracks.instance[first] == tracks.instance[second]).all()
        assert (first != second).all()
        assert len(set(tracks.instance[first])) == 6
        assert not tracks.is_validation[first].any()
    first, _ = validation_pairs(tracks, 300)
    assert sorted(tracks.instance[first]) == [0, 5]
    assert all(
        np.array_equal(*pair)
        for pair in zip(validation_pairs(tracks, 300), validation_pairs(tracks, 300), strict=True)
    )


def test_more_pairs_than_instances_are_refused(tmp_path: Path) -> None:
    write_tracks(tmp_path / "a.arrow", **small_set())
    tracks = open_tracks(tmp_path / "a.arrow")
    with pytest.raises(ValueError, match="from 1 to the 8 train instances, got 9"):
        sample_pairs(tracks, "train", 9, np.random.default_rng(0))


def test_an_instance_with_one_frame_has_no_pair(tmp_path: Path) -> None:
    write_tracks(tmp_path / "a.arrow", **small_set())
    tracks = open_tracks(tmp_path / "a.arrow")
    single = dataclasses.replace(
        tracks, offsets=np.array([0, 1, 40]), is_validation=np.zeros(40, bool)
    )
    with pytest.raises(ValueError, match="instance 0 has one frame"):
        sample_pairs(single, "train", 2, np.random.default_rng(0))


def test_the_taxonomy_is_a_tree_of_four_levels() -> None:
    classes = object_classes()
    assert [len({c.labels[level] for c in classes}) for level in range(4)] == [4, 10, 24, 72]
    for level in range(3):  # a label decides all coarser ones
        parents = {(c.labels[level + 1], c.labels[level]) for c in classes}
        assert len(parents) == len({c.labels[level + 1] for c in classes})
    assert len({c.name for c in classes}) == 72


def test_rendering_is_deterministic_and_views_differ() -> None:
    kind = object_classes()[40]
    images, fovea = render_class(kind, seed=3, image_size=16)
    again, _ = render_class(kind, seed=3, image_size=16)
    other, _ = render_class(kind, seed=4, image_size=16)
    assert np.array_equal(images, again)
    assert not np.array_equal(images, other)
    assert not np.array_equal(images[0], images[1])
    assert len(images) == 21 * VIEWS
    assert ((fovea[:, :2] > 0.1) & (fovea[:, :2] < 0.9)).all()
    assert (fovea[:, 2:] >= 0.05).all()


@pytest.mark.parametrize("primitive", ["ellipsoid", "box", "cylinder", "cone"])
def test_rays_meet_a_primitive_where_its_equation_says(primitive: str) -> None:
    inside = {
        "ellipsoid": lambda p: (p**2).sum(-1) <= 1,
        "box": lambda p: (np.abs(p) <= 1).all(-1),
        "cylinder": lambda p: ((p[..., :2] ** 2).sum(-1) <= 1) & (np.abs(p[..., 2]) <= 1),
        "cone": lambda p: (
            (np.hypot(p[..., 0], p[..., 1]) <= (1 - p[..., 2]) / 2) & (np.abs(p[..., 2]) <= 1)
        ),
    }[primitive]
    rng = np.random.default_rng(0)
    radii = np.array([[0.7, 0.5, 0.9]], np.float32)
    offset = np.array([[0.1, -0.2, 0.3]], np.float32)
    for azimuth, elevation in ((0.3, 0.3), (2.0, 0.9), (4.0, 1.3)):
        right, up, forward = camera(np.array([azimuth]), np.array([elevation]))
        uv = rng.uniform(-1.2, 1.2, (1, 300, 2)).astype(np.float32)
        origin = uv[..., :1] * right[:, None] + uv[..., 1:] * up[:, None] - 5 * forward[:, None]
        hit, position, normal, _ = cast([Part(primitive, radii, offset)], origin, forward[:, None])
        steps = np.arange(3.0, 7.0, 0.002)[:, None]  # march along each ray
        for ray in range(300):
            points = origin[0, ray] + steps * forward[0]
            within = inside((points - offset[0]) / radii[0])
            if within.sum() > 5:
                assert hit[0, ray]
                assert np.abs(points[within.argmax()] - position[0, ray]).max() < 0.01
                assert (normal[0, ray] * forward[0]).sum() < 1e-3  # faces the camera
            elif within.sum() == 0:
                assert not hit[0, ray] or np.abs(position[0, ray]).max() < 3
