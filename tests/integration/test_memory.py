"""A worker that Ray ends because its node runs low on memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.integration.executors import executor, settings
from tests.processes import free_port
from tests.recovery_times import until_measured_again

pytestmark = [pytest.mark.ray, pytest.mark.faults, pytest.mark.filterwarnings("ignore")]

LIMIT = 2 << 30  # of the node, in bytes: its idle workers have half of it, and one fills 4 GiB


def write(control_group: Path, **values: int) -> None:
    """What the kernel says of a control group, here in files of the test's own."""
    for name, value in values.items():
        partial = control_group / "partial"
        partial.write_text(f"{value}\n")
        partial.replace(control_group / f"memory.{name}")


def processes_of(folder: str) -> list[psutil.Process]:
    """Processes of the Ray whose sessions are in a folder; its workers end with them."""
    found = psutil.process_iter(["cmdline"])
    return [p for p in found if folder in " ".join(p.info["cmdline"] or [])]


def held_by_workers(folder: str) -> int:
    """Bytes that the workers of that Ray hold."""
    raylets = [p for p in processes_of(folder) if p.name() == "raylet"]
    total = 0
    for process in [child for raylet in raylets for child in raylet.children()]:
        with suppress(psutil.NoSuchProcess):  # it may end just now
            total += process.memory_info().rss
    return total


@pytest.fixture
def small_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Ray whose node has ``LIMIT`` bytes, in which nobody's but its own workers' memory counts.

    Ray reads limit and use of its container from the files of its control group. The processes of
    this Ray see files of the test's in their place, so other processes of the machine may take
    and free what they like.
    """
    folder, port = tempfile.mkdtemp(prefix="ps-"), free_port()
    control_group = tmp_path / "memory"
    control_group.mkdir()
    write(control_group, limit_in_bytes=LIMIT, usage_in_bytes=0)
    (control_group / "memory.stat").write_text("total_inactive_file 0\ntotal_active_file 0\n")
    mount = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /sys/fs/cgroup && exec "$@"']
    mount.append(str(tmp_path))
    if subprocess.run([*mount, "true"], check=False, capture_output=True).returncode:
        pytest.skip("a Ray with files of its own below /sys/fs/cgroup needs root")
    start = [
        str(Path(sys.executable).parent / "ray"), "start", "--head", f"--port={port}",
        "--node-ip-address=127.0.0.1", "--num-cpus=2", "--include-dashboard=false",
        f"--object-store-memory={100 << 20}",
    ]  # fmt: skip
    environment = os.environ | {"RAY_TMPDIR": folder, "RAY_memory_monitor_refresh_ms": "50"}
    done = threading.Event()

    def measure() -> None:
        while not done.wait(0.05):
            write(control_group, usage_in_bytes=held_by_workers(folder))

    watch = threading.Thread(target=measure, daemon=True)
    try:
        subprocess.run([*mount, *start], check=True, capture_output=True, env=environment)
        watch.start()
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
        yield
    finally:
        done.set()
        for process in processes_of(folder):
            process.kill()


def test_a_worker_that_ray_ends_for_its_memory_costs_an_attempt_that_says_so(
    small_node: None,
    rehearsal: Any,
    make_study: Any,
    run_study: Any,
    check_record: Any,
    recovered: Any,
    tmp_path: Path,
) -> None:
    data = rehearsal({"trial": 1, "kind": "fill_memory", "attempts": 1})
    folder = make_study(tmp_path / "study", data)
    run_study(folder, executor("ray", settings(folder, data)))
    events = check_record(folder)
    found = [e["result"] for e in events if e["event"] == "trial_ended"]
    first = next(r for r in found if (r["trial"], r["attempt"]) == (1, 0))
    assert first["status"] == "lost"
    assert first["error"].startswith("out of memory: Ray ended the worker")
    assert sum(r["status"] == "completed" for r in found) == 7  # Ray may end a neighbor as well
    recovered("worker ended by Ray for its node's memory", until_measured_again(events, 1))
