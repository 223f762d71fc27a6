"""What a worker tells its driver of an attempt: points as they come, and the result.

The first point is told at once, those of the next second together, and whatever there is with the
result: an attempt of a second costs the driver two messages, and one of hours as many as it has
points. A message is plain data, which is cheap to carry.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from prior_search.runner.deadline import Deadlines
from prior_search.runner.source import TrialSource
from prior_search.runner.worker import TrialRun
from prior_search.trial import MetricPoint, TrialResult, TrialSpec

TELL_SECONDS = 1.0  # between two messages of an attempt, unless it ends


class Teller:
    """The worker's side, for one attempt.

    Args:
        run: the attempt.
    """

    def __init__(self, run: TrialRun) -> None:
        self._run = run
        self._told = -math.inf

    def message(self) -> dict[str, Any]:
        """Train until there is something to tell; ``result`` is None but at the end."""
        points = []
        while isinstance(answer := self._run.advance(), MetricPoint):
            points.append(answer.as_dict())
            now = time.monotonic()
            if now - self._told >= TELL_SECONDS:
                self._told = now
                return {"points": points, "result": None}
        return {"points": points, "result": answer.as_dict()}


def take(
    message: Mapping[str, Any], spec: TrialSpec, source: TrialSource, deadlines: Deadlines
) -> TrialResult | None:
    """The driver's side: pass the points on; returns the result, which is for it to record."""
    points = [MetricPoint.from_dict(point) for point in message["points"]]
    if points:
        deadlines.progress(spec, points[-1].step, time.monotonic())
    for point in points:
        source.record_point(spec, point)
    if message["result"] is None:
        return None
    deadlines.end(spec)
    return TrialResult.from_dict(message["result"])
