from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from prior_search.data import ObjectTracks, open_tracks, write_tracks
from prior_search.data.shards import read_shard, row_checksums


def write(path: Path, *, levels: int = 0, frames: int = 6) -> None:
    rng = np.random.default_rng(0)
    write_tracks(
        path,
        images=rng.integers(0, 256, (frames, 3, 4, 4), dtype=np.uint8),
        fovea=rng.random((frames, 4), dtype=np.float32),
        instance=np.arange(frames, dtype=np.int32),
        labels=np.zeros((frames, levels), np.int16),
        is_validation=np.arange(frames) >= 4,
        level_names=["coarse", "mid", "fine", "class"][:levels],
        class_names=["a"] if levels else [],
        source="test",
    )


@pytest.mark.parametrize("levels", [0, 1, 4])
def test_a_set_has_as_many_levels_as_it_says(tmp_path: Path, levels: int) -> None:
    write(tmp_path / "a.arrow", levels=levels)
    tracks = open_tracks(tmp_path / "a.arrow")
    assert tracks.labels.shape == (6, levels)
    assert tracks.labels.dtype == np.int16
    assert len(tracks.level_names) == levels


def test_frames_outside_the_set_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.arrow")
    tracks = open_tracks(str(tmp_path / "a.arrow"))
    for frame in (-1, 6):
        with pytest.raises(IndexError, match="frames must be from 0 to 5"):
            tracks.gather(np.array([0, frame]))
    assert tracks.gather(np.array([], np.int64)).shape == (0, 3, 4, 4)


def test_gathering_over_shards_is_indexing_their_concatenation() -> None:
    rng = np.random.default_rng(0)
    blocks = tuple(rng.integers(0, 256, (n, 3, 2, 2), dtype=np.uint8) for n in (3, 1, 5))
    tracks = ObjectTracks(
        blocks=blocks,
        fovea=np.zeros((9, 4), np.float32),
        instance=np.arange(9, dtype=np.int32),
        labels=np.zeros((9, 0), np.int16),
        is_validation=np.zeros(9, bool),
        offsets=np.arange(10),
        level_names=(),
        class_names=(),
        source="test",
        fingerprint="",
    )
    for frames in (np.arange(9), rng.integers(0, 9, 50), np.array([8]), np.array([], np.int64)):
        gathered = tracks.gather(frames)
        np.testing.assert_array_equal(gathered, np.concatenate(blocks)[frames])
        assert gathered.flags.owndata


def test_many_open_shards_hold_no_descriptor(tmp_path: Path) -> None:
    write(tmp_path / "a.arrow")
    shards = [read_shard(tmp_path / "a.arrow") for _ in range(50)]
    links = list(Path("/proc/self/fd").iterdir())
    assert not [k for k in links if os.path.realpath(k).endswith("a.arrow")]
    assert all((shard.images == shards[0].images).all() for shard in shards)


def test_row_checksums_see_every_byte_of_every_column() -> None:
    rng = np.random.default_rng(0)
    columns = [rng.integers(0, 256, (5, 7), dtype=np.uint8), rng.random((5, 2)), np.arange(5)]
    checksums = row_checksums(*columns)
    assert checksums.dtype == np.uint32
    for number in range(len(columns)):
        changed = [np.array(c) for c in columns]
        changed[number][3] = changed[number][3] + 1
        assert np.flatnonzero(row_checksums(*changed) != checksums).tolist() == [3]
