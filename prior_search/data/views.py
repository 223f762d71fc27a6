"""What a batch is made of: frame pairs of one instance, or single frames; no instance twice."""

from __future__ import annotations

import numpy as np

from prior_search.data.tracks import ObjectTracks

VALIDATION_SEED = 2606_25232


def sample_pairs(
    tracks: ObjectTracks, split: str, num_pairs: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Frames of the first and of the second views, int64 [B] each.

    Raises:
        ValueError: the split has fewer instances than pairs, or an instance with a single frame.
    """
    start, count, chosen = _sample_instances(tracks, split, num_pairs, generator, "num_pairs")
    if count.min() < 2:
        raise ValueError(f"instance {chosen[count.argmin()]} has one frame; a pair needs two")
    first = (generator.random(num_pairs) * count).astype(np.int64)
    step = 1 + (generator.random(num_pairs) * (count - 1)).astype(np.int64)
    return start + first, start + (first + step) % count


def validation_pairs(tracks: ObjectTracks, num_pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """The same pairs at every call; as many as there are held-out instances, at most."""
    available = len(tracks.instances("validation"))
    generator = np.random.default_rng(VALIDATION_SEED)
    return sample_pairs(tracks, "validation", min(num_pairs, available), generator)


def sample_frames(
    tracks: ObjectTracks, split: str, num_frames: int, generator: np.random.Generator
) -> np.ndarray:
    """One frame of each of ``num_frames`` instances, int64.

    Raises:
        ValueError: the split has fewer instances than that.
    """
    start, count, _ = _sample_instances(tracks, split, num_frames, generator, "num_frames")
    return start + (generator.random(num_frames) * count).astype(np.int64)


def validation_frames(tracks: ObjectTracks, num_frames: int) -> np.ndarray:
    """The same frames at every call; as many as there are held-out instances, at most."""
    available = len(tracks.instances("validation"))
    generator = np.random.default_rng(VALIDATION_SEED)
    return sample_frames(tracks, "validation", min(num_frames, available), generator)


def _sample_instances(
    tracks: ObjectTracks, split: str, wanted: int, generator: np.random.Generator, name: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First frame, number of frames, and number of different instances."""
    instances = tracks.instances(split)
    if not 1 <= wanted <= len(instances):
        raise ValueError(
            f"{name} must be from 1 to the {len(instances)} {split} instances, got {wanted}"
        )
    chosen = generator.choice(instances, wanted, replace=False)
    return tracks.offsets[chosen], np.diff(tracks.offsets)[chosen], chosen
