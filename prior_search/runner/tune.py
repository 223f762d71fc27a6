"""Trials on a Ray cluster, through Ray Tune.

Tune only executes. What is done and what is next is decided by the ``TrialSource``: Tune asks it
through a searcher, and every point and result goes back to it through a callback in the driver's
thread. Tune's own snapshots are scratch and are never read.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import tempfile
from collections import deque
from collections.abc import Callable

from prior_search.runner.ray_cluster import autoscales, joined

os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # Ctrl-C raises here, as elsewhere
os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "3600")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", "1")
os.environ.setdefault("TUNE_PRINT_ALL_TRIAL_ERRORS", "0")  # the source hears of them

import ray
from ray import tune
from ray.exceptions import RayError

from prior_search.errors import RequestError
from prior_search.runner.deadline import Deadlines
from prior_search.runner.source import TrialSource
from prior_search.runner.tune_trials import Report, SourceSearcher, TrialActor
from prior_search.runner.worker import WorkerSettings
from prior_search.trial import TrialSpec

logger = logging.getLogger(__name__)

MAX_RESTARTS = 3  # of Tune's own loop, should it die again and again without any result


class TuneExecutor:
    """Runs a source's trials on Ray: on the cluster it finds, or one of its own on this machine.

    Args:
        settings: for the workers.
        max_concurrent: trials at a time; None for as many as the cluster holds.
        cpus_per_trial: CPUs that each process of a trial occupies.
        gpus_per_trial: GPUs, or a share of one, of a trial; None for one per process if the
            cluster has GPUs, else 0. One that nobody asked for is shared once the first trials
            have shown how much of its memory they need.
        settings_of: of one trial, where they differ between trials; None for ``settings``.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        max_concurrent: int | None = None,
        cpus_per_trial: float = 1.0,
        gpus_per_trial: float | None = None,
        settings_of: Callable[[TrialSpec], WorkerSettings] | None = None,
    ) -> None:
        self._settings = settings
        self._settings_of = settings_of or (lambda _: settings)
        self._max_concurrent = max_concurrent
        self._cpus, self._gpus = cpus_per_trial, gpus_per_trial

    def run(self, source: TrialSource) -> None:
        """Run until the source is finished.

        Raises:
            KeyboardInterrupt: after the workers have been told to end.
            RequestError: the cluster cannot hold a single trial.
            RayError: Ray's loop died again and again.
        """
        with joined():
            share, deaths = self._share(), 0
            measures = self._gpus is None and share["gpu"] == 1.0
            again: deque[TrialSpec] = deque()
            while not source.is_finished:
                searcher = self._searcher(source, share, measures)
                searcher.again = again
                error = self._round(searcher, share)
                if searcher.has_measured:
                    share["gpu"], measures = searcher.share, False
                    logger.warning("trials need %.3g of a GPU each: sharing them", searcher.share)
                    continue
                deaths = 1 if searcher.num_results else deaths + 1
                if deaths > MAX_RESTARTS and error is not None:
                    raise error
                if deaths > MAX_RESTARTS:
                    return  # the source has work, but hands out none

    def _round(self, searcher: SourceSearcher, share: dict[str, float]) -> Exception | None:
        """Run Tune's loop to its end; returns the error of Ray's that ended it early."""
        try:
            self._fit(searcher, share)
        except (RayError, RuntimeError) as error:
            # Tune wraps what it does not expect, as that Ray ended a worker for its memory
            if not isinstance(error, RayError) and not isinstance(error.__cause__, RayError):
                raise
            logger.warning("Ray's loop ended early; starting it again (%.300s)", error)
            searcher.survive(error)
            return error
        for trial_id in list(searcher.running):
            searcher.on_trial_complete(trial_id, error=True)
        searcher.settle()
        return None

    def _searcher(
        self, source: TrialSource, share: dict[str, float], measures: bool
    ) -> SourceSearcher:
        def settings_of(spec: TrialSpec) -> WorkerSettings:
            return dataclasses.replace(self._settings_of(spec), gpu_share=share["gpu"] or None)

        deadlines = Deadlines(self._settings.trial_seconds)
        limit = self._limit(share)
        return SourceSearcher(source, settings_of, limit, deadlines, measures=measures)

    def _share(self) -> dict[str, float]:
        """Resources of one trial, checked against what the cluster has or can grow to."""
        have = ray.cluster_resources()
        gpus = self._gpus
        if gpus is None:
            has_gpu = have.get("GPU", 0) > 0 and self._settings.device != "cpu"
            gpus = float(self._settings.num_workers) if has_gpu else 0.0
        share = {"cpu": self._cpus * self._settings.num_workers, "gpu": gpus}
        for name, wanted in (("CPU", share["cpu"]), ("GPU", gpus)):
            if wanted > have.get(name, 0) and not autoscales():
                raise RequestError(
                    f"a trial needs {wanted:g} {name}, but the cluster has {have.get(name, 0):g}"
                )
        return share

    def _limit(self, share: dict[str, float]) -> int:
        if self._max_concurrent is not None:
            return self._max_concurrent
        if autoscales():
            return 1_000  # as many as the cluster grows to
        have = ray.cluster_resources()
        fits = [have.get(n.upper(), 0) // wanted for n, wanted in share.items() if wanted > 0]
        return max(1, int(min(fits, default=1)))

    def _fit(self, searcher: SourceSearcher, share: dict[str, float]) -> None:
        with tempfile.TemporaryDirectory(prefix="prior-search-tune-") as scratch:
            tuner = tune.Tuner(
                tune.with_resources(TrialActor, share),
                tune_config=tune.TuneConfig(
                    search_alg=searcher, num_samples=-1, reuse_actors=True
                ),
                run_config=tune.RunConfig(
                    name="trials",
                    storage_path=scratch,
                    verbose=0,
                    callbacks=[Report(searcher)],
                    failure_config=tune.FailureConfig(max_failures=0),
                ),
            )
            tuner.fit()
