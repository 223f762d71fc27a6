"""Trials as Ray Tune sees them: the actor, the searcher that asks, the callback that tells.

Every call but those of the actor comes from the driver's one thread.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import ray
from ray import tune
from ray.exceptions import RayError
from ray.tune.experiment import Trial
from ray.tune.search import Searcher

from prior_search.runner.deadline import Deadlines, overdue_result
from prior_search.runner.gpu_memory import SHARE_METRIC, is_leaking
from prior_search.runner.message import Teller, take
from prior_search.runner.source import TrialSource
from prior_search.runner.worker import TrialRun, WorkerSettings, lost
from prior_search.trial import TrialSpec

ANSWER_SECONDS = 2.0  # that an actor gets to show that it is dead


class TrialActor(tune.Trainable):
    """A worker's process; ``reset_config`` hands it the next trial without a new start."""

    def setup(self, config: dict[str, Any]) -> None:
        """Take a trial."""
        self._teller = Teller(TrialRun(config["settings"], TrialSpec.from_dict(config["spec"])))

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next trial, unless this process still holds memory of the last one."""
        if is_leaking():
            return False  # Tune ends this process; the trial is lost, and comes again on another
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Train until there is something to tell; in a list, as Tune looks at all numbers else."""
        message = self._teller.message()
        return {"message": [message], "done": message["result"] is not None}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: the training loop writes its own checkpoints, by time."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: the training loop finds its own."""


class SourceSearcher(Searcher):
    """Tune's question for the next trial, passed on to the source."""

    def __init__(
        self,
        source: TrialSource,
        settings_of: Callable[[TrialSpec], WorkerSettings],
        limit: int,
        deadlines: Deadlines,
        *,
        measures: bool,
    ) -> None:
        super().__init__(metric="training_iteration", mode="max")
        self.source, self._settings_of, self._limit = source, settings_of, limit
        self._measures = measures
        self.share = 1.0  # of a GPU, that trials so far would have needed
        self.failed: dict[str, TrialSpec] = {}  # whose reason is not known yet
        self.actors: dict[str, Any] = {}
        self.again: deque[TrialSpec] = deque()  # attempts that Tune's loop took with it
        self.num_results = 0
        self.running: dict[str, TrialSpec] = {}
        self.deadlines = deadlines
        self.overdue: dict[str, float] = {}  # trials whose actors were ended, and their seconds

    def __getstate__(self) -> dict[str, Any]:
        """For Tune's snapshots, which are never read: without the source, which holds the log."""
        return {"running": dict(self.running)}

    def suggest(self, trial_id: str) -> Any:
        """The next attempt; None to be asked again."""
        self.settle()
        if self.source.is_finished:
            return Searcher.FINISHED
        if self.has_measured:  # end this round: the next one packs the devices
            return None if self.running else Searcher.FINISHED
        if len(self.running) >= self._limit:
            return None
        spec = self.again.popleft() if self.again else self.source.next_trial()
        if spec is None:
            return None if self.running else Searcher.FINISHED
        self.running[trial_id] = spec
        return {"spec": spec.as_dict(), "settings": self._settings_of(spec)}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """A trial that ends without its result was lost with its worker, or had had its time."""
        spec = self.running.pop(trial_id, None)
        self.actors.pop(trial_id, None)
        if spec is None:
            return
        self.deadlines.end(spec)
        if trial_id in self.overdue:
            self.source.record(overdue_result(spec, self.overdue[trial_id]))
        elif error:
            self.failed[trial_id] = spec  # the callback knows more
        else:
            self.source.record(lost(spec, "stopped by Ray"))

    def settle(self, trial_id: str | None = None, reason: str = "the worker went away") -> None:
        """Record the losses whose reason is known, or will not be."""
        for one in list(self.failed) if trial_id is None else [trial_id]:
            spec = self.failed.pop(one, None)
            if spec is not None:
                self.source.record(lost(spec, reason))

    def survive(self, error: Exception) -> None:
        """Tune's loop has died: dead workers lose their trials, those of others come again."""
        for trial_id, spec in list(self.running.items()):
            if is_dead(self.actors.get(trial_id)):
                self.on_trial_complete(trial_id, error=True)
                self.settle(trial_id, why_lost(error))
            else:
                ray.kill(self.actors.pop(trial_id))
                del self.running[trial_id]
                self.again.append(spec)  # the same attempt, from its checkpoint

    @property
    def has_measured(self) -> bool:
        """Whether trials turned out to need less than a device, and that was the question."""
        return self._measures and self.share < 1.0

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the event log is the record."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, likewise."""


class Report(tune.Callback):
    """Passes starts, points and results to the source as they arrive, and keeps deadlines."""

    def __init__(self, searcher: SourceSearcher) -> None:
        self._searcher = searcher

    def __getstate__(self) -> dict[str, Any]:
        """For Tune's snapshots, as in the searcher."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **_: Any) -> None:
        """An attempt runs."""
        spec = self._searcher.running.get(trial.trial_id)
        if spec is not None:
            self._searcher.actors[trial.trial_id] = trial.temporary_state.ray_actor
            self._searcher.source.record_start(spec, trial.trial_id)
            self._searcher.deadlines.begin(spec, time.monotonic())

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **_: Any
    ) -> None:
        """Points, or the end."""
        spec = self._searcher.running.get(trial.trial_id)
        if spec is None:
            return  # already counted as lost
        [message] = result["message"]
        ended = take(message, spec, self._searcher.source, self._searcher.deadlines)
        if ended is not None:
            del self._searcher.running[trial.trial_id]
            self._searcher.num_results += 1
            self._searcher.share = ended.metrics.get(SHARE_METRIC, self._searcher.share)
            self._searcher.source.record(ended)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **_: Any) -> None:
        """The searcher has been told that the trial is lost; this is why."""
        self._searcher.settle(trial.trial_id, why_lost(trial.get_pickled_error()))

    def on_step_end(self, iteration: int, trials: list[Trial], **_: Any) -> None:
        """End the actors of trials that have had their time; Tune then reports them as errors."""
        searcher = self._searcher
        overdue = searcher.deadlines.look(time.monotonic())
        for trial in trials if overdue else ():
            spec, actor = searcher.running.get(trial.trial_id), trial.temporary_state.ray_actor
            if spec is not None and spec in overdue and actor is not None:
                searcher.overdue[trial.trial_id] = searcher.deadlines.limit(spec.horizon)
                ray.kill(actor)


def why_lost(error: Exception | None) -> str:
    """What ended a worker, as far as Ray knows."""
    if error is not None and "low on memory" in str(error):
        return "out of memory: Ray ended the worker, as its node was running low on memory"
    return "the worker went away"


def is_dead(actor: Any) -> bool:
    """Whether an actor is gone; one that is busy does not answer, and lives."""
    if actor is None:
        return True
    answer = actor.__ray_ready__.remote()
    ready, _ = ray.wait([answer], timeout=ANSWER_SECONDS)
    try:
        ray.get(ready)
    except RayError:
        return True
    return False
