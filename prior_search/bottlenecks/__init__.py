"""Ordered bottlenecks: MBOP-TD and MBOP-ITD (Eq. 1, 2) and PRIOR (Eq. 3-5).

All return the same ``BottleneckOutput``; MBOP has one level, PRIOR has L.
"""

from prior_search.bottlenecks.mbop import MbopBottleneck
from prior_search.bottlenecks.ordered_codes import BottleneckOutput, OrderedCodes
from prior_search.bottlenecks.prior import PriorBottleneck
from prior_search.bottlenecks.pyramid import budgets, level_sizes, num_levels_of

__all__ = [
    "BottleneckOutput",
    "MbopBottleneck",
    "OrderedCodes",
    "PriorBottleneck",
    "budgets",
    "level_sizes",
    "num_levels_of",
]
