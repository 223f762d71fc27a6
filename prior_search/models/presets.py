"""Three sizes of model with their training recipes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPreset:
    """What the presets of every task have: sizes of the bottleneck and the training recipe.

    Attributes:
        image_size: side of the square input, pixels.
        channels: C, the width of the tokens.
        head_size: channels per attention head.
        num_levels: L; the bottleneck has N = 2^L - 1 tokens.
        prior_state_bits: level l of PRIOR's EMA-VQ has 2^(bits + l) states, null included.
        mbop_states: states of each position's codebook in MBOP's EMA-VQ, null included.
        doubling_hidden: hidden width of the map from a token to its two children in PRIOR's
            predictors; 0: a linear map.
        steps: optimization steps of the full horizon.
    """

    image_size: int
    channels: int
    head_size: int
    num_levels: int
    predictor_blocks: int
    doubling_hidden: int = 0
    prior_state_bits: int
    mbop_states: int
    steps: int
    learning_rate: float
    weight_decay: float
    warmup_share: float
    grad_clip: float

    @property
    def num_tokens(self) -> int:
        """N of Eq. 3."""
        return 2**self.num_levels - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ContrastivePreset(ModelPreset):
    """A FLIP encoder of width C with projection heads.

    Attributes:
        patches: number of patches per view by patch side, pixels.
        pairs: B, positive pairs per batch.
        temperature: tau of Eq. 9.
        validation_pairs: B of the validation objective.
        augmentation: what happens to the frames of a pair in training; a pair without it is two
            frames of one track as they are.
    """

    patches: Mapping[int, int]
    encoder_blocks: int
    num_registers: int
    head_hidden: int
    descriptor_size: int
    pairs: int
    temperature: float
    validation_pairs: int
    augmentation: Literal["none", "simclr"] = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconstructionPreset(ModelPreset):
    """A wavelet-space vision transformer with decoders of the same width.

    Attributes:
        haar_depth: D; an input token is the Haar tree of a block of 2^D x 2^D pixels.
        width: d of encoder and decoders.
        batch_images: images per batch.
        validation_images: how many held-out images the validation objective takes at most.
    """

    haar_depth: int
    width: int
    encoder_blocks: int
    decoder_blocks: int
    batch_images: int
    validation_images: int


PRESETS: dict[str, ContrastivePreset] = {
    # One CPU core: a trial at the full horizon takes 10-20 s.
    "tiny": ContrastivePreset(
        image_size=32,
        patches={4: 12, 8: 4},
        channels=64,
        head_size=32,
        encoder_blocks=2,
        num_registers=2,
        num_levels=4,
        predictor_blocks=1,
        head_hidden=128,
        descriptor_size=64,
        prior_state_bits=3,
        mbop_states=64,
        pairs=48,
        steps=240,
        learning_rate=3e-3,
        weight_decay=1e-2,
        warmup_share=0.2,
        grad_clip=1.0,
        temperature=0.1,
        validation_pairs=300,
    ),
    # One GPU: minutes per trial.
    "small": ContrastivePreset(
        image_size=64,
        patches={4: 64, 8: 24, 16: 8},
        channels=64,
        head_size=32,
        encoder_blocks=4,
        num_registers=4,
        num_levels=5,
        predictor_blocks=2,
        head_hidden=256,
        descriptor_size=64,
        prior_state_bits=3,
        mbop_states=128,
        pairs=128,
        steps=3000,
        learning_rate=1e-3,
        weight_decay=1e-2,
        warmup_share=0.05,
        grad_clip=1.0,
        temperature=0.1,
        validation_pairs=300,
    ),
    # The published sizes (Table 2); the recipe is ours where the paper is silent.
    "paper": ContrastivePreset(
        image_size=224,
        patches={4: 128, 8: 64, 16: 48, 32: 16},
        channels=128,
        head_size=32,
        encoder_blocks=7,
        num_registers=0,
        num_levels=7,
        predictor_blocks=3,
        head_hidden=512,
        descriptor_size=128,
        prior_state_bits=4,
        mbop_states=256,
        pairs=256,
        steps=100_000,
        learning_rate=6e-4,
        weight_decay=6e-4,
        warmup_share=0.02,
        grad_clip=1.0,
        temperature=0.1,
        validation_pairs=1000,
    ),
}

PRESETS |= {f"{name}-simclr": replace(p, augmentation="simclr") for name, p in PRESETS.items()}

RECONSTRUCTION_PRESETS: dict[str, ReconstructionPreset] = {
    # One CPU core: a trial at the full horizon takes 10-20 s.
    "tiny": ReconstructionPreset(
        image_size=32,
        haar_depth=3,
        width=64,
        channels=64,
        head_size=32,
        encoder_blocks=1,
        decoder_blocks=1,
        num_levels=4,
        predictor_blocks=1,
        prior_state_bits=3,
        mbop_states=64,
        batch_images=32,
        steps=400,
        learning_rate=3e-3,
        weight_decay=1e-2,
        warmup_share=0.1,
        grad_clip=1.0,
        validation_images=400,
    ),
    # One GPU: minutes per trial.
    "small": ReconstructionPreset(
        image_size=64,
        haar_depth=3,
        width=128,
        channels=64,
        head_size=32,
        encoder_blocks=3,
        decoder_blocks=2,
        num_levels=5,
        predictor_blocks=2,
        prior_state_bits=3,
        mbop_states=128,
        batch_images=128,
        steps=5000,
        learning_rate=1e-3,
        weight_decay=1e-2,
        warmup_share=0.05,
        grad_clip=1.0,
        validation_images=500,
    ),
    # Within 1 % of the published totals (section 2.5); the recipe is ours.
    "paper": ReconstructionPreset(
        image_size=128,
        haar_depth=3,
        width=256,
        channels=128,
        head_size=32,
        encoder_blocks=4,
        decoder_blocks=3,
        num_levels=7,
        predictor_blocks=3,
        doubling_hidden=256,
        prior_state_bits=4,
        mbop_states=256,
        batch_images=128,
        steps=100_000,
        learning_rate=3e-4,
        weight_decay=1e-2,
        warmup_share=0.02,
        grad_clip=1.0,
        validation_images=10_000,
    ),
}
