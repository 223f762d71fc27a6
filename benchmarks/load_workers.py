"""A driver's share of the time while so many one-second trials are always under way.

    python -m benchmarks.load_workers --executor local --workers 64
    python -m benchmarks.load_workers --executor ray --workers 6 --nodes 2
    python -m benchmarks.load_workers --executor tune --workers 6 --nodes 2

A search with real workers; its trials, of the synthetic task, sleep, so that a small machine holds
more of them than it has cores, and report four points each, as trainings do. ``--nodes`` simulates
that many on this machine. ``tune`` is the floor under ``ray``: trials that sleep and report
nothing but their end, run by Ray Tune without anything of ours.

*Share*: processor seconds of the driver's process, threads and system calls included, by seconds
of wall clock, from when every worker has ended a trial to the last start of stage 1: all that time
every worker has one. Starting workers does not count, nor does the surrogate. *Waiting*: between
two ends of trials on one worker, the time that is not the second trial's own.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import secrets
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.load import FACTS, make_request

# as in the tests: Ray on loopback, and nobody else's; before it is imported
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}

from prior_search.event_log import Event
from prior_search.runner import LocalExecutor, WorkerSettings
from prior_search.study import Study
from prior_search.trial import TrialSpec

TRIALS_PER_WORKER = 25
STEPS = 20  # at the short horizon
# The first trials take longer, until all workers have started: workers that are ready first would
# spend the budget, and Tune gives the worker of a trial that ends to one that waits for its own,
# whose start it then breaks off, again and again.
FIRST_SECONDS = 50.0
NODE = {"node_ip_address": "127.0.0.1", "object_store_memory": 100 << 20}


class Watch:
    """Starts and ends of trials as the driver hears of them, and its processor time by then."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.starts: list[tuple[float, float]] = []
        self.ends: dict[str, list[tuple[float, float]]] = defaultdict(list)  # and seconds there
        self.full: int | None = None  # starts by the time that every worker had ended a trial

    def start(self) -> None:
        """A trial has started."""
        self.starts.append((time.process_time(), time.perf_counter()))

    def end(self, worker: str, seconds: float) -> None:
        """A trial of so many seconds has ended."""
        self.ends[worker].append((time.perf_counter(), seconds))
        if self.full is None and len(self.ends) == self.workers:
            self.full = len(self.starts)

    def note(self, event: Event) -> None:
        """Listen to a study."""
        if event["event"] == "trial_started":
            self.start()
        elif event["event"] == "trial_ended":
            self.end(event["result"]["worker"], event["result"]["wall_seconds"])

    def tell(self, what: str, starts: int) -> None:
        """Print what was measured up to that many starts."""
        if self.full is None:
            print(f"only {len(self.ends)} of {self.workers} workers have started in time")
            return
        first, last = self.starts[self.full], self.starts[starts - 1]
        processor, wall = last[0] - first[0], last[1] - first[1]
        trials = starts - 1 - self.full
        kept = [ends for ends in self.ends.values() if len(ends) > 1]
        between = sum(ends[-1][0] - ends[0][0] for ends in kept)
        rate = sum((len(ends) - 1) / (ends[-1][0] - ends[0][0]) for ends in kept)
        busy = sum(seconds for ends in kept for _, seconds in ends[1:])
        print(
            f"{self.workers} one-second trials at a time on {what}: "
            f"share {100 * processor / wall:.1f} %, {1000 * processor / trials:.2f} ms a trial, "
            f"{rate:.1f} trials a second, "
            f"workers waited {100 * (1 - busy / between):.1f} % of their time"
        )


def measure_search(kind: str, workers: int, nodes: int, first_seconds: float) -> None:
    trials, watch = TRIALS_PER_WORKER * workers, Watch(workers)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "study"
        rehearsals = {n: Path(scratch) / f"{n}.toml" for n in ("quick", "first")}
        rehearsals["quick"].write_text(f"step_seconds = {1.0 / STEPS}\n")
        rehearsals["first"].write_text(f"step_seconds = {first_seconds / STEPS}\n")
        quick = WorkerSettings(
            data=str(rehearsals["quick"]), trials_folder=str(folder / "trials"), device="cpu"
        )
        first = dataclasses.replace(quick, data=str(rehearsals["first"]))
        Study.create(folder, make_request(trials, 1), FACTS)
        study = Study(folder, watch.note)
        study.begin(FACTS)
        executor(kind, quick, workers, lambda spec: first if spec.trial < workers else quick).run(
            study
        )
        study.close()
    watch.tell(f"{kind} workers of {nodes} nodes", trials)


def executor(
    kind: str,
    settings: WorkerSettings,
    workers: int,
    settings_of: Callable[[TrialSpec], WorkerSettings],
) -> Any:
    if kind == "local":
        return LocalExecutor(settings, num_workers=workers, settings_of=settings_of)
    from prior_search.runner.tune import TuneExecutor

    return TuneExecutor(settings, max_concurrent=workers, settings_of=settings_of)


def simulate(workers: int, nodes: int) -> Any:
    """A cluster of so many nodes on this machine, joined."""
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False, **NODE}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    for number in range(nodes):
        cluster.add_node(
            num_cpus=workers * (number + 1) // nodes - workers * number // nodes, **NODE
        )
    ray.init(address=cluster.address, log_to_driver=False)
    return cluster


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--executor", choices=("local", "ray", "tune"), required=True)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--first-seconds", type=float, default=FIRST_SECONDS)
    options = parser.parse_args()
    if options.executor == "local":
        measure_search("local", options.workers, 1, options.first_seconds)
        return
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(options.workers)  # all start at once
    import ray

    cluster = simulate(options.workers, options.nodes)
    if options.executor == "ray":
        measure_search("ray", options.workers, options.nodes, options.first_seconds)
    else:
        from benchmarks.tune_alone import run

        watch = Watch(options.workers)
        run(watch, TRIALS_PER_WORKER * options.workers, options.first_seconds)
        watch.tell(f"Tune alone, {options.nodes} nodes", TRIALS_PER_WORKER * options.workers)
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main()
