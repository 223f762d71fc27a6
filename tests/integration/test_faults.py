"""What happens to trials, on this machine's processes and on a real Ray of several nodes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from prior_search.event_log import Event, read_events
from prior_search.runner import LocalExecutor, WorkerSettings
from tests.integration.driver_nursery import Nursery

pytestmark = pytest.mark.filterwarnings("ignore")

ON_RAY = [pytest.mark.ray, pytest.mark.faults]
FAULTS = (
    {"trial": 0, "kind": "raise", "attempts": 1},
    {"trial": 1, "kind": "diverge"},
    {"trial": 2, "kind": "hang", "attempts": 1},
    {"trial": 3, "kind": "kill", "attempts": 2, "at": 0.8},
    {"trial": 4, "kind": "raise"},
)


def settings(folder: Path, data: Path | str, **changes: Any) -> WorkerSettings:
    fields: dict[str, Any] = {
        "data": str(data),
        "trials_folder": str(folder / "trials"),
        "device": "cpu",
        "checkpoint_seconds": 0.0,
    }
    return WorkerSettings(**(fields | changes))


@pytest.fixture
def on_cluster(cluster: Any) -> Iterator[Any]:
    """This process as a driver of the cluster."""
    import ray

    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    yield cluster
    ray.shutdown()


def executor(kind: str, worker: WorkerSettings) -> Any:
    if kind == "local":
        return LocalExecutor(worker, num_workers=2)
    from prior_search.runner.tune import TuneExecutor

    return TuneExecutor(worker, max_concurrent=2)


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
    tmp_path: Path,
) -> None:
    if kind == "ray":
        request.getfixturevalue("on_cluster")
    data = rehearsal(*FAULTS)
    folder = make_study(tmp_path / "study", data)
    run_study(folder, executor(kind, settings(folder, data, trial_seconds=5.0)))
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
    assert errors[2, 0] == "t0002: no result after 5 s, so its process was ended"
    assert "the rehearsal lets this trial fail" in errors[0, 0]
    done = {e["result"]["trial"]: e["result"] for e in events if e["event"] == "trial_ended"}
    assert done[3]["metrics"]["own_steps"] <= 5  # of 20: the rest came from the checkpoint
    assert done[5]["metrics"]["own_steps"] == 40


@pytest.mark.ray
@pytest.mark.faults
def test_a_node_that_goes_away_costs_an_attempt_and_a_new_one_is_used(
    on_cluster: Any, rehearsal: Any, make_study: Any, check_record: Any, tmp_path: Path
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
    assert any(r["metrics"]["own_steps"] < r["steps"] for r in again)  # from a checkpoint


@pytest.mark.ray
@pytest.mark.faults
def test_a_worker_that_ray_ends_for_its_memory_costs_an_attempt_that_says_so(
    rehearsal: Any,
    make_study: Any,
    run_study: Any,
    check_record: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    memory = psutil.virtual_memory()
    # room for other processes of the machine, and less than the trial takes
    allowed = (memory.total - memory.available + (5 << 29)) / memory.total
    monkeypatch.setenv("RAY_memory_usage_threshold", f"{allowed:.3f}")
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "50")
    data = rehearsal({"trial": 1, "kind": "fill_memory", "attempts": 1})
    folder = make_study(tmp_path / "study", data)
    run_study(folder, executor("ray", settings(folder, data)))
    events = check_record(folder)
    found = [e["result"] for e in events if e["event"] == "trial_ended"]
    first = next(r for r in found if (r["trial"], r["attempt"]) == (1, 0))
    assert first["status"] == "lost"
    assert first["error"].startswith("out of memory")
    assert sum(r["status"] == "completed" for r in found) == 7  # Ray may end a neighbor as well


def wait_for(log: Path, lines: int, seconds: float = 120.0) -> bool:
    """Wait until a log has so many lines; False if it has not in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if log.exists() and log.read_bytes().count(b"\n") >= lines:
            return True
        time.sleep(0.01)
    return False


def outcomes(log: Path) -> list[Event]:
    """Results in a log that may not be there yet."""
    events = read_events(log) if log.exists() else []
    return [e for e in events if e["event"] == "trial_ended"]


def kill_and_resume(times: int, command: list[str], drivers: Nursery, log: Path) -> list[float]:
    """Kill a search's driver so many times; returns the seconds from each start to an event.

    Three moments of four are drawn from the first second and a half, when a driver makes the study
    or takes it up, asks for suggestions and hands them out; the fourth waits for a training.
    """
    chance = random.Random(0)
    recovery = []
    for number in range(times):
        ended = outcomes(log)
        lines = log.read_bytes().count(b"\n") if log.exists() else 0
        started = time.monotonic()
        driver = drivers.start(command)
        assert wait_for(log, lines + 1)
        recovery.append(time.monotonic() - started)
        if number % 4 == 3:
            wait_for(log, lines + chance.randint(3, 8), seconds=20)
        time.sleep(chance.uniform(0.0, 1.5))
        os.kill(driver, signal.SIGKILL)
        code, told = drivers.wait(driver)
        assert code == -signal.SIGKILL, told  # else the search was over before the last kill
        assert outcomes(log)[: len(ended)] == ended  # nothing that was finished is lost
    code, told = drivers.wait(drivers.start(command))
    assert code == 0, told
    return recovery


@pytest.mark.parametrize(
    ("kind", "times"),
    [
        pytest.param("local", 10, marks=pytest.mark.faults),
        pytest.param("ray", 20, marks=ON_RAY),
    ],
)
def test_a_driver_killed_at_random_moments_loses_and_repeats_no_finished_trial(
    kind: str,
    times: int,
    request: pytest.FixtureRequest,
    rehearsal: Any,
    search_flags: Any,
    environment: dict[str, str],
    check_record: Any,
    record_testsuite_property: Callable[[str, object], None],
    tmp_path: Path,
) -> None:
    where = dict(environment)
    if kind == "ray":
        where["RAY_ADDRESS"] = request.getfixturevalue("cluster").address
    data = rehearsal(step_seconds=0.05)
    more = ("--max-concurrent-trials", "1", "--executor")
    log = tmp_path / "study" / "events.jsonl"
    with Nursery(where, tmp_path) as drivers:
        recovery = kill_and_resume(
            times, ["search", *search_flags(tmp_path, data, *more, kind)], drivers, log
        )
        # one worker, so the order of results is that of an undisturbed search: so are its
        # suggestions
        undisturbed = search_flags(tmp_path / "other", data, *more, "local")
        code, told = drivers.wait(drivers.start(["search", *undisturbed]))
        assert code == 0, told
    record_testsuite_property(f"seconds_to_recover_{kind}", max(recovery))
    events = check_record(log.parent)
    statuses = {e["result"]["status"] for e in events if e["event"] == "trial_ended"}
    assert statuses == {"completed"}
    other = read_events(tmp_path / "other" / "study" / "events.jsonl")
    ours, theirs = (
        [e["suggestion"] for e in log if e["event"] == "trial_suggested"]
        for log in (events, other)
    )
    assert ours == theirs


@pytest.mark.ray
@pytest.mark.faults
def test_ctrl_c_on_a_cluster_says_how_to_go_on(
    cluster: Any,
    rehearsal: Any,
    search_command: Any,
    environment: dict[str, str],
    check_record: Any,
    tmp_path: Path,
) -> None:
    where = environment | {"RAY_ADDRESS": cluster.address}
    command = search_command(tmp_path, rehearsal(step_seconds=0.05))
    log = tmp_path / "study" / "events.jsonl"
    driver = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=where
    )
    assert wait_for(log, 9)
    os.kill(driver.pid, signal.SIGINT)
    output, _ = driver.communicate(timeout=60)
    assert driver.returncode == 130
    assert "Resume with:" in output
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=where)
    assert done.returncode == 0, done.stderr
    check_record(tmp_path / "study")


@pytest.mark.faults
def test_a_full_disk_stops_the_search_with_a_message_and_room_lets_it_go_on(
    rehearsal: Any,
    search_command: Any,
    environment: dict[str, str],
    check_record: Any,
    tmp_path: Path,
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        command = search_command(disk, rehearsal(), "--executor", "local")
        command += ["--tracking-uri", f"sqlite:///{tmp_path / 'mlflow.db'}"]
        full = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment
        )
        assert full.returncode in (1, 2), full.stdout + full.stderr
        assert "No space left on device" in full.stderr
        assert "Traceback" not in full.stderr
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment
        )
        assert done.returncode == 0, done.stdout + done.stderr
        check_record(disk / "study")
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
