"""One suggestion, several arms: what a matched control tells its optimizer.

In a matched control, models that would be tuned on their own get common weights: every suggestion
is trained once per arm, and what is minimized is the mean over the arms (section 3.1 of the paper:
ITD and TD). A plain search is the case of one arm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from prior_search.search.suggestion import Observation


def over_arms(arms: Sequence[Observation]) -> Observation:
    """The outcome of a suggestion, from the outcomes of all its arms.

    Completed with the arms' mean if all completed. A configuration that diverges in one arm has
    diverged: it serves the others nothing, and the optimizer must learn to stay away. Without a
    divergence, a failed arm says nothing of the configuration, and neither do the rest: a mean
    over fewer arms would be another objective. **(ours)**

    Args:
        arms: outcomes of one suggestion, all with its index.

    Raises:
        ValueError: there is none, or they belong to different suggestions.
    """
    if not arms:
        raise ValueError("a suggestion needs the outcome of at least one arm")
    indices = sorted({arm.index for arm in arms})
    if len(indices) > 1:
        raise ValueError(f"arms must be of one suggestion, got those of {indices}")
    for status in ("diverged", "failed"):
        if any(arm.status == status for arm in arms):
            return Observation(index=indices[0], value=None, status=status)
    values = [arm.value for arm in arms if arm.value is not None]
    return Observation(index=indices[0], value=math.fsum(values) / len(arms), status="completed")
