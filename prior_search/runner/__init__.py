"""Executors: they ask a source for trials, run them somewhere, and bring the results back.

``runner.tune`` and ``runner.ray_cluster`` are imported by name where they are needed, as they
bring Ray.
"""

from prior_search.runner.cluster_facts import NodeFacts, look_around
from prior_search.runner.local import LocalExecutor
from prior_search.runner.source import TrialSource
from prior_search.runner.worker import TrialRun, WorkerSettings

__all__ = [
    "LocalExecutor",
    "NodeFacts",
    "TrialRun",
    "TrialSource",
    "WorkerSettings",
    "look_around",
]
