"""Which cluster a driver joins, as Ray's note on the machine says."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from prior_search.runner.cluster_address import running_cluster


@pytest.mark.parametrize(
    ("family", "host", "noted"),
    [(socket.AF_INET, "127.0.0.1", "127.0.0.1"), (socket.AF_INET6, "::1", "[::1]")],
    ids=["IPv4", "IPv6"],
)
def test_a_noted_cluster_is_joined_while_it_answers(
    family: socket.AddressFamily,
    host: str,
    noted: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    (tmp_path / "ray").mkdir()
    try:
        head = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"this machine has no {noted}")
    with head:
        address = f"{noted}:{head.getsockname()[1]}"
        (tmp_path / "ray" / "ray_current_cluster").write_text(address)
        assert running_cluster() == address
    assert running_cluster() is None
