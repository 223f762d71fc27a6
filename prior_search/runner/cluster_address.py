"""Which Ray cluster to join, found out before Ray is imported."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def running_cluster() -> str | None:
    """Address of the cluster to join: as RAY_ADDRESS says, or the live one of this machine."""
    if "RAY_ADDRESS" in os.environ:
        return os.environ["RAY_ADDRESS"]
    note = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray" / "ray_current_cluster"
    if not note.exists():
        return None
    address = note.read_text().strip()
    host, _, port = address.rpartition(":")
    try:
        # Ray waits two minutes for a head that was killed, as its note stays behind
        socket.create_connection((host.strip("[]"), int(port)), timeout=2.0).close()
    except (OSError, ValueError):
        return None
    return address


def is_on_loopback(address: str | None) -> bool:
    """Whether an address (``host:port``) is reached on this machine only."""
    host = (address or "").rpartition(":")[0].strip("[]")
    return host in ("localhost", "::1") or host.startswith("127.")


def loopback_switch() -> dict[str, str]:
    """What the environment needs, before Ray is imported, to join a cluster on loopback.

    Ray replaces a loopback address by the machine's public one, where such a cluster does not
    listen; this switch of Ray's, named after the systems that have it on, keeps the address.
    """
    name = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
    is_needed = name not in os.environ and is_on_loopback(running_cluster())
    return {name: "0"} if is_needed else {}
