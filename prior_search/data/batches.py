"""Frames of a data set as tensors on one device, gathered by index."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from prior_search.data.tracks import ObjectTracks


class FrameBatches:
    """Gathers frames; copies to a CUDA device are pinned and do not wait.

    Args:
        tracks: the data set.
        device: where the tensors go.
    """

    def __init__(self, tracks: ObjectTracks, device: torch.device) -> None:
        self._tracks = tracks
        self._device = device

    def gather(self, frames: np.ndarray) -> tuple[Tensor, Tensor]:
        """Images uint8 [n, 3, H, W] and foveas float32 [n, 4] of the given frames."""
        return self._copy(self._tracks.gather(frames)), self._copy(self._tracks.fovea[frames])

    def _copy(self, array: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(array)
        if self._device.type == "cuda":
            return tensor.pin_memory().to(self._device, non_blocking=True)
        return tensor
