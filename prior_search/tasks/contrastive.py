"""The contrastive track: two frames of one instance are a positive pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from prior_search.data import ObjectTracks, sample_pairs, simclr_views, validation_pairs
from prior_search.evaluation import evaluated_outputs
from prior_search.models import ContrastivePreset, ModelOutput, OrderedModel, build_model
from prior_search.objectives import LevelLoss, contrastive_loss, nt_xent
from prior_search.trial import Bottleneck, Family
from prior_search.weights import RegularizerWeights


@dataclass(frozen=True, slots=True)
class ContrastiveTask:
    """NT-Xent between descriptors of two frames (Eq. 9)."""

    preset: ContrastivePreset

    @property
    def instances_per_batch(self) -> int:
        """One per pair."""
        return self.preset.pairs

    @property
    def frames_per_batch(self) -> int:
        """Two per pair."""
        return 2 * self.preset.pairs

    def build_model(
        self, *, family: Family, bottleneck: Bottleneck, settings: Mapping[str, float]
    ) -> OrderedModel:
        """A FLIP encoder and projection heads."""
        return build_model(
            family=family, bottleneck=bottleneck, preset=self.preset, settings=settings
        )

    def sample_frames(self, tracks: ObjectTracks, generator: np.random.Generator) -> np.ndarray:
        """First views, then their partners."""
        return np.concatenate(sample_pairs(tracks, "train", self.preset.pairs, generator))

    def views(
        self, images: Tensor, fovea: Tensor, *, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """The frames as they are, or recropped and recolored, as the preset says."""
        if self.preset.augmentation == "none":
            return images, fovea
        return simclr_views(images, fovea, generator=generator)

    def loss(self, output: ModelOutput, images: Tensor, weights: RegularizerWeights) -> LevelLoss:
        """Eq. 6 over NT-Xent of every level; the images themselves are not looked at."""
        return contrastive_loss(
            output.level_outputs, output.terms, weights, temperature=self.preset.temperature
        )

    def validate(
        self, model: OrderedModel, tracks: ObjectTracks, device: torch.device
    ) -> dict[str, float]:
        """Validation NT-Xent of the last level's head at full budget, masks off.

        Also ``information_nats``: Eq. 7 at full budget. Pairs are fixed, so that trials compare.
        """
        frames = np.concatenate(validation_pairs(tracks, self.preset.validation_pairs))
        usage = model.usage_accumulator()
        descriptors = []
        for output, _ in evaluated_outputs(model, tracks, frames, device):
            descriptors.append(output.level_outputs[-1].float())
            usage.add(output.codes)
        objective = nt_xent(torch.cat(descriptors), temperature=self.preset.temperature)
        return {"objective": float(objective), "information_nats": float(usage.nats().sum())}

    def final_metrics(
        self, model: OrderedModel, tracks: ObjectTracks, device: torch.device
    ) -> dict[str, float]:
        """None: probes are trained by ``prior-search evaluate``."""
        return {}
