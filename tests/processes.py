"""Processes that tests start, and how they end."""

from __future__ import annotations

import subprocess
from typing import Any

import psutil


def kill_family(process: subprocess.Popen[Any] | None) -> None:
    """End a process with its workers, as a machine does that goes away."""
    if process is None or process.poll() is not None:
        return
    for child in psutil.Process(process.pid).children(recursive=True):
        child.kill()
    process.kill()
    process.wait()
