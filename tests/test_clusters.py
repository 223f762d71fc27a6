"""Cluster files against Ray's own schema; no cluster is started."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from prior_search import cli
from prior_search.errors import RequestError

ROOT = Path(__file__).parent.parent
CLUSTERS = [ROOT / "clusters" / name for name in ("gpu.yaml", "local.yaml", "onprem.yaml")]
# fields of ray.io/v1 that the operator knows (its Go types RayJobSpec, RayClusterSpec, ...)
RAY_JOB = {
    "activeDeadlineSeconds", "backoffLimit", "rayClusterSpec", "submitterPodTemplate", "metadata",
    "clusterSelector", "submitterConfig", "managedBy", "deletionStrategy", "entrypoint",
    "runtimeEnvYAML", "jobId", "submissionMode", "entrypointResources", "entrypointNumCpus",
    "entrypointNumGpus", "ttlSecondsAfterFinished", "shutdownAfterJobFinishes", "suspend",
}  # fmt: skip
RAY_CLUSTER = {
    "headGroupSpec", "workerGroupSpecs", "rayVersion", "enableInTreeAutoscaling",
    "autoscalerOptions", "suspend", "authOptions",
}  # fmt: skip
HEAD_GROUP = {"serviceType", "headService", "enableIngress", "rayStartParams", "template"}
WORKER_GROUP = {
    "groupName", "replicas", "minReplicas", "maxReplicas", "numOfHosts", "rayStartParams",
    "template", "scaleStrategy",
}  # fmt: skip

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
    assert brought == {
        "prior_search",
        "search_spaces",
        "pyproject.toml",
        "README.md",
        "auth_token",
    }
    own = [local for local in config["file_mounts"].values() if not local.startswith("~")]
    assert len(own) == 4
    assert all((ROOT / local).exists() for local in own)
    assert any("pip install ~/prior-search" in command for command in config["setup_commands"])


@pytest.mark.parametrize("path", CLUSTERS, ids=lambda p: p.name)
def test_a_cluster_file_asks_for_the_token_and_hands_it_out(path: Path) -> None:
    """Joining sends it only with the mode in the environment; older Ray starts without it, too."""
    config = load(path)
    for commands in (config["head_start_ray_commands"], config["worker_start_ray_commands"]):
        stop, start = commands
        assert stop == "ray stop"
        assert "RAY_AUTH_MODE=token " in start.partition("ray start ")[0]
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    secure, profile, source = config["setup_commands"][-3:]
    assert secure == "chmod 600 ~/.ray/auth_token"
    assert profile.startswith("echo 'export RAY_AUTH_MODE=token")
    assert profile.endswith("> ~/.prior-search-path")
    assert "~/.bashrc" in source
    header = path.read_text().partition("cluster_name:")[0]
    assert header.index("ray get-auth-token --generate") < header.index("ray up ")


def test_machines_of_one_s_own_are_not_left_to_the_second_autoscaler() -> None:
    """It counts the head as one of the workers; ``ray up`` exports 1 before these commands."""
    start = load(ROOT / "clusters" / "onprem.yaml")["head_start_ray_commands"][1]
    assert "RAY_enable_autoscaler_v2=0 " in start.partition("ray start ")[0]


def test_the_ray_job_has_only_fields_that_the_operator_knows() -> None:
    job = load(ROOT / "clusters" / "kuberay.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec, cluster = job["spec"], job["spec"]["rayClusterSpec"]
    assert spec.keys() <= RAY_JOB
    assert cluster.keys() <= RAY_CLUSTER
    assert cluster["authOptions"] == {"mode": "token"}
    head, workers = cluster["headGroupSpec"], cluster["workerGroupSpecs"]
    assert head.keys() <= HEAD_GROUP
    assert head["rayStartParams"]["num-cpus"] == "0"  # no trials on it
    for group in workers:
        assert group.keys() <= WORKER_GROUP
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    pods = [group["template"]["spec"] for group in (head, *workers)]
    for pod in pods:
        assert {mount["name"] for mount in pod["containers"][0]["volumeMounts"]} == {"studies"}
        assert {volume["name"] for volume in pod["volumes"]} == {"studies"}
        switches = {e["name"]: e["value"] for e in pod["containers"][0]["env"]}
        assert switches["RAY_USAGE_STATS_ENABLED"] == "0"


def test_the_entrypoint_of_the_ray_job_is_a_command_line_that_parses() -> None:
    job = load(ROOT / "clusters" / "kuberay.yaml")
    program, *flags = shlex.split(job["spec"]["entrypoint"])
    assert program == "prior-search"
    assert cli._parser().parse_args(flags).family == "gaussian"


def test_the_slurm_script_is_sound_shell() -> None:
    script = str(ROOT / "clusters" / "slurm.sh")
    subprocess.run(["bash", "-n", script], check=True)
    if shutil.which("shellcheck"):
        done = subprocess.run(["shellcheck", script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_the_slurm_script_makes_a_token_counts_its_nodes_and_hands_its_flags_on(
    tmp_path: Path,
) -> None:
    """Run with stand-ins for the commands of a SLURM node, which note how they are called."""
    called, bin_folder = tmp_path / "called", tmp_path / "bin"
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "activate").write_text("")
    bin_folder.mkdir()
    token = tmp_path / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text("left by a local search")
    token.chmod(0o644)
    answers = {"scontrol": "printf 'a\\nb\\n'", "srun": "echo 10.0.0.7"}
    for name in ("scontrol", "srun", "prior-search", "python", "ray"):
        line = (
            f'#!/bin/sh\necho "{name} $*" >> {called}\n'
            f'echo "{name} $RAY_AUTH_MODE" >> {called}.modes\n{answers.get(name, "")}\n'
        )
        (bin_folder / name).write_text(line)
        (bin_folder / name).chmod(0o700)
    environment = os.environ | {
        "HOME": str(tmp_path),
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "SLURM_SUBMIT_DIR": str(tmp_path),
        "SLURM_JOB_NODELIST": "[a-b]",
        "SLURM_JOB_ID": "41",
        "SLURM_GPUS_ON_NODE": "2",
    }
    script = str(ROOT / "clusters" / "slurm.sh")
    command = ["bash", script, "--family", "gaussian"]
    del environment["RAY_AUTH_MODE"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = called.read_text()
    assert lines.startswith("ray get-auth-token --generate\n")
    assert token.stat().st_mode & 0o777 == 0o600
    modes = (tmp_path / "called.modes").read_text()
    assert {"srun token", "python token", "prior-search token"} <= set(modes.splitlines())
    assert "prior-search doctor --expect-nodes 2\n" in lines
    assert "python search.py --family gaussian\n" in lines
    assert "ray start --head --node-ip-address=10.0.0.7 --port=20041" in lines
    assert "--nodelist=b ray start --address=10.0.0.7:20041 --num-cpus=1 --num-gpus=2" in lines


@pytest.mark.parametrize("name", ["gpu.yaml", "onprem.yaml", "kuberay.yaml", "slurm.sh"])
def test_a_cluster_file_says_how_to_use_it_and_sends_no_telemetry(name: str) -> None:
    text = (ROOT / "clusters" / name).read_text()
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert len(comments) >= 10
    assert "RAY_USAGE_STATS_ENABLED" in text


def test_search_py_runs_from_anywhere_as_ray_submit_does_it(tmp_path: Path) -> None:
    """Only search.py is copied to the head's home; the package comes from its install."""
    (tmp_path / "search.py").write_text((ROOT / "search.py").read_text())
    command = [
        sys.executable, "search.py", "--family", "gaussian", "--task", "synthetic", "--dry-run",
        "--storage-path", ".",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "gaussian-synthetic-tiny" in done.stdout


def test_a_cluster_that_does_not_answer_may_want_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    from prior_search.runner import ray_cluster

    def refuse(**_: Any) -> None:
        raise ConnectionError("Failed to connect")

    monkeypatch.setattr(ray, "init", refuse)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(RequestError, match=r"127\.0\.0\.1:1 .*RAY_AUTH_MODE=token\): Failed to"):
        ray_cluster.connect()
