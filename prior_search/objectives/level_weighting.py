"""Eq. 6: normalized geometric weights of the levels."""

from __future__ import annotations


def level_weights(num_levels: int) -> tuple[float, ...]:
    """2^-(L-1-l) / Z for l = 0..L-1, summing to 1; deeper levels weigh more.

    Raises:
        ValueError: no level.
    """
    if num_levels < 1:
        raise ValueError(f"num_levels must be >= 1, got {num_levels}")
    total = sum(2.0**-k for k in range(num_levels))
    return tuple(2.0 ** -(num_levels - 1 - level) / total for level in range(num_levels))
