"""Encoder, bottleneck and heads put together, from the names of a trial.

B = samples, N = tokens, C = channels, D = descriptor size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prior_search.bottlenecks import (
    BottleneckOutput,
    MbopBottleneck,
    OrderedCodes,
    PriorBottleneck,
    level_sizes,
)
from prior_search.models.flip import FlipEncoder
from prior_search.models.heads import ProjectionHead
from prior_search.models.predictors import Predictor
from prior_search.models.presets import ContrastivePreset, ModelPreset, ReconstructionPreset
from prior_search.models.wavelet_vit import WaveletDecoder, WaveletEncoder
from prior_search.tokens import CategoricalTokens, EmaVqTokens, GaussianTokens, TokenFamily
from prior_search.trial import BOTTLENECKS, Bottleneck, Family

DEFAULT_SETTINGS: dict[Family, dict[str, float]] = {
    "gaussian": {"kappa": 0.5},
    "categorical": {"temperature": 0.2},
    "ema_vq": {"decay": 0.99},
}


@dataclass(frozen=True, slots=True)
class ModelOutput:
    """What each level's head makes, coarse to fine; codes; unweighted regularizer terms."""

    level_outputs: tuple[Tensor, ...]
    codes: OrderedCodes
    terms: Mapping[str, Tensor]


class ModelUsage:
    """Eq. 8 per token over a data set, coarse to fine."""

    def __init__(self, families: Sequence[TokenFamily]) -> None:
        self._levels = [family.usage_accumulator() for family in families]

    def add(self, codes: OrderedCodes) -> None:
        """Take one batch."""
        for accumulator, usage in zip(self._levels, codes.usage, strict=True):
            accumulator.add(usage)

    def nats(self) -> Tensor:
        """b(u) for every token, float64 [N], in nats."""
        return torch.cat([accumulator.nats() for accumulator in self._levels])


class OrderedModel(nn.Module):
    """An encoder behind which everything passes an ordered bottleneck.

    Args:
        encoder: images and foveas to features [B, N, C].
        bottleneck: features to codes.
        heads: one per level: projections to descriptors, or decoders to images.
    """

    def __init__(
        self,
        encoder: FlipEncoder | WaveletEncoder,
        bottleneck: MbopBottleneck | PriorBottleneck,
        heads: Sequence[ProjectionHead] | Sequence[WaveletDecoder],
    ) -> None:
        super().__init__()
        self.encoder, self.bottleneck = encoder, bottleneck
        self.heads = nn.ModuleList(heads)

    def encode(
        self, images: Tensor, fovea: Tensor, *, generator: torch.Generator | None
    ) -> BottleneckOutput:
        """Codes of images [B, 3, H, W] (uint8, or float in [0, 1]) and foveas [B, 4]."""
        if images.dtype == torch.uint8:
            images = images.float() / 255.0
        features = self.encoder(images, fovea, generator=generator)
        # Parameter-free norm **(ours)**: commitment and prediction terms cannot be won by
        # shrinking the encoder's output.
        features = F.layer_norm(features, features.shape[-1:])
        return self.bottleneck(features, generator=generator)

    def forward(
        self, images: Tensor, fovea: Tensor, *, generator: torch.Generator | None
    ) -> ModelOutput:
        """Codes and the outputs of heads; masks and sampling act in training mode only."""
        encoded = self.encode(images, fovea, generator=generator)
        level_outputs = tuple(
            head(level) for head, level in zip(self.heads, encoded.codes.levels, strict=True)
        )
        return ModelOutput(level_outputs=level_outputs, codes=encoded.codes, terms=encoded.terms)

    def output_at(self, codes: OrderedCodes, budget: int) -> Tensor:
        """What the model makes of the first ``budget`` tokens alone.

        PRIOR: the head of the level that ends there; MBOP: its head on the prefix, the rest in the
        masked state.

        Raises:
            ValueError: a budget that is not among ``codes.budgets``.
        """
        level, tokens = self.bottleneck.at_budget(codes, budget)
        return self.heads[level](tokens)

    def usage_accumulator(self) -> ModelUsage:
        """A fresh accumulator of effective information (Eq. 7, 8)."""
        return ModelUsage(self.bottleneck.families)


def _is_prior(bottleneck: Bottleneck) -> bool:
    if bottleneck not in BOTTLENECKS:
        raise ValueError(f"bottleneck must be one of {', '.join(BOTTLENECKS)}, got {bottleneck!r}")
    return bottleneck == "prior"


def build_model(
    *,
    family: Family,
    bottleneck: Bottleneck,
    preset: ContrastivePreset,
    settings: Mapping[str, float],
) -> OrderedModel:
    """A freshly initialized contrastive model; draws from torch's global generator.

    Raises:
        ValueError: an unknown family, bottleneck or setting.
    """
    is_prior = _is_prior(bottleneck)
    encoder = FlipEncoder(
        patches=dict(preset.patches),
        channels=preset.channels,
        head_size=preset.head_size,
        num_blocks=preset.encoder_blocks,
        num_registers=preset.num_registers,
        num_tokens=preset.num_tokens,
        is_pyramidal=is_prior,
    )
    sizes = level_sizes(preset.num_levels)
    num_heads = len(sizes) if is_prior else 1
    heads = [
        ProjectionHead(preset.channels, preset.head_hidden, preset.descriptor_size)
        for _ in range(num_heads)
    ]
    return OrderedModel(encoder, _bottleneck(family, bottleneck, preset, settings), heads)


def build_reconstruction_model(
    *,
    family: Family,
    bottleneck: Bottleneck,
    preset: ReconstructionPreset,
    settings: Mapping[str, float],
) -> OrderedModel:
    """A freshly initialized autoencoder; draws from torch's global generator.

    Raises:
        ValueError: an unknown family, bottleneck or setting.
    """
    is_prior = _is_prior(bottleneck)
    sizes: dict[str, Any] = {
        "image_size": preset.image_size,
        "depth": preset.haar_depth,
        "width": preset.width,
        "channels": preset.channels,
        "head_size": preset.head_size,
    }
    encoder = WaveletEncoder(
        num_blocks=preset.encoder_blocks,
        num_tokens=preset.num_tokens,
        is_pyramidal=is_prior,
        **sizes,
    )
    decoders = [
        WaveletDecoder(num_blocks=preset.decoder_blocks, num_tokens=count, **sizes)
        for count in (level_sizes(preset.num_levels) if is_prior else (preset.num_tokens,))
    ]
    return OrderedModel(encoder, _bottleneck(family, bottleneck, preset, settings), decoders)


def _bottleneck(
    family: Family, bottleneck: Bottleneck, preset: ModelPreset, settings: Mapping[str, float]
) -> MbopBottleneck | PriorBottleneck:
    if bottleneck != "prior":
        tokens = _tokens(family, preset.num_tokens, preset.mbop_states, preset, settings)
        return MbopBottleneck(tokens=tokens, num_tokens=preset.num_tokens, dropping=bottleneck)
    levels = range(preset.num_levels)
    return PriorBottleneck(
        tokens=[
            _tokens(family, 1, 2 ** (preset.prior_state_bits + level), preset, settings)
            for level in levels
        ],
        predictors=[
            Predictor(
                2**level,
                preset.channels,
                head_size=preset.head_size,
                num_blocks=preset.predictor_blocks,
                doubling_hidden=preset.doubling_hidden,
            )
            for level in levels[1:]
        ],
    )


def _tokens(
    family: Family,
    num_groups: int,
    num_states: int,
    preset: ModelPreset,
    settings: Mapping[str, float],
) -> nn.Module:
    if family not in DEFAULT_SETTINGS:
        raise ValueError(f"family must be one of {', '.join(DEFAULT_SETTINGS)}, got {family!r}")
    known = DEFAULT_SETTINGS[family]
    unknown = sorted(settings.keys() - known.keys())
    if unknown:
        raise ValueError(f"unknown settings {unknown}; {family} has {sorted(known)}")
    values = known | dict(settings)
    if family == "gaussian":
        return GaussianTokens(
            num_groups=num_groups, num_channels=preset.channels, kappa=values["kappa"]
        )
    if family == "categorical":
        return CategoricalTokens(
            num_groups=num_groups,
            num_channels=preset.channels,
            temperature=values["temperature"],
        )
    return EmaVqTokens(
        num_groups=num_groups,
        num_channels=preset.channels,
        num_states=num_states,
        decay=values["decay"],
    )
