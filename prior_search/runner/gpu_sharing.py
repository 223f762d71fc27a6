"""How many trials share a GPU, and what each may take of its memory **(ours)**.

Numbers in, decisions out. A share is a part of one GPU, as Ray counts it: 0.25 lets four trials
run on a device. Nothing here asks a device; ``gpu_memory`` does.
"""

from __future__ import annotations

MARGIN = 1.2  # later trials may need so much of what the first one needed at its peak
CONTEXT_BYTES = 600 << 20  # of a process outside of torch's allocator: CUDA's context, libraries
USABLE = 0.95  # of a device's memory; the rest is the driver's and the display's
MOST_TRIALS = 8  # on one device: more take each other's compute, and gain nothing
LEAK_BYTES = 256 << 20  # that a process may still hold after a trial


def share_needed(peak_bytes: int, total_bytes: int) -> float:
    """The share for trials like one that was measured: 1, 1/2, 1/3, ... of a device.

    Args:
        peak_bytes: what torch had reserved at the most.
        total_bytes: of the device.
    """
    need = MARGIN * peak_bytes + CONTEXT_BYTES
    fitting = int(USABLE * total_bytes / need)
    return 1.0 / min(max(fitting, 1), MOST_TRIALS)


def allocator_fraction(share: float, total_bytes: int) -> float:
    """The part of a device's memory that torch may reserve in a process with a share of it.

    Raises:
        ValueError: the share does not even hold a CUDA context.
    """
    if share >= 1.0:
        return 1.0
    fraction = USABLE * share - CONTEXT_BYTES / total_bytes
    if fraction <= 0:
        raise ValueError(
            f"a share of {share:g} of a GPU with {gib(total_bytes)} holds no trial: CUDA alone "
            f"takes {gib(CONTEXT_BYTES)} per process; give a larger --gpus-per-trial"
        )
    return fraction


def shortage(free_bytes: int, total_bytes: int, share: float) -> str | None:
    """Why a trial must not start on a device; None if its share of the memory is free.

    Args:
        free_bytes: of the device, with what this process would give back.
        total_bytes: of the device.
        share: of the trial; at most one device counts.
    """
    fraction = allocator_fraction(min(share, 1.0), total_bytes)
    wanted = total_bytes * min(fraction, USABLE) if share < 1.0 else CONTEXT_BYTES
    if free_bytes >= wanted:
        return None
    return (
        f"{gib(free_bytes)} of {gib(total_bytes)} of GPU memory are free, but a trial with a "
        f"share of {share:g} may take {gib(wanted)}: another process is on the device"
    )


def has_leaked(allocated_bytes: int) -> bool:
    """Whether a process that holds so much after a trial has to be replaced."""
    return allocated_bytes > LEAK_BYTES


def gib(size: float) -> str:
    """Bytes as a message shows them."""
    return f"{size / (1 << 30):.1f} GiB"
