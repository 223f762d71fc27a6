"""Eq. 3: level l has 2^l tokens, L levels have N = 2^L - 1."""

from __future__ import annotations


def level_sizes(num_levels: int) -> tuple[int, ...]:
    """Tokens per level: 1, 2, 4, ...

    Raises:
        ValueError: no level.
    """
    if num_levels < 1:
        raise ValueError(f"num_levels must be >= 1, got {num_levels}")
    return tuple(2**level for level in range(num_levels))


def budgets(num_levels: int) -> tuple[int, ...]:
    """Tokens of the first 1, 2, ..., L levels: 1, 3, 7, ..., N."""
    return tuple(2 * size - 1 for size in level_sizes(num_levels))


def num_levels_of(num_tokens: int) -> int:
    """L for N = 2^L - 1 tokens.

    Raises:
        ValueError: N has no such L.
    """
    num_levels = (num_tokens + 1).bit_length() - 1
    if num_tokens < 1 or 2**num_levels - 1 != num_tokens:
        raise ValueError(f"num_tokens must be 2^L - 1 (1, 3, 7, ...), got {num_tokens}")
    return num_levels
