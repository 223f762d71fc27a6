"""``ui`` and ``control --from`` on a study in a bucket that another machine has searched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from mlflow import MlflowClient

from prior_search import cli
from prior_search.commands import ui
from prior_search.commands.places import find_study
from prior_search.event_log import EventLog, read_events
from prior_search.storage.file_store import FileStore
from tests.conftest import make_bucket

Bucket = Callable[[str], str]

pytestmark = pytest.mark.filterwarnings("ignore")
SMALL = [
    "--stage1-trials", "2", "--stage2-trials", "1", "--set", "budget.anchors=0",
    "--set", "budget.confirm_trials=0", "--executor", "local", "--max-concurrent-trials", "1",
    "--device", "cpu", "--steps", "4", "--task", "synthetic",
]  # fmt: skip


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "rehearsal.toml"
    path.write_text(tomli_w.dumps({"step_seconds": 0.0}))
    return path


@pytest.fixture(scope="module")
def searched(s3_server: str, tmp_path_factory: pytest.TempPathFactory, rehearsal: Path) -> str:
    """Address of a finished study of all bottlenecks."""
    with pytest.MonkeyPatch.context() as patch:
        bucket = make_bucket(s3_server, tmp_path_factory.mktemp("driver"), patch)
        flags = ["--family", "gaussian", "--name", "s", "--data", str(rehearsal)]
        arms = ["--bottleneck", "all"]
        assert cli.main(["search", *flags, *arms, *SMALL, "--storage-path", bucket("st")]) == 0
        return bucket("st/s")


@pytest.fixture
def study(searched: str, bucket: Bucket) -> str:
    """The same address, on a machine (a cache) that has not seen it yet."""
    return searched


def test_the_ui_shows_a_study_of_a_bucket_and_writes_nothing_there(
    study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    driver = EventLog(find_study(study, "studies") / "events.jsonl")
    monkeypatch.setenv("PRIOR_SEARCH_CACHE", str(tmp_path / "third"))
    before = FileStore(study).names()
    commands: list[list[str]] = []

    def serve(command: list[str]) -> int:
        commands.append(command)
        return 0

    monkeypatch.setattr(ui, "_serve", serve)
    assert cli.main(["ui", study]) == 0  # also while a driver runs on another machine
    assert FileStore(study).names() == before
    driver.close()
    store = commands[0][commands[0].index("--backend-store-uri") + 1]
    assert store == f"sqlite:///{find_study(study, 'studies') / 'mlflow.db'}"
    runs = MlflowClient(store).search_runs(["1"], "tags.level = 'trial'")
    assert len(runs) == 9  # of three searches
    assert "#/experiments/1" in capsys.readouterr().out


def test_the_ui_leaves_a_shared_store_to_a_driver_on_another_machine(
    study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    driver = EventLog(find_study(study, "studies") / "events.jsonl")
    monkeypatch.setenv("PRIOR_SEARCH_CACHE", str(tmp_path / "third"))
    monkeypatch.setattr(ui, "_serve", lambda _: 0)
    shared = f"sqlite:///{tmp_path / 'shared.db'}"
    assert cli.main(["ui", study, "--tracking-uri", shared]) == 0
    driver.close()
    assert "another driver runs the study" in capsys.readouterr().out
    assert MlflowClient(shared).get_experiment_by_name("s") is None


def test_a_control_takes_over_from_a_study_in_a_bucket(
    study: str, bucket: Bucket, rehearsal: Path
) -> None:
    flags = ["control", "--family", "gaussian", "--from", study, "--name", "c", *SMALL]
    flags += ["--data", str(rehearsal), "--storage-path", bucket("st")]
    assert cli.main(flags) == 0
    events = read_events(find_study(bucket("st/c"), "studies") / "events.jsonl")
    reused = [event for event in events if event.get("reused")]
    assert len(reused) == 6  # all trainings: their searches had the same Sobol points
    assert "best/itd.toml" in FileStore(bucket("st/c")).names()
