"""Positive pairs: two frames of one instance; no instance twice in a batch."""

from __future__ import annotations

import numpy as np

from prior_search.data.shards import ObjectTracks

VALIDATION_SEED = 2606_25232


def sample_pairs(
    tracks: ObjectTracks, split: str, num_pairs: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Frames of the first and of the second views, int64 [B] each.

    Raises:
        ValueError: the split has fewer instances than pairs, or an instance with a single frame.
    """
    instances = tracks.instances(split)
    if not 1 <= num_pairs <= len(instances):
        raise ValueError(
            f"num_pairs must be from 1 to the {len(instances)} {split} instances, got {num_pairs}"
        )
    chosen = generator.choice(instances, num_pairs, replace=False)
    start, count = tracks.offsets[chosen], np.diff(tracks.offsets)[chosen]
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
