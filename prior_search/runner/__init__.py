"""Executors: they ask a source for trials, run them somewhere, and bring the results back.

``runner.tune`` is imported by name where it is needed, as it brings Ray.
"""

from prior_search.runner.local import LocalExecutor
from prior_search.runner.source import TrialSource
from prior_search.runner.worker import TrialRun, WorkerSettings

__all__ = ["LocalExecutor", "TrialRun", "TrialSource", "WorkerSettings"]
