"""Frames through a model in evaluation mode, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from prior_search.data import FrameBatches, ObjectTracks
from prior_search.models import ModelOutput, OrderedModel

CHUNK = 256  # frames per forward pass


def evaluated_outputs(
    model: OrderedModel, tracks: ObjectTracks, frames: np.ndarray, device: torch.device
) -> Iterator[tuple[ModelOutput, Tensor]]:
    """Outputs, masks and sampling off, with the uint8 images [n, 3, H, W] that they are of.

    The model's mode is restored when the iterator is exhausted or closed.
    """
    batches = FrameBatches(tracks, device)
    was_training = model.training
    model.eval()
    try:
        for start in range(0, len(frames), CHUNK):
            images, fovea = batches.gather(frames[start : start + CHUNK])
            with torch.no_grad():
                output = model(images, fovea, generator=None)
            yield output, images
    finally:
        model.train(was_training)
