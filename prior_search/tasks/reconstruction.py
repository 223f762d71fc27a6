"""The reconstruction track: an autoencoder of single images (section 2.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from prior_search.data import ObjectTracks, sample_frames, validation_frames
from prior_search.evaluation import evaluated_outputs, quality_by_budget
from prior_search.models import (
    ModelOutput,
    OrderedModel,
    ReconstructionPreset,
    build_reconstruction_model,
)
from prior_search.objectives import LevelLoss, pixel_loss, reconstruction_loss
from prior_search.trial import Bottleneck, Family
from prior_search.weights import RegularizerWeights


@dataclass(frozen=True, slots=True)
class ReconstructionTask:
    """Mean absolute plus mean squared error of reconstructed pixels."""

    preset: ReconstructionPreset

    @property
    def instances_per_batch(self) -> int:
        """One per image."""
        return self.preset.batch_images

    @property
    def frames_per_batch(self) -> int:
        """Every image once."""
        return self.preset.batch_images

    def build_model(
        self, *, family: Family, bottleneck: Bottleneck, settings: Mapping[str, float]
    ) -> OrderedModel:
        """A wavelet-space encoder and decoders."""
        return build_reconstruction_model(
            family=family, bottleneck=bottleneck, preset=self.preset, settings=settings
        )

    def sample_frames(self, tracks: ObjectTracks, generator: np.random.Generator) -> np.ndarray:
        """One frame of each of as many instances as a batch has images."""
        return sample_frames(tracks, "train", self.preset.batch_images, generator)

    def views(
        self, images: Tensor, fovea: Tensor, *, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """The frames as they are."""
        return images, fovea

    def loss(self, output: ModelOutput, images: Tensor, weights: RegularizerWeights) -> LevelLoss:
        """Eq. 6 over the pixel loss of every level's decoder."""
        return reconstruction_loss(
            output.level_outputs, images.float() / 255.0, output.terms, weights
        )

    def validate(
        self, model: OrderedModel, tracks: ObjectTracks, device: torch.device
    ) -> dict[str, float]:
        """Pixel loss of the last level's decoder at full budget, masks off.

        **(ours)** The search minimizes on held-out images what training minimizes at full budget,
        as it does in the contrastive track; SSIM would reward what no decoder was trained for.
        Also ``information_nats``: Eq. 7 at full budget. The images are fixed, so that trials
        compare.
        """
        frames = validation_frames(tracks, self.preset.validation_images)
        usage = model.usage_accumulator()
        total = torch.zeros((), dtype=torch.float64, device=device)
        for output, images in evaluated_outputs(model, tracks, frames, device):
            mean = pixel_loss(output.level_outputs[-1], images.float() / 255.0)
            total += mean * len(images)
            usage.add(output.codes)
        return {
            "objective": float(total) / len(frames),
            "information_nats": float(usage.nats().sum()),
        }

    def final_metrics(
        self, model: OrderedModel, tracks: ObjectTracks, device: torch.device
    ) -> dict[str, float]:
        """Image quality at every budget, means over the held-out images: ``ssim_at_7`` etc."""
        frames = validation_frames(tracks, len(tracks.instances("validation")))
        quality = quality_by_budget(model, tracks, frames, device)
        return {
            f"{name}_at_{budget}": float(values.mean())
            for budget, metrics in quality.items()
            for name, values in metrics.items()
        }
