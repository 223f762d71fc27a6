"""The commands on a study in a bucket, from machines that share nothing but the bucket."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prior_search import cli
from prior_search.commands.places import find_study
from prior_search.event_log import read_events
from prior_search.storage.file_store import FileStore
from prior_search.storage.working_copy import open_storage

Bucket = Callable[[str], str]

pytestmark = pytest.mark.filterwarnings("ignore")


def budget(stage1: int, stage2: int) -> list[str]:
    return [
        "--stage1-trials", str(stage1), "--stage2-trials", str(stage2), "--set",
        "budget.anchors=0", "--set", "budget.confirm_trials=0", "--executor", "local",
        "--max-concurrent-trials", "1", "--device", "cpu",
    ]  # fmt: skip


@pytest.mark.faults
def test_a_study_in_a_bucket_is_searched_shown_trained_and_evaluated_from_other_machines(
    tmp_path: Path,
    bucket: Bucket,
    tracks_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
) -> None:
    storage, study = bucket("st"), bucket("st/s")
    flags = [
        "search", "--family", "gaussian", "--bottleneck", "td", "--steps", "4", "--name", "s",
        "--data", str(tracks_path), "--storage-path", storage, *budget(2, 1),
    ]  # fmt: skip
    assert cli.main(flags) == 0
    shown = capsys.readouterr().out
    assert f"study: {study}" in shown
    names = FileStore(study).names()
    for name in ("study.toml", "env.lock", "best/td.toml", "trials.parquet", "report/index.html"):
        assert name in names
    assert not [name for name in names if "mlflow" in name or "lease" in name]

    monkeypatch.setenv("PRIOR_SEARCH_CACHE", str(tmp_path / "elsewhere"))
    assert find_study("s", open_storage(storage, "--storage-path")).name == "s"  # as control does
    for command in (["status", "s", "--storage-path", storage], ["best", study]):
        assert cli.main(command) == 0
        assert "t0002" in capsys.readouterr().out
    for command in (["report", study], ["export", study]):
        assert cli.main(command) == 0
    export = bucket("st/s/best/td.toml")
    assert export in capsys.readouterr().out
    train = ["final", export, "--seeds", "1", "--data", str(tracks_path), "--device", "cpu"]
    assert cli.main([*train, "--executor", "local"]) == 0
    (model,) = [n for n in FileStore(study).names() if n.endswith("model.safetensors")]

    monkeypatch.setenv("PRIOR_SEARCH_CACHE", str(tmp_path / "third"))
    look = ["evaluate", bucket(f"st/s/{model}"), "--data", str(tracks_path), "--device", "cpu"]
    assert cli.main(look) == 0
    names = FileStore(study).names()
    assert any(name.endswith("evaluation/evaluation.json") for name in names)
    final = [n for n in names if n.startswith("final/") and n.endswith("metrics.json")]
    assert len(final) == 1
    assert cli.main(flags) == 0  # nothing is left to do, and nothing is done again
    events = read_events(find_study(study, "studies") / "events.jsonl")
    started = [e for e in events if "trial_started" in e.values()]
    assert len(started) == 3


def test_a_bucket_that_cannot_be_used_is_refused_with_its_address(
    tmp_path: Path, bucket: Bucket, capsys: Any
) -> None:
    missing = bucket("st").replace(bucket("").split("/")[2], "nowhere")
    flags = ["--family", "gaussian", "--task", "synthetic", *budget(2, 1)]
    assert cli.main(["search", *flags, "--storage-path", missing]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("prior-search: --storage-path s3://nowhere/st")
    assert "NO_SUCH_BUCKET" in shown
    assert shown.count("\n") == 1
    assert cli.main(["status", "s", "--storage-path", missing]) == 2
    assert "s3://nowhere/st" in capsys.readouterr().err
    assert cli.main(["status", bucket("st/nothing")]) == 2
    assert "no study" in capsys.readouterr().err
    assert cli.main(["study", "--storage-path", bucket("st")]) == 2
    assert "must be a folder that all machines mount" in capsys.readouterr().err
    assert cli.main(["search", *flags, "--storage-path", "gs://b/x"]) == 2
    assert "must be a path or s3://bucket/folder" in capsys.readouterr().err


def test_doctor_looks_at_a_bucket(bucket: Bucket, capsys: Any) -> None:
    assert cli.main(["doctor", "--executor", "local", "--storage-path", bucket("st")]) == 0
    assert "is shared" in capsys.readouterr().out
    assert FileStore(bucket("st")).names() == []
