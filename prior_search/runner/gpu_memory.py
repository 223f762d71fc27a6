"""The memory of this process's CUDA device: limited, checked and measured around each trial."""

from __future__ import annotations

import gc
import socket

import torch

from prior_search.errors import WorkerLostError
from prior_search.runner.gpu_sharing import (
    allocator_fraction,
    has_leaked,
    share_needed,
    shortage,
)

SHARE_METRIC = "gpu_share_needed"  # of a completed trial, in its result


def claim(share: float) -> None:
    """Limit this process to its share, and see that it is free.

    Raises:
        WorkerLostError: it is not; the machine's fault, so that the trial comes again.
    """
    torch.cuda.empty_cache()
    free, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction(allocator_fraction(share, total))
    torch.cuda.reset_peak_memory_stats()
    missing = shortage(free + torch.cuda.memory_reserved(), total, share)
    if missing is not None:
        raise WorkerLostError(f"{socket.gethostname()}: {missing}")


def measured_share() -> float:
    """The share that the trial since ``claim`` would have needed."""
    _, total = torch.cuda.mem_get_info()
    return share_needed(torch.cuda.max_memory_reserved(), total)


def is_leaking() -> bool:
    """Whether this process still holds the memory of trials that have ended."""
    if not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return False
    gc.collect()
    torch.cuda.empty_cache()
    return has_leaked(torch.cuda.memory_allocated())
