from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from prior_search.runner import TrialRun, WorkerSettings
from prior_search.runner.worker import machine_fault
from prior_search.storage.checkpoint import NAME, Checkpoint, disk_fault
from prior_search.storage.file_store import FileStore
from prior_search.trial import MetricPoint, TrialResult

Bucket = Callable[[str], str]


def write_ones(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"x": np.ones(3)}, path)


def test_a_checkpoint_in_a_bucket_is_found_on_another_machine(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Checkpoint.of_run(bucket("st/s/trials"), "t0001", 0.0)
    assert not first.fetch()
    first.save(write_ones)
    monkeypatch.setenv("PRIOR_SEARCH_CACHE", str(tmp_path / "other"))
    second = Checkpoint.of_run(bucket("st/s/trials"), "t0001", 0.0)
    assert second.fetch()
    assert second.path != first.path
    assert second.path.read_bytes() == first.path.read_bytes()
    second.leave("model.safetensors", write_ones)
    second.remove()
    assert FileStore(bucket("st/s/trials")).names() == ["t0001/model.safetensors"]
    assert first.path.exists()  # of the other machine
    first.remove()
    assert not first.path.parent.exists()


def test_a_run_takes_its_folder_with_it_when_it_ends_also_when_resumed(
    tmp_path: Path, tracks_path: Path, make_spec: Any
) -> None:
    settings = WorkerSettings(
        data=str(tracks_path), trials_folder=str(tmp_path), device="cpu", checkpoint_seconds=0.0
    )
    spec = make_spec()
    interrupted = TrialRun(settings, spec)
    assert isinstance(interrupted.advance(), MetricPoint)
    assert (tmp_path / spec.label / NAME).exists()
    assert advance_to_end(TrialRun(settings, spec)).status == "completed"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / spec.label).mkdir()  # as a worker leaves it that is killed while it cleans up
    assert advance_to_end(TrialRun(settings, spec)).status == "completed"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_a_model_or_of_the_caller_stays(tmp_path: Path) -> None:
    final = Checkpoint.of_run(str(tmp_path), "t0001", 0.0)
    final.save(write_ones)
    final.leave("model.safetensors", write_ones)
    final.remove()
    assert [path.name for path in final.path.parent.iterdir()] == ["model.safetensors"]
    own = tmp_path / "own"
    checkpoint = Checkpoint(own / "c", 0.0)
    checkpoint.save(write_ones)
    checkpoint.remove()
    assert list(own.iterdir()) == []


def test_a_folder_that_another_attempt_takes_away_costs_one_checkpoint(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = Checkpoint.of_run(str(tmp_path), "t0001", 0.0)
    second = Checkpoint.of_run(str(tmp_path), "t0001", 0.0)

    def write_too_late(path: Path) -> None:
        path.parent.mkdir()
        first.remove()
        save_file({"x": np.ones(3)}, path)

    second.save(write_too_late)
    assert "no checkpoint this time, the training goes on" in caplog.text
    second.save(write_ones)
    assert second.fetch()


def advance_to_end(run: TrialRun) -> TrialResult:
    while isinstance(result := run.advance(), MetricPoint):
        pass
    return result


def test_a_bucket_that_refuses_costs_the_checkpoint_and_not_the_training(
    bucket: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    missing = bucket("st").replace(bucket("").split("/")[2], "nowhere")
    checkpoint = Checkpoint(Path("/nowhere/c"), 0.0, missing)
    checkpoint.save(lambda path: None)
    assert "no checkpoint this time, the training goes on" in caplog.text


def test_an_error_of_the_code_is_none_of_the_disk(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        raise FileNotFoundError(2, "no such file")

    with pytest.raises(FileNotFoundError):
        Checkpoint(tmp_path / "c", 0.0).save(fail)
    assert disk_fault(OSError(28, "No space left on device")) == "No space left on device"
    assert disk_fault(OSError(2, "no such file")) is None
    assert machine_fault(ValueError("28")) is None


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_costs_a_training_its_checkpoints_and_no_attempt(
    small_disk: Path, tracks_path: Path, make_spec: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings = WorkerSettings(
        data=str(tracks_path),
        trials_folder=str(small_disk),
        device="cpu",
        checkpoint_seconds=0.0,
    )
    result = advance_to_end(TrialRun(settings, make_spec()))
    assert (result.status, result.steps) == ("completed", 4)
    assert "No space left on device" in caplog.text
    assert not list(small_disk.rglob("*.partial"))
    # a final training has to leave its model: the machine's fault, not the code's
    final = advance_to_end(TrialRun(settings, make_spec(stage="final")))
    assert final.status == "lost"
    assert final.error is not None
    assert final.error.endswith("refused: No space left on device")
    assert NAME not in {path.name for path in small_disk.rglob("*")}
