"""What happens to trials, on this machine's processes and on a real Ray of several nodes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prior_search.event_log import Event
from tests.integration.executors import executor, settings
from tests.recovery_times import until_measured_again, until_next

pytestmark = pytest.mark.filterwarnings("ignore")

ON_RAY = [pytest.mark.ray, pytest.mark.faults]
FAULTS = (
    {"trial": 0, "kind": "raise", "attempts": 1},
    {"trial": 1, "kind": "diverge"},
    {"trial": 2, "kind": "hang", "attempts": 1},
    {"trial": 3, "kind": "kill", "attempts": 2, "at": 0.8},
    {"trial": 4, "kind": "raise"},
)


@pytest.fixture
def on_cluster(cluster: Any) -> Iterator[Any]:
    """This process as a driver of the cluster."""
    import ray

    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    yield cluster
    ray.shutdown()


def ends(events: list[Event], trial: int) -> list[tuple[int, str]]:
    """(attempt, status) of all results of a trial's first run."""
    found = [e["result"] for e in events if e["event"] == "trial_ended"]
    return [
        (r["attempt"], r["status"]) for r in found if (r["trial"], r["replicate"]) == (trial, 0)
    ]


@pytest.mark.parametrize("kind", ["local", pytest.param("ray", marks=ON_RAY)])
def test_every_kind_of_fault_costs_what_it_must_and_no_more(
    kind: str,
    request: pytest.FixtureRequest,
    rehearsal: Any,
    make_study: Any,
    run_study: Any,
    check_record: Any,
    recovered: Any,
    tmp_path: Path,
) -> None:
    if kind == "ray":
        request.getfixturevalue("on_cluster")
    data = rehearsal(*FAULTS)
    folder = make_study(tmp_path / "study", data)
    run_study(folder, executor(kind, settings(folder, data, trial_seconds=10.0)))
    events = check_record(folder)
    assert ends(events, 0) == [(0, "failed"), (1, "completed")]
    assert ends(events, 1) == [(0, "diverged")]
    assert ends(events, 2) == [(0, "failed"), (1, "completed")]
    assert ends(events, 3) == [(0, "lost"), (1, "lost"), (2, "completed")]
    assert ends(events, 4) == [(k, "failed") for k in range(2)]  # code: one more try
    assert ends(events, 5) == [(0, "completed")]
    errors = {
        (e["result"]["trial"], e["result"]["attempt"]): e["result"]["error"]
        for e in events
        if e["event"] == "trial_ended"
    }
    assert errors[2, 0] == "t0002: no result after 10 s, so its process was ended"
    assert "the rehearsal lets this trial fail" in errors[0, 0]
    done = {e["result"]["trial"]: e["result"] for e in events if e["event"] == "trial_ended"}
    assert done[3]["metrics"]["own_steps"] <= 5  # of 20: the rest came from the checkpoint
    assert done[5]["metrics"]["own_steps"] == 40
    for trial, fault in ((0, "trial raises"), (2, "trial hangs"), (3, "worker killed, twice")):
        recovered(f"{fault} ({kind})", until_measured_again(events, trial))
    diverged = next(e["time"] for e in events if e.get("result", {}).get("status") == "diverged")
    recovered(f"trial diverges ({kind})", until_next(events, diverged))


@pytest.mark.ray
@pytest.mark.faults
def test_a_node_that_goes_away_costs_an_attempt_and_a_new_one_is_used(
    on_cluster: Any,
    rehearsal: Any,
    make_study: Any,
    check_record: Any,
    recovered: Any,
    tmp_path: Path,
) -> None:
    from prior_search.study import Study

    data = rehearsal(step_seconds=0.05)
    folder = make_study(tmp_path / "study", data)
    workers = [node for node in on_cluster.list_all_nodes() if node is not on_cluster.head_node]
    left = [*workers]

    def change_nodes(event: Event) -> None:
        """At the first sign of life every node goes away, whatever runs, and new ones come."""
        if event["event"] == "metric_point" and left:
            while left:
                on_cluster.remove_node(left.pop(), allow_graceful=False)
            for _ in workers:
                on_cluster.add_node(
                    num_cpus=1, node_ip_address="127.0.0.1", object_store_memory=100 << 20
                )

    study = Study(folder, listener=change_nodes)
    try:
        study.begin({})
        executor("ray", settings(folder, data)).run(study)
    finally:
        study.close()
    events = check_record(folder)
    found = [e["result"] for e in events if e["event"] == "trial_ended"]
    lost = [r for r in found if r["status"] == "lost"]
    assert 1 <= len(lost) <= 2
    assert sum(r["status"] == "completed" for r in found) == 7
    again = [r for r in found if r["attempt"] > 0 and r["status"] == "completed"]
    resumed = [r for r in again if r["metrics"]["own_steps"] < r["steps"]]  # from a checkpoint
    assert resumed
    seconds = max(until_measured_again(events, r["trial"]) for r in resumed)
    recovered("all worker nodes removed, new ones added", seconds)
