"""The parts of a campaign as one source of trials, so that all of them share the workers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prior_search.campaign.ground import Ground, Part
from prior_search.campaign.parts import SearchPart
from prior_search.campaign.plan import CampaignPlan
from prior_search.past_searches import ARMS
from prior_search.request import StudyRequest
from prior_search.runner import WorkerSettings
from prior_search.trial import AttemptKey, Bottleneck, MetricPoint, TrialResult, TrialSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run that has ended, for the display.

    Attributes:
        part: name of the part that it belongs to.
        num_ended: runs of the campaign that have ended by now, with what earlier drivers did.
    """

    part: str
    spec: TrialSpec
    result: TrialResult
    num_ended: int


class Campaign:
    """Hands out the trials of all open parts, the earlier parts' first; a ``runner.TrialSource``.

    Args:
        ground: what the parts share.
        studies: requests of the first parts.
        on_ended: called after every run.
    """

    def __init__(
        self,
        ground: Ground,
        studies: Sequence[StudyRequest],
        on_ended: Callable[[Ended], None] | None = None,
    ) -> None:
        self._on_ended = on_ended or (lambda _: None)
        self._parts: list[Part] = []
        self._running: dict[AttemptKey, TrialSpec] = {}
        self._num_done = 0  # runs of parts that are closed
        try:
            for request in studies:
                self._parts.append(SearchPart(ground, request))
            self._settle()
        except BaseException:
            self.close()
            raise

    @property
    def is_finished(self) -> bool:
        """Whether no part is left."""
        return not self._parts

    @property
    def num_ended(self) -> int:
        """Runs that have ended."""
        return self._num_done + sum(part.num_ended for part in self._parts)

    def next_trial(self) -> TrialSpec | None:
        """The next trial of the first part that has one."""
        while True:
            for part in self._parts:
                spec = part.source.next_trial()
                if spec is not None:
                    self._running[spec.attempt_key] = spec
                    return spec
            if not any(part.source.is_finished for part in self._parts):
                return None
            self._settle()  # a control may find all that it wants among past trainings

    def record_start(self, spec: TrialSpec, worker: str) -> None:
        """An attempt has begun on a worker."""
        self._part(spec).source.record_start(spec, worker)

    def record_point(self, spec: TrialSpec, point: MetricPoint) -> None:
        """Metrics of a running attempt."""
        self._part(spec).source.record_point(spec, point)

    def record(self, result: TrialResult) -> None:
        """An attempt has ended."""
        spec = self._running.pop(result.attempt_key, None)
        if spec is None:
            return  # of an attempt that was given up, in a part that may be closed by now
        part = self._part(spec)
        part.source.record(result)
        ended = self.num_ended
        self._on_ended(Ended(part=part.name, spec=spec, result=result, num_ended=ended))
        if part.source.is_finished:
            self._settle()

    def settings_of(self, spec: TrialSpec, settings: WorkerSettings) -> WorkerSettings:
        """Where a trial finds its data and keeps its files; the rest as in ``settings``."""
        part = self._part(spec)
        return dataclasses.replace(settings, data=part.data, trials_folder=str(part.trials_folder))

    def close(self) -> None:
        """Release all parts."""
        for part in self._parts:
            part.close()

    def _part(self, spec: TrialSpec) -> Part:
        return next(part for part in self._parts if (spec.study, spec.search) in part.owns)

    def _settle(self) -> None:
        """Finish what is finished and open what follows, until all parts have work."""
        while finished := [part for part in self._parts if part.source.is_finished]:
            for part in finished:
                position = self._parts.index(part)
                self._num_done += part.num_ended
                self._parts[position : position + 1] = part.finish()


def planned_runs(plan: CampaignPlan, studies: Sequence[StudyRequest]) -> int:
    """Training runs and evaluations of a whole campaign, if nothing is lost."""
    total = 0
    for request in studies:
        track = plan.track(request.task)
        models = len(request.bottlenecks)
        if track.matched_control:
            models += len(ARMS)
        total += models * (request.budget.trials + 2 * track.final_seeds)
    return total


def planned_work(plan: CampaignPlan, request: StudyRequest) -> dict[Bottleneck, int]:
    """Optimization steps by bottleneck of a study, its control and the final trainings.

    The control's stage 1 does not count: both arms have trained it in their own searches.
    """
    track = plan.track(request.task)
    own = request.planned_steps + track.final_seeds * request.steps
    work = dict.fromkeys(request.bottlenecks, own)
    if track.matched_control:
        again = request.budget.long_trials + track.final_seeds
        for arm in ARMS:
            work[arm] += again * request.steps
    return work
