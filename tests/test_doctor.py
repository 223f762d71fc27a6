"""``prior-search doctor``: every finding, with the exit code that it must give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from prior_search import cli
from prior_search.commands import doctor as module
from prior_search.runner import NodeFacts, look_around

pytestmark = pytest.mark.filterwarnings("ignore")


def node(**changes: Any) -> NodeFacts:
    fields: dict[str, Any] = {
        "host": "w1",
        "gpus": [],
        "versions": {},
        "sees_probe": True,
        "can_write": "",
        "free_bytes": 1 << 40,
    }
    return NodeFacts(**(fields | changes))


def test_a_machine_as_asked_is_zero_and_another_two(tmp_path: Path, capsys: Any) -> None:
    command = ["doctor", "--executor", "local", "--storage-path", str(tmp_path)]
    assert cli.main([*command, "--expect-nodes", "1"]) == 0
    assert "all is as asked" in capsys.readouterr().out
    assert cli.main([*command, "--expect-nodes", "2"]) == 2
    assert "not as asked: nodes\n" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []  # probes are removed


def test_a_tracking_server_that_is_down_is_named(tmp_path: Path, capsys: Any) -> None:
    command = ["doctor", "--executor", "local", "--storage-path", str(tmp_path)]
    assert cli.main([*command, "--tracking-uri", "http://127.0.0.1:9"]) == 2
    assert "not as asked: tracking\n" in capsys.readouterr().out


def test_a_storage_that_cannot_be_written_is_named(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "file").write_text("")
    command = ["doctor", "--executor", "local", "--storage-path", str(tmp_path / "file")]
    assert cli.main(command) == 2
    assert "not as asked: storage\n" in capsys.readouterr().out


def test_other_versions_and_a_storage_of_its_own_are_findings() -> None:
    (finding,) = module._versions([node(versions={"torch": "1.0"})])
    assert not finding.is_good
    assert finding.text.startswith("torch 1.0 instead of ")
    (finding,) = module._storage([node(sees_probe=False)], Path("/studies"))
    assert (finding.is_good, finding.what) == (False, "storage on w1")
    (finding,) = module._storage([node(can_write="read-only")], Path("/studies"))
    assert finding.text == "/studies cannot be written: read-only"


def test_a_node_that_does_not_share_the_storage_does_not_see_the_probe(tmp_path: Path) -> None:
    (tmp_path / "probe").write_text("probe")
    assert look_around(["torch"], str(tmp_path), "probe").sees_probe
    (tmp_path / "other").mkdir()
    facts = look_around(["no-such-package"], str(tmp_path / "other"), "probe")
    assert not facts.sees_probe
    assert facts.versions["no-such-package"] == "missing"


@pytest.mark.ray
@pytest.mark.faults
def test_every_node_of_a_cluster_is_asked(tmp_path: Path, capsys: Any) -> None:
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "node_ip_address": "127.0.0.1", "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        cluster.add_node(num_cpus=1, node_ip_address="127.0.0.1")
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        command = ["doctor", "--storage-path", str(tmp_path), "--expect-nodes", "2"]
        assert cli.main(command) == 0
        assert "nodes: 2, expected 2" in capsys.readouterr().out
    finally:
        ray.shutdown()
        cluster.shutdown()
