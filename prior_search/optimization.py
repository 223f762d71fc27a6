"""The optimizer of a training run and its schedule."""

from __future__ import annotations

import math

import torch
from torch import nn

from prior_search.models import ModelPreset


def learning_rate_factor(step: int, *, horizon: int, warmup_share: float) -> float:
    """Linear warm-up, then half a cosine to zero at ``horizon``; a factor in [0, 1]."""
    warmup = max(1, round(warmup_share * horizon))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, horizon - warmup)))


def make_optimizer(
    model: nn.Module, preset: ModelPreset, device: torch.device
) -> torch.optim.AdamW:
    """AdamW; weight decay acts on matrices only, not on biases, norms, gates and codes."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": preset.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=preset.learning_rate, fused=device.type == "cuda")


def set_learning_rate(
    optimizer: torch.optim.Optimizer, preset: ModelPreset, step: int, *, horizon: int
) -> None:
    """Let a step have the rate that the schedule has for it."""
    factor = learning_rate_factor(step, horizon=horizon, warmup_share=preset.warmup_share)
    for group in optimizer.param_groups:
        group["lr"] = preset.learning_rate * factor
