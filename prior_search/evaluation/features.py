"""Frozen features: the frames of a split through a trained model, once, for all budgets.

Masks are off and tokens deterministic: the mean of a Gaussian, the most probable class, the
nearest code. The features of a budget are ``OrderedCodes.prefix``, flattened: the first tokens
of MBOP, the outputs of the first levels of PRIOR. MBOP's remaining tokens would be in the masked
state, which is the same for every frame in evaluation, so that a linear probe cannot see them.

F = frames, N = tokens, C = channels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from prior_search.data import FrameBatches, ObjectTracks
from prior_search.models import ModelUsage, OrderedModel

CHUNK = 256  # frames per forward pass
FRAMES_PER_INSTANCE = 8  # long tracks are thinned (ours): neighboring frames are near copies


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenFeatures:
    """What a model makes of the frames of one split.

    Attributes:
        tokens: float32 [F, N, C], coarse to fine.
        labels: int16 [F, 4], coarse to class; negative where a frame has no label.
        instance: int32 [F].
        budgets: the prefix lengths 1, 3, 7, ..., N.
    """

    tokens: np.ndarray
    labels: np.ndarray
    instance: np.ndarray
    budgets: tuple[int, ...]

    def prefix(self, budget: int) -> np.ndarray:
        """The first ``budget`` tokens of every frame side by side: [F, budget C].

        Raises:
            ValueError: a budget that is not among ``budgets``.
        """
        if budget not in self.budgets:
            raise ValueError(f"budget must be one of {self.budgets}, got {budget}")
        return self.tokens[:, :budget].reshape(len(self.tokens), -1)


def evaluated_frames(tracks: ObjectTracks, split: str, *, per_instance: int) -> np.ndarray:
    """Frames of a split, int64 ascending: at most ``per_instance`` of each, evenly spaced."""
    if per_instance < 1:
        raise ValueError(f"per_instance must be >= 1, got {per_instance}")
    instances = tracks.instances(split)
    starts, counts = tracks.offsets[instances], np.diff(tracks.offsets)[instances]
    numbers = np.minimum(counts, per_instance)
    k = np.arange(numbers.sum()) - np.repeat(np.cumsum(numbers) - numbers, numbers)
    return np.repeat(starts, numbers) + k * np.repeat(counts, numbers) // np.repeat(
        numbers, numbers
    )


@torch.no_grad()
def extract_features(
    model: OrderedModel,
    tracks: ObjectTracks,
    split: str,
    *,
    device: torch.device,
    usage: ModelUsage | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FrozenFeatures:
    """Run a model over a split, in evaluation mode.

    Args:
        model: on ``device``; its mode is restored afterwards.
        tracks: the data.
        split: ``train`` or ``validation``.
        device: where to compute; the result is on the host.
        usage: takes every batch for Eq. 8, so that one pass serves both.
        progress: called with (frames done, frames in all).

    Raises:
        ValueError: the split has no frame.
    """
    frames = evaluated_frames(tracks, split, per_instance=FRAMES_PER_INSTANCE)
    if len(frames) == 0:
        raise ValueError(f"the data has no {split} instance")
    batches = FrameBatches(tracks, device)
    tokens: list[np.ndarray] = []
    budgets: tuple[int, ...] = ()
    was_training = model.training
    model.eval()
    for start in range(0, len(frames), CHUNK):
        images, fovea = batches.gather(frames[start : start + CHUNK])
        codes = model.encode(images, fovea, generator=None).codes
        budgets = codes.budgets
        tokens.append(codes.prefix(codes.num_tokens).float().cpu().numpy())
        if usage is not None:
            usage.add(codes)
        if progress is not None:
            progress(min(start + CHUNK, len(frames)), len(frames))
    model.train(was_training)
    return FrozenFeatures(
        tokens=np.concatenate(tokens),
        labels=tracks.labels[frames],
        instance=tracks.instance[frames],
        budgets=budgets,
    )
