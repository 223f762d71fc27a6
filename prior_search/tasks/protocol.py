"""What the training loop asks of a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from prior_search.data import ObjectTracks
from prior_search.models import ModelOutput, ModelPreset, OrderedModel
from prior_search.objectives import LevelLoss
from prior_search.trial import Bottleneck, Family
from prior_search.weights import RegularizerWeights


class TrainingTask(Protocol):
    """Model, batches, loss and validation of a track at one preset; holds no state of a run."""

    @property
    def preset(self) -> ModelPreset:
        """Sizes and training recipe."""

    @property
    def instances_per_batch(self) -> int:
        """Different instances that a training batch needs."""

    @property
    def frames_per_batch(self) -> int:
        """Images that a training batch has."""

    def build_model(
        self, *, family: Family, bottleneck: Bottleneck, settings: Mapping[str, float]
    ) -> OrderedModel:
        """A freshly initialized model; draws from torch's global generator."""

    def sample_frames(self, tracks: ObjectTracks, generator: np.random.Generator) -> np.ndarray:
        """Frames of one training batch, int64 [``frames_per_batch``]."""

    def views(
        self, images: Tensor, fovea: Tensor, *, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """Frames as the model sees them in training, from uint8 [n, 3, H, W] and [n, 4]."""

    def loss(self, output: ModelOutput, images: Tensor, weights: RegularizerWeights) -> LevelLoss:
        """Loss of what the model made of uint8 images [n, 3, H, W]."""

    def validate(
        self, model: OrderedModel, tracks: ObjectTracks, device: torch.device
    ) -> dict[str, float]:
        """``objective``, to be minimized, and further metrics; masks off, always the same data."""

    def final_metrics(
        self, model: OrderedModel, tracks: ObjectTracks, device: torch.device
    ) -> dict[str, float]:
        """What only a finished final training is asked for, by name, over the validation split."""
