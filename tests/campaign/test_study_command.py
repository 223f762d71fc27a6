"""``prior-search study``, end to end with trainings of a few steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mlflow import MlflowClient

from prior_search import cli

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def run(plan_file: Path, tracks_path: Path, tmp_path: Path) -> Callable[..., int]:
    """The command on one family and data of noise."""

    def command(*more: object) -> int:
        return cli.main(
            [
                "study", str(plan_file), "--storage-path", str(tmp_path / "studies"),
                "--executor", "local", "--device", "cpu", "--max-concurrent-trials", "1",
                "--set", f"contrastive.data={tracks_path}", "--set", "contrastive.steps=2",
                "--set", "contrastive.families=['gaussian']",
                "--set", "contrastive.final_seeds=1",
                "--set", "contrastive.budget.stage2_trials=1", *map(str, more),
            ]
        )  # fmt: skip

    return command


def test_a_study_runs_to_its_claims_and_is_skipped_the_second_time(
    run: Callable[..., int], tmp_path: Path, capsys: Any
) -> None:
    assert run() == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "[24/24]" in shown
    assert "claims of the paper" in shown
    assert "not decidable" in shown
    root = tmp_path / "studies" / "trial-run"
    assert (root / "report" / "index.html").is_file()
    assert (root / "report" / "tables" / "claims.csv").is_file()
    own = root / "trial-run-gaussian-contrastive"
    assert (own / "report" / "index.html").is_file()
    assert (own / "final" / "evaluation" / "accuracy_by_budget.png").is_file()

    client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    names = {experiment.name for experiment in client.search_experiments()} - {"Default"}
    assert names == {f"trial-run-gaussian-contrastive{kind}" for kind in ("", "-control")}
    found = client.get_experiment_by_name("trial-run-gaussian-contrastive")
    assert found is not None
    runs = client.search_runs([found.experiment_id], "tags.stage = 'final'")
    assert {run.data.tags["bottleneck"] for run in runs} == {"itd", "td"}
    assert all("objective" in r.data.metrics for r in runs)
    parents = client.search_runs([found.experiment_id], "tags.level = 'search'")
    for parent in parents:
        assert [f.path for f in client.list_artifacts(parent.info.run_id, "report")]

    assert run() == 0
    assert "completed" not in capsys.readouterr().out
    assert cli.main(["report", "trial-run", "--storage-path", str(tmp_path / "studies")]) == 0


def test_a_dry_run_counts_and_starts_nothing(
    run: Callable[..., int], tmp_path: Path, capsys: Any
) -> None:
    assert run("--dry-run") == 0
    shown = capsys.readouterr().out
    assert "nothing was started" in shown
    assert "24" in shown
    assert not list((tmp_path / "studies").iterdir())


def test_a_folder_with_something_else_is_refused(
    run: Callable[..., int], tmp_path: Path, capsys: Any
) -> None:
    root = tmp_path / "studies" / "trial-run"
    root.mkdir(parents=True)
    (root / "thesis.tex").write_text("years of work")
    assert run() == 2
    assert "holds something that is no campaign" in capsys.readouterr().err
    assert [path.name for path in root.iterdir()] == ["thesis.tex"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_missing_is_refused_before_anything_is_made(
    run: Callable[..., int], tmp_path: Path, capsys: Any
) -> None:
    assert run("--device", "cuda") == 2
    assert "torch sees no CUDA device" in capsys.readouterr().err
    assert not (tmp_path / "studies").exists()


def test_a_plan_that_is_missing_is_named(tmp_path: Path, capsys: Any) -> None:
    assert cli.main(["study", str(tmp_path / "no.toml"), "--storage-path", str(tmp_path)]) == 2
    assert "no.toml" in capsys.readouterr().err
