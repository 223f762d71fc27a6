"""``ray up`` and ``ray submit`` for real, over an sshd of the test's own on loopback.

Nothing outside the test's folder is touched: sshd has its own configuration, keys and port, and
a forced command gives every login a home in that folder. ``ray stop`` is left out, as it stops
every Ray of the machine: the cluster is ended by its process ids. The user's own machine is a
second home, whose token must replace the one that a local search has left on the head.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from prior_search.event_log import read_events

ROOT = Path(__file__).parent.parent.parent
SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(
        SSHD is None or shutil.which("rsync") is None or os.geteuid() != 0,
        reason="needs root, and the packages openssh-server, openssh-client and rsync",
    ),
]

LOGIN = """#!/bin/bash
export HOME={home}
cd "$HOME"
exec bash -c "$SSH_ORIGINAL_COMMAND"
"""
PROFILE = """
export PATH={python}:$PATH PYTHONPATH=$HOME/prior-search RAY_TMPDIR={folder}
export RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 RAY_USAGE_STATS_ENABLED=0 OMP_NUM_THREADS=1
"""
PROXY = """#!{python} -SE
import os, socket, threading
server = socket.create_connection(("127.0.0.1", {port}))
def send():
    while data := os.read(0, 65536):
        server.sendall(data)
    server.shutdown(socket.SHUT_WR)
threading.Thread(target=send, daemon=True).start()
while data := server.recv(65536):
    os.write(1, data)
"""
SSHD_CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/key
AuthorizedKeysFile {folder}/key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
ForceCommand {folder}/login
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def end_processes(folder: Path) -> None:
    """End what runs out of a folder: the cluster and its workers."""
    for process in psutil.process_iter(["cmdline", "environ"]):
        told = " ".join(process.info["cmdline"] or [])
        inherited = (process.info["environ"] or {}).get("RAY_TMPDIR")
        if str(folder) in told or inherited == str(folder):
            process.kill()


@pytest.fixture
def machine() -> Iterator[Path]:
    """A folder with the head's home, an sshd that lets its key in there, and the user's home."""
    folder = Path(tempfile.mkdtemp(prefix="ps-"))
    port, home = free_port(), folder / "home"
    (home / ".ray").mkdir(parents=True)
    write(home / ".ray" / "auth_token", "left by a local search" * 3, 0o644)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")], check=True
    )
    write(folder / "login", LOGIN.format(home=home), 0o700)
    write(folder / "proxy", PROXY.format(python=sys.executable, port=port), 0o700)
    for name in (".bashrc", ".bash_profile"):
        python = Path(sys.executable).parent
        write(home / name, PROFILE.format(python=python, folder=folder))
    config = write(folder / "sshd_config", SSHD_CONFIG.format(port=port, folder=folder))
    Path("/run/sshd").mkdir(exist_ok=True)  # sshd refuses to start without it
    assert SSHD is not None
    log = (folder / "sshd.log").open("wb")
    server = subprocess.Popen([SSHD, "-D", "-e", "-f", str(config)], stderr=log)
    try:
        yield folder
    finally:
        end_processes(folder)
        server.terminate()
        server.wait()
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def cluster_file(folder: Path) -> Path:
    """``clusters/onprem.yaml`` with this machine as its only host, and nothing to install."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "clusters" / "onprem.yaml").read_text())
    config["cluster_name"] = f"test-{os.getpid()}"
    config["provider"] |= {"head_ip": "127.0.0.1", "worker_ips": []}
    config["min_workers"] = config["max_workers"] = 0
    config["auth"] = {
        "ssh_user": "root",
        "ssh_private_key": str(folder / "key"),
        "ssh_proxy_command": str(folder / "proxy"),
    }
    # this environment has what the others would install
    config["setup_commands"] = [c for c in config["setup_commands"] if "bin/python" not in c]
    assert "python3 -m venv" in config["setup_commands"].pop(0)
    start = config["head_start_ray_commands"]
    assert start[0] == "ray stop"
    here = f"--node-ip-address=127.0.0.1 --num-cpus=1 --port={free_port()} "
    config["head_start_ray_commands"] = [start[1].replace("--port=6379 ", here)]
    config["file_mounts"] = {
        remote: local if local.startswith("~") else str(ROOT / local)
        for remote, local in config["file_mounts"].items()
    }
    return write(folder / "cluster.yaml", yaml.safe_dump(config))


def call(
    folder: Path, home: str, *command: str, **changes: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of this environment in a home, without the token of the other tests."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_AUTH_")}
    environment |= {"HOME": str(folder / home), "RAY_TMPDIR": str(folder)} | changes
    return subprocess.run(
        [str(Path(sys.executable).parent / command[0]), *command[1:]],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=240,
    )


def ray(folder: Path, *arguments: str) -> str:
    """Run one of Ray's commands as a user would."""
    done = call(folder, "user", "ray", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def assert_nobody_joins_without_the_token(folder: Path, stale: str) -> None:
    """On the head's machine itself, where nothing but the token keeps one out."""

    def knock(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return call(folder, "stranger", "prior-search", "doctor", **environment)

    tokens = ({}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": stale})
    with ThreadPoolExecutor() as threads:  # Ray tries for half a minute
        for done in threads.map(knock, tokens):
            assert done.returncode == 2, done.stdout + done.stderr
            assert "InvalidAuthToken" in done.stderr
            assert "no Ray cluster answers at 127.0.0.1:" in done.stderr


def test_a_cluster_comes_up_runs_a_submitted_search_and_gives_the_study_back(
    machine: Path, tracks_path: Path, tmp_path: Path
) -> None:
    config = str(cluster_file(machine))
    kept = machine / "home" / ".ray" / "auth_token"
    stale = kept.read_text()
    token = ray(machine, "get-auth-token", "--generate")
    ray(machine, "up", "-y", "--no-config-cache", config)
    told = ray(machine, "exec", config, "prior-search doctor --expect-nodes 1")
    assert "all is as asked" in told
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == (token, 0o600)
    assert_nobody_joins_without_the_token(machine, stale)
    smoke = [
        "--bottleneck", "td", "--data", str(tracks_path), "--device", "cpu", "--steps", "8",
        "--stage1-trials", "2", "--stage2-trials", "1",
        "--set", "budget.anchors=0", "--set", "budget.confirm_trials=0",
    ]  # fmt: skip
    shown = ray(machine, "submit", config, "search.py", "--family", "gaussian", *smoke)
    assert "recommended weights" in shown
    assert (machine / "home" / "search.py").exists()  # that is all it brings
    target = tmp_path / "studies"
    ray(machine, "rsync-down", config, "~/prior-search-studies/", f"{target}/")
    events = read_events(target / "gaussian-contrastive-tiny" / "events.jsonl")
    ended = [e["result"] for e in events if e["event"] == "trial_ended"]
    assert [r["status"] for r in ended] == ["completed"] * 3
    assert (target / "gaussian-contrastive-tiny" / "best" / "td.toml").exists()
    started = [e for e in events if e["event"] == "trial_started"]
    assert len(started) == 3
    assert time.time() - events[0]["time"] < 3600  # of this test, not of a home that was there
