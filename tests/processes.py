"""Processes that tests start, where they listen, and how they end."""

from __future__ import annotations

import socket
import subprocess
from typing import Any

import psutil


def free_port() -> int:
    """A port of loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def kill_family(process: subprocess.Popen[Any] | None) -> None:
    """End a process with its workers, as a machine does that goes away."""
    if process is None or process.poll() is not None:
        return
    for child in psutil.Process(process.pid).children(recursive=True):
        child.kill()
    process.kill()
    process.wait()
