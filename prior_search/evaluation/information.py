"""Effective information by budget (Eq. 7): the usage of tokens (Eq. 8), summed over a prefix.

Usage is measured on the whole validation set, marginals pooled over it: averaging the values of
batches would understate discrete tokens, as the entropy of a mixture is at least the mean entropy.
A discrete token that ignores its input has usage 0; a Gaussian one only if it equals the prior,
since Eq. 8 is a rate there. Numbers of families are therefore not of one kind.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor


def information_by_budget(usage_nats: Tensor, budgets: Sequence[int]) -> dict[int, float]:
    """I(S) of Eq. 7 in bits for the prefixes of the given lengths; never falls with the budget.

    Args:
        usage_nats: b(u) of Eq. 8 for every token, [N], in nats, coarse to fine.
        budgets: prefix lengths, each from 1 to N.

    Raises:
        ValueError: a budget outside 1..N, or a usage that is negative or not finite.
    """
    if not bool((usage_nats.isfinite() & (usage_nats >= 0)).all()):
        raise ValueError(f"usage must be finite and >= 0, got {usage_nats.tolist()}")
    wrong = [budget for budget in budgets if not 1 <= budget <= len(usage_nats)]
    if wrong:
        raise ValueError(f"budgets must be from 1 to {len(usage_nats)}, got {wrong}")
    bits = usage_nats.double().cumsum(0) / math.log(2)
    return {budget: float(bits[budget - 1]) for budget in budgets}
