"""Machines to log in to: namespaces of this one, with an sshd each, and a cable between them.

A machine has processes, addresses and a name of its own, and a home in the test's folder, which
takes the place of the user's in ``/etc/passwd``. Its network ends at the cable, so what listens on
all its addresses is still out of anybody's reach. Ending its first process ends all of them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent.parent
SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
SPACES = ("--net", "--pid", "--uts", "--mount-proc", "--fork", "--kill-child")
PROGRAMS = ("ssh", "ssh-keygen", "rsync", "ip", "unshare", "nsenter")
ADDRESSES = {"head": "10.0.0.1", "worker": "10.0.0.2"}

BOOT = """
set -e
hostname {name}
mount --bind {home}/passwd /etc/passwd
mount --bind {home}/tmp /tmp/ray
ip link set lo up
exec {sshd} -D -e -f {folder}/sshd_config
"""
PROFILE = """
export PATH={python}:$PATH PYTHONPATH=$HOME/prior-search
export RAY_USAGE_STATS_ENABLED=0 RAY_worker_niceness=0 OMP_NUM_THREADS=1
"""
SSHD_CONFIG = """
HostKey {folder}/key
AuthorizedKeysFile {folder}/key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
"""


def can_be_made() -> bool:
    """Whether the programs are there, and this process may make namespaces."""
    if SSHD is None or not all(map(shutil.which, PROGRAMS)) or os.geteuid() != 0:
        return False
    attempt = ["unshare", *SPACES, "sh", "-c", "ip link add cable type veth peer name end"]
    return subprocess.run(attempt, capture_output=True, check=False).returncode == 0


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def make_home(folder: Path, name: str, user: str) -> None:
    """The home of a machine's user, which is another name of root."""
    home = folder / name
    (home / "tmp").mkdir(parents=True)
    accounts = f"{user}:x:0:0::{home}:/bin/bash\n" + Path("/etc/passwd").read_text()
    write(home / "passwd", accounts, 0o644)
    for profile in (".bashrc", ".bash_profile"):
        write(home / profile, PROFILE.format(python=Path(sys.executable).parent))


def boot(folder: Path, name: str) -> subprocess.Popen[bytes]:
    """Start a machine; its first process is its sshd."""
    script = BOOT.format(name=name, home=folder / name, folder=folder, sshd=SSHD)
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(["unshare", *SPACES, "bash", "-c", script], stderr=log)


def wait_for_sshd(machine: subprocess.Popen[bytes], log: Path) -> None:
    """Return as soon as a machine lets somebody log in."""
    deadline = time.monotonic() + 60
    while "listening" not in log.read_text():
        assert machine.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def on(machine: subprocess.Popen[bytes], *command: str) -> list[str]:
    """The command line that runs a command on a machine, from the root of the checkout."""
    first = psutil.Process(machine.pid).children()[0].pid
    spaces = ("--net", "--pid", "--uts", "--mount", f"--wd={ROOT}")
    return ["nsenter", f"--target={first}", *spaces, *command]


def connect(head: subprocess.Popen[bytes], worker: subprocess.Popen[bytes]) -> None:
    """A cable between two machines, which have their addresses at its ends."""

    def ip(machine: subprocess.Popen[bytes], line: str) -> None:
        network = f"--net=/proc/{machine.pid}/ns/net"
        subprocess.run(["nsenter", network, "ip", *line.split()], check=True)

    ip(head, f"link add cable type veth peer name cable netns {worker.pid}")
    for machine, address in zip((head, worker), ADDRESSES.values(), strict=True):
        ip(machine, f"addr add {address}/24 dev cable")
        ip(machine, "link set up dev cable")
        ip(machine, "route add default dev cable")  # Ray looks along it for its own address


@contextmanager
def two_machines(folder: Path, user: str) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Machines "head" and "worker" that let in who has the folder's ``key``."""
    key = str(folder / "key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    write(folder / "sshd_config", SSHD_CONFIG.format(folder=folder))
    for needed in ("/run/sshd", "/tmp/ray"):  # by sshd, and to mount something there
        Path(needed).mkdir(exist_ok=True)
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name in ADDRESSES:
            make_home(folder, name, user)
            running[name] = boot(folder, name)
            wait_for_sshd(running[name], folder / f"{name}.log")
        connect(running["head"], running["worker"])
        yield running
    finally:
        for machine in running.values():
            machine.kill()  # and with it all that runs there
            machine.wait()
