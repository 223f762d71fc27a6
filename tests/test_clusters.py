"""Cluster files against Ray's own schema; no cluster is started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
CLUSTERS = sorted((ROOT / "clusters").glob("*.yaml"))

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]


def load(path: Path) -> dict[str, Any]:
    content = yaml.safe_load(path.read_text())
    assert isinstance(content, dict)
    return content


@pytest.mark.parametrize("path", CLUSTERS, ids=lambda p: p.name)
def test_a_cluster_file_satisfies_ray_s_schema(path: Path) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(load(path)))  # as `ray up` does


def test_the_schema_refuses_what_it_does_not_know() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    with pytest.raises(Exception, match="unknown_key"):
        validate_config(prepare_config(load(CLUSTERS[0]) | {"unknown_key": 1}))


@pytest.mark.parametrize("path", CLUSTERS, ids=lambda p: p.name)
def test_a_cluster_file_brings_all_that_the_package_needs_to_install(path: Path) -> None:
    config = load(path)
    brought = {Path(local).name for local in config["file_mounts"].values()}
    assert brought == {"prior_search", "search_spaces", "pyproject.toml", "README.md"}
    assert all((ROOT / local).exists() for local in config["file_mounts"].values())
    assert any("pip install ~/prior-search" in command for command in config["setup_commands"])


def test_search_py_runs_from_anywhere_as_ray_submit_does_it(tmp_path: Path) -> None:
    """Only search.py is copied to the head's home; the package comes from its install."""
    (tmp_path / "search.py").write_text((ROOT / "search.py").read_text())
    command = [
        sys.executable,
        "search.py",
        "--family",
        "gaussian",
        "--dry-run",
        "--storage-path",
        ".",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "gaussian-contrastive-tiny" in done.stdout
