from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from prior_search.data import (
    faces,
    open_tracks,
    sample_frames,
    validation_frames,
    write_tracks,
)
from prior_search.data.face_painting import Canvas, ellipse, soft
from prior_search.data.faces import FACES_PER_PART, render_faces


@pytest.fixture(scope="module")
def some() -> np.ndarray:
    return render_faces(0, seed=0, image_size=32)[0]


def test_a_seed_decides_every_pixel(some: np.ndarray) -> None:
    images, fovea = render_faces(0, seed=0, image_size=32)
    assert images.shape == (FACES_PER_PART, 3, 32, 32)
    assert images.dtype == np.uint8
    assert fovea.shape == (FACES_PER_PART, 4)
    np.testing.assert_array_equal(images, some)
    assert (render_faces(0, seed=1, image_size=32)[0] != some).any()
    assert (render_faces(1, seed=0, image_size=32)[0] != some).any()


def test_no_two_faces_are_alike(some: np.ndarray) -> None:
    flat = some.reshape(len(some), -1).astype(float)
    distance = np.abs(flat[:, None] - flat[None]).mean(-1) + 255 * np.eye(len(flat))
    assert distance.min() > 5


def test_every_scale_holds_structure_and_coarse_scales_hold_more(some: np.ndarray) -> None:
    images = some / 255.0
    energy = []
    for _ in range(5):  # details between 1 and 2 pixels, 2 and 4, ...
        side = images.shape[-1] // 2
        coarse = images.reshape(len(images), 3, side, 2, side, 2).mean((3, 5))
        energy.append(np.square(images - coarse.repeat(2, 2).repeat(2, 3)).mean())
        images = coarse
    assert min(energy) > 5e-4
    assert energy[0] < energy[2]


def test_the_fovea_is_where_the_skin_is() -> None:
    images, fovea = render_faces(3, seed=0, image_size=64)
    for image, (x, y, sx, sy) in zip(images, fovea, strict=True):
        assert 0.4 < x < 0.6
        assert 0.4 < y < 0.6
        assert 0.05 < sx < sy < 0.25
        column, row = round(64 * float(x)), round(64 * float(y + 0.3 * sy))
        red, _, blue = image[:, row, column].astype(int)
        assert red > blue  # skin of every tone


def test_the_set_is_made_once_and_splits_by_face(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faces, "NUM_PARTS", 2)
    monkeypatch.setattr(faces, "NUM_FACES", 2 * FACES_PER_PART)
    path = faces.embedded_faces(tmp_path, image_size=16, num_processes=1)
    stamp = path.stat().st_mtime_ns
    assert faces.embedded_faces(tmp_path, image_size=16) == path
    assert path.stat().st_mtime_ns == stamp
    tracks = open_tracks(path)
    assert tracks.labels.shape == (100, 0)
    assert tracks.level_names == ()
    assert len(tracks.instances("train")) == 86
    np.testing.assert_array_equal(tracks.offsets, np.arange(101))


def test_frames_come_from_different_instances_of_the_split(tracks_path: Path) -> None:
    tracks = open_tracks(tracks_path)
    frames = sample_frames(tracks, "train", 52, np.random.default_rng(0))
    assert sorted(tracks.instance[frames]) == list(range(8, 60))
    assert len(set(frames % 2)) == 2  # either frame of an instance
    held_out = validation_frames(tracks, 100)
    assert sorted(tracks.instance[held_out]) == list(range(8))
    np.testing.assert_array_equal(held_out, validation_frames(tracks, 100))
    with pytest.raises(ValueError, match="num_frames must be from 1 to the 52 train instances"):
        sample_frames(tracks, "train", 53, np.random.default_rng(0))


def test_a_set_without_a_taxonomy_comes_back_without_levels(tmp_path: Path) -> None:
    write_tracks(
        tmp_path / "a.arrow",
        images=np.zeros((2, 3, 4, 4), np.uint8),
        fovea=np.zeros((2, 4), np.float32),
        instance=np.arange(2, dtype=np.int32),
        labels=np.zeros((2, 0), np.int16),
        is_validation=np.array([True, False]),
        level_names=(),
        class_names=(),
        source="two",
    )
    tracks = open_tracks(tmp_path / "a.arrow")
    assert tracks.labels.shape == (2, 0)
    assert tracks.labels.dtype == np.int16


def test_paint_covers_inside_keeps_outside_and_blends_at_the_edge() -> None:
    canvas = Canvas(np.zeros((1, 3, 3), np.float32), feather=0.2)
    canvas.paint(np.array([[-1.0, 0.0, 1.0]]), np.ones(3, np.float32), 0.5)
    assert canvas.image[0, :, 0].tolist() == [0.5, 0.25, 0.0]
    assert soft(np.array([-9.0, 9.0]), 0.1).tolist() == [1.0, 0.0]
    points = ellipse(np.array([0.0, 2.0, 4.0]), np.zeros(3), 2.0, 1.0)
    assert points.tolist() == [-1.0, 0.0, 1.0]
