"""One-second trials by Ray Tune without anything of ours: the floor under ``runner.tune``."""

from __future__ import annotations

import os
import tempfile
import time
from typing import TYPE_CHECKING, Any

from prior_search.runner import tune as ours  # sets Tune's switches

from ray import tune  # isort: skip
from ray.tune.search import Searcher  # isort: skip

if TYPE_CHECKING:
    from benchmarks.load_workers import Watch

del ours


class Sleep(tune.Trainable):
    """A trial that reports nothing but its end; a worker's first one takes longer."""

    def setup(self, config: dict[str, Any]) -> None:
        """The first trial of this worker."""
        self._seconds = config["first_seconds"]

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """A later one."""
        self._seconds = 1.0
        return True

    def step(self) -> dict[str, Any]:
        """All of it."""
        time.sleep(self._seconds)
        return {"worker": os.getpid(), "done": True}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing."""


class Counter(Searcher):
    """Hands out trials while fewer run than there are workers."""

    def __init__(self, trials: int, workers: int, first_seconds: float) -> None:
        super().__init__(metric="training_iteration", mode="max")
        self._trials, self._workers, self._running = trials, workers, 0
        self._first_seconds = first_seconds

    def suggest(self, trial_id: str) -> Any:
        """The next, if there is room for it."""
        if not self._trials:
            return Searcher.FINISHED
        if self._running == self._workers:
            return None
        self._trials, self._running = self._trials - 1, self._running + 1
        return {"first_seconds": self._first_seconds}

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """Make room."""
        self._running -= 1

    def save(self, checkpoint_path: str) -> None:
        """Nothing."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing."""


class Listener(tune.Callback):
    """Notes starts and ends."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def __getstate__(self) -> dict[str, Any]:
        """For Tune's snapshots, which are never read."""
        return {}

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:
        """Note it."""
        self._watch.start()

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **_: Any
    ) -> None:
        """Note the end."""
        self._watch.end(str(result["worker"]), 1.0)


def run(watch: Watch, trials: int, first_seconds: float) -> None:
    """Run so many trials on the cluster that this process has joined."""
    with tempfile.TemporaryDirectory() as scratch:
        searcher = Counter(trials, watch.workers, first_seconds)
        tune.Tuner(
            tune.with_resources(Sleep, {"cpu": 1}),
            tune_config=tune.TuneConfig(search_alg=searcher, num_samples=-1, reuse_actors=True),
            run_config=tune.RunConfig(
                storage_path=scratch, verbose=0, callbacks=[Listener(watch)]
            ),
        ).fit()
