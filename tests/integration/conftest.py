"""Rehearsed searches and what their records must satisfy, whatever went wrong on the way."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from prior_search.event_log import Event, read_events
from prior_search.request import StudyRequest
from prior_search.space_tables import Budget, WeightRange
from prior_search.study import Study
from prior_search.trial import TrialResult

ROOT = Path(__file__).parent.parent.parent
FACTS = {"versions": {"python": "3"}, "data_fingerprint": "rehearsal"}


@pytest.fixture
def rehearsal(tmp_path: Path) -> Callable[..., Path]:
    """Writes a rehearsal file."""

    def write(*faults: dict[str, Any], step_seconds: float = 0.01) -> Path:
        path = tmp_path / "rehearsal.toml"
        content = {"step_seconds": step_seconds, "faults": list(faults)}
        path.write_text(tomli_w.dumps(content))
        return path

    return write


@pytest.fixture(scope="session")
def make_study() -> Callable[..., Path]:
    """Makes the folder of a study of task ``synthetic``: 4 + 2 + 1 runs of 40 steps."""

    def make(folder: Path, data: Path | str, **changes: Any) -> Path:
        fields: dict[str, Any] = {
            "name": "study",
            "family": "gaussian",
            "bottlenecks": ("td",),
            "task": "synthetic",
            "preset": "tiny",
            "steps": 40,
            "seed": 0,
            "data": str(data),
            "ranges": (
                WeightRange(
                    name="kl_weight", low=1e-5, high=0.1, scale="log", only=("prior", "td", "itd")
                ),
            ),
            "settings": {"kappa": 0.5},
            "budget": Budget(
                stage1_trials=4, stage2_trials=2, confirm_trials=1, anchors=1, short_horizon=0.5
            ),
        }
        Study.create(folder, StudyRequest(**(fields | changes)), FACTS)
        return folder

    return make


@pytest.fixture(scope="session")
def run_study() -> Callable[[Path, Any], None]:
    """Runs a study with an executor, as ``prior-search search`` does."""

    def run(folder: Path, executor: Any) -> None:
        study = Study(folder)
        try:
            study.begin(FACTS)
            executor.run(study)
        finally:
            study.close()

    return run


@pytest.fixture
def check_record(tmp_path: Path) -> Callable[[Path], list[Event]]:
    """Asserts what every finished study must satisfy, and returns its events."""

    def check(folder: Path) -> list[Event]:
        events = read_events(folder / "events.jsonl")
        request = StudyRequest.read(folder / "study.toml")
        suggested = [e for e in events if e["event"] == "trial_suggested"]
        counts = Counter(event["search"] for event in suggested)
        assert counts == dict.fromkeys(request.bottlenecks, request.budget.plan().total)
        runs = Counter((e["trial"], e["replicate"]) for e in suggested)
        assert set(runs.values()) == {1}  # nothing was suggested twice
        attempts = Counter((r["trial"], r["replicate"], r["attempt"]) for r in results(events))
        assert set(attempts.values()) == {1}  # nothing was counted twice
        done = [r for r in results(events) if r["status"] in ("completed", "diverged")]
        values = Counter((r["trial"], r["replicate"]) for r in done)
        assert not values or set(values.values()) == {1}  # nothing gave two values
        reenact(events, request, tmp_path / "reenacted")
        return events

    return check


def results(events: list[Event]) -> list[dict[str, Any]]:
    """All results that count, in order."""
    return [e["result"] for e in events if e["event"] == "trial_ended"]


def reenact(events: list[Event], request: StudyRequest, folder: Path) -> None:
    """Give an undisturbed study the same results in the same order: it must suggest the same.

    So nothing was suggested on a result that is not in the log, and nothing that is was left out.
    """
    Study.create(folder, request, FACTS)
    again = Study(folder)
    try:
        for event in events:
            if event["event"] == "driver_started":
                again.begin(FACTS)
            elif event["event"] in ("trial_ended", "late_result"):
                again.record(TrialResult.from_dict(event["result"]))
            elif event["event"] == "trial_suggested":
                while (spec := again.next_trial()) is not None and spec.attempt > 0:
                    pass  # attempts that come again were handed out then, too
                ours = [e for e in again.events if e["event"] == "trial_suggested"][-1]
                assert ours["spec"] == event["spec"]
                assert ours["suggestion"] == event["suggestion"]
        assert again.is_finished
    finally:
        again.close()


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """For drivers in processes of their own."""
    return os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}


@pytest.fixture(scope="session")
def search_flags() -> Callable[..., list[str]]:
    """The flags of a rehearsed search of 4 + 2 + 1 runs."""

    def flags(storage: Path | str, data: Path | str, *more: str) -> list[str]:
        return [
            "--family", "gaussian", "--task", "synthetic",
            "--bottleneck", "td", "--name", "study", "--data", str(data),
            "--storage-path", str(storage), "--device", "cpu", "--steps", "40",
            "--stage1-trials", "4", "--stage2-trials", "2", "--set", "budget.anchors=1",
            "--set", "budget.confirm_trials=1", "--set", "budget.short_horizon=0.5", *more,
        ]  # fmt: skip

    return flags


@pytest.fixture(scope="session")
def search_command(search_flags: Callable[..., list[str]]) -> Callable[..., list[str]]:
    """The command line of that search."""
    import sys

    def command(storage: Path | str, data: Path | str, *more: str) -> list[str]:
        return [sys.executable, str(ROOT / "search.py"), *search_flags(storage, data, *more)]

    return command


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A real Ray cluster of three nodes on loopback: a head without CPUs, and two workers."""
    from ray.cluster_utils import Cluster

    head = {
        "num_cpus": 0,
        "node_ip_address": "127.0.0.1",
        "include_dashboard": False,
        "object_store_memory": 100 << 20,
    }
    made = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(2):
            made.add_node(num_cpus=1, node_ip_address="127.0.0.1", object_store_memory=100 << 20)
        yield made
    finally:
        made.shutdown()
