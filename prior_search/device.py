"""Which device a process computes on."""

from __future__ import annotations

import torch


def resolve_device(device: str) -> torch.device:
    """``auto`` is CUDA where a device is visible, else the CPU.

    Raises:
        ValueError: CUDA is asked for and not available, or the name is unknown.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device must be one of auto, cpu, cuda, got {device!r}")
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device 'cuda' was asked for, but torch sees no CUDA device")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)
