"""``ray up``, ``ray submit`` and ``ray down`` for real, on a head and a worker of the test's own.

They are namespaces of this machine (``machines.py``), reached over ssh at the addresses of
``clusters/onprem.yaml``, of which only what the test's environment has already is left out. The
head has no CPUs, so that trials must run on the worker. The user's own machine is a second home on
the head, whose token must replace the one that a local search has left there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from prior_search.event_log import read_events
from tests.integration.machines import ADDRESSES, ROOT, can_be_made, on, two_machines, write

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(900),  # on a busy machine
    pytest.mark.skipif(
        not can_be_made(),
        reason="needs root that may make namespaces, and the packages openssh-server, "
        "openssh-client, rsync and iproute2",
    ),
]


@dataclass(frozen=True)
class Site:
    """Two machines, and the folder with their homes and the user's."""

    folder: Path
    machines: dict[str, subprocess.Popen[bytes]]

    def call(self, home: str, *command: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run a command of this environment on the head, without the other tests' settings."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
        environment |= {"HOME": str(self.folder / home), "RAY_USAGE_STATS_ENABLED": "0"}
        program = Path(sys.executable).parent / command[0]
        return subprocess.run(
            on(self.machines["head"], str(program), *command[1:]),
            capture_output=True,
            text=True,
            check=False,
            env=environment | changes,
            timeout=240,
        )

    def ray(self, *arguments: str) -> str:
        """Run one of Ray's commands as the user would, who keeps Ray's files apart."""
        done = self.call("user", "ray", *arguments, RAY_TMPDIR=str(self.folder / "user"))
        assert done.returncode == 0, done.stdout + done.stderr + self.log_of_the_autoscaler()
        return done.stdout

    def log_of_the_autoscaler(self) -> str:
        """What the head says of the workers that it starts."""
        logs = sorted((self.folder / "head" / "tmp").glob("session_2*/logs/monitor.*"))
        return "\n".join(f"--- {path.name}\n{path.read_text()[-6000:]}" for path in logs)

    def runs(self, machine: str) -> set[str]:
        """Ray's own programs that run on a machine."""
        inside = psutil.Process(self.machines[machine].pid).children(recursive=True)
        live = {p.name() for p in inside if p.is_running() and p.status() != psutil.STATUS_ZOMBIE}
        return live & {"gcs_server", "raylet"}


@pytest.fixture
def site() -> Iterator[Site]:
    folder = Path(tempfile.mkdtemp(prefix="ps-"))  # pytest's own is too long for Ray's sockets
    try:
        for home in ("user", "stranger"):
            (folder / home).mkdir()
        with two_machines(folder, "ubuntu") as machines:
            yield Site(folder, machines)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def cluster_file(folder: Path) -> str:
    """``clusters/onprem.yaml`` with one worker, and nothing to install."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "clusters" / "onprem.yaml").read_text())
    assert config["provider"]["head_ip"] == ADDRESSES["head"]
    config["cluster_name"] = f"test-{os.getpid()}"
    config["provider"]["worker_ips"] = [ADDRESSES["worker"]]
    config["min_workers"] = config["max_workers"] = 1
    config["auth"]["ssh_private_key"] = str(folder / "key")
    # this environment has what the others would install
    config["setup_commands"] = [c for c in config["setup_commands"] if "bin/python" not in c]
    assert "python3 -m venv" in config["setup_commands"].pop(0)
    config["head_start_ray_commands"][1] += " --num-cpus=0"
    config["worker_start_ray_commands"][1] += " --num-cpus=1"
    return str(write(folder / "cluster.yaml", yaml.safe_dump(config)))


def wait_for_nodes(site: Site, config: str, count: int) -> None:
    """The head starts its workers after ``ray up`` has returned."""
    asked = ("ray", "exec", config, f"prior-search doctor --expect-nodes {count}")
    deadline = time.monotonic() + 150
    while True:
        done = site.call("user", *asked, RAY_TMPDIR=str(site.folder / "user"))
        if done.returncode == 0:
            break
        assert time.monotonic() < deadline, done.stdout + site.log_of_the_autoscaler()
    assert "all is as asked" in done.stdout


def assert_nobody_joins_without_the_token(site: Site, stale: str) -> None:
    """On the head itself, where nothing but the token keeps one out."""

    def knock(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return site.call("stranger", "prior-search", "doctor", **environment)

    tokens = ({}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": stale})
    with ThreadPoolExecutor() as threads:  # Ray tries for half a minute
        for done in threads.map(knock, tokens):
            assert done.returncode == 2, done.stdout + done.stderr
            assert "InvalidAuthToken" in done.stderr
            assert f"no Ray cluster answers at {ADDRESSES['head']}:6379" in done.stderr


def wait_until_nothing_runs(site: Site, machine: str) -> None:
    """A worker ends when it has missed its head for a minute: ``ray down`` leaves it alone."""
    deadline = time.monotonic() + 150
    while still := site.runs(machine):
        assert time.monotonic() < deadline, f"{still} of {machine}"
        time.sleep(1)


def test_a_cluster_comes_up_searches_on_its_worker_gives_the_study_back_and_goes_down(
    site: Site, tracks_path: Path, tmp_path: Path
) -> None:
    config = cluster_file(site.folder)
    stale = "left by a local search" * 3
    kept = site.folder / "head" / ".ray" / "auth_token"
    kept.parent.mkdir()
    write(kept, stale, 0o644)
    token = site.ray("get-auth-token", "--generate")
    site.ray("up", "-y", "--no-config-cache", config)
    wait_for_nodes(site, config, 2)
    for home in ("head", "worker"):
        handed_out = site.folder / home / ".ray" / "auth_token"
        assert (handed_out.read_text(), handed_out.stat().st_mode & 0o777) == (token, 0o600)
    assert_nobody_joins_without_the_token(site, stale)
    smoke = [
        "--bottleneck", "td", "--data", str(tracks_path), "--device", "cpu", "--steps", "8",
        "--stage1-trials", "2", "--stage2-trials", "1",
        "--set", "budget.anchors=0", "--set", "budget.confirm_trials=0",
    ]  # fmt: skip
    shown = site.ray("submit", config, "search.py", "--family", "gaussian", *smoke)
    assert "recommended weights" in shown
    assert (site.folder / "head" / "search.py").exists()  # that is all it brings
    target = tmp_path / "studies"
    site.ray("rsync-down", config, "~/prior-search-studies/", f"{target}/")
    events = read_events(target / "gaussian-contrastive-tiny" / "events.jsonl")
    ended = [e["result"] for e in events if e["event"] == "trial_ended"]
    assert [r["status"] for r in ended] == ["completed"] * 3
    assert {r["worker"].partition(":")[0] for r in ended} == {"worker"}
    assert (target / "gaussian-contrastive-tiny" / "best" / "td.toml").exists()
    started = [e for e in events if e["event"] == "trial_started"]
    assert len(started) == 3
    assert time.time() - events[0]["time"] < 3600  # of this test, not of a home that was there
    assert [site.runs(name) for name in ADDRESSES] == [{"gcs_server", "raylet"}, {"raylet"}]
    site.ray("down", "-y", config)
    assert site.runs("head") == set()
    wait_until_nothing_runs(site, "worker")
