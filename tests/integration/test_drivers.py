"""What happens to drivers: killed, interrupted, and out of disk."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from prior_search.event_log import Event, read_events
from tests.integration.driver_nursery import Nursery
from tests.recovery_times import until_next

pytestmark = pytest.mark.filterwarnings("ignore")


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
    """Kill a search's driver so many times; returns the moments at which drivers were started.

    Three moments of four are drawn from the first second and a half, when a driver makes the study
    or takes it up, asks for suggestions and hands them out; the fourth waits for a training.
    """
    chance = random.Random(0)
    starts = []
    for number in range(times):
        ended = outcomes(log)
        lines = log.read_bytes().count(b"\n") if log.exists() else 0
        starts.append(time.time())
        driver = drivers.start(command)
        assert wait_for(log, lines + 1)
        if number % 4 == 3:
            wait_for(log, lines + chance.randint(3, 8), seconds=20)
        time.sleep(chance.uniform(0.0, 1.5))
        os.kill(driver, signal.SIGKILL)
        code, told = drivers.wait(driver)
        assert code == -signal.SIGKILL, told  # else the search was over before the last kill
        assert outcomes(log)[: len(ended)] == ended  # nothing that was finished is lost
    starts.append(time.time())
    code, told = drivers.wait(drivers.start(command))
    assert code == 0, told
    return starts


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("kind", "times"),
    [
        pytest.param("local", 10, marks=pytest.mark.faults),
        pytest.param("ray", 20, marks=[pytest.mark.ray, pytest.mark.faults]),
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
    recovered: Any,
    tmp_path: Path,
) -> None:
    where = dict(environment)
    if kind == "ray":
        where["RAY_ADDRESS"] = request.getfixturevalue("cluster").address
    data = rehearsal(step_seconds=0.08)  # no trial ends within a second and a half
    more = ("--max-concurrent-trials", "1", "--executor")
    log = tmp_path / "study" / "events.jsonl"
    with Nursery(where, tmp_path) as drivers:
        starts = kill_and_resume(
            times, ["search", *search_flags(tmp_path, data, *more, kind)], drivers, log
        )
        # one worker, so the order of results is that of an undisturbed search: so are its
        # suggestions
        undisturbed = search_flags(tmp_path / "other", data, *more, "local")
        code, told = drivers.wait(drivers.start(["search", *undisturbed]))
        assert code == 0, told
    events = check_record(log.parent)
    seconds = [until_next(events, start, "driver_started") for start in starts[1:]]
    recovered(f"driver killed {times} times ({kind}), study taken up, at most", max(seconds))
    recovered(f"the same, last driver's first trial ({kind})", until_next(events, starts[-1]))
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
    recovered: Any,
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
    again = time.time()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=where)
    assert done.returncode == 0, done.stderr
    recovered("Ctrl-C on a cluster", until_next(check_record(tmp_path / "study"), again))


@pytest.mark.faults
def test_a_full_disk_stops_the_search_with_a_message_and_room_lets_it_go_on(
    rehearsal: Any,
    search_command: Any,
    environment: dict[str, str],
    check_record: Any,
    recovered: Any,
    tmp_path: Path,
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24k", "none", str(disk)]
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
        again = time.time()
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment
        )
        assert done.returncode == 0, done.stdout + done.stderr
        recovered("disk of the study full", until_next(check_record(disk / "study"), again))
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
