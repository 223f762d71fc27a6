"""``prior-search final``: default weights, and several workers for one training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from prior_search import cli
from prior_search.default_weights import DEFAULT_WEIGHTS, default_weights
from prior_search.model_file import read_origin
from prior_search.toml_input import read_toml
from prior_search.trial import FAMILIES, TRAINED_TASKS

SPACES = Path(__file__).parent.parent / "search_spaces"

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("task", TRAINED_TASKS)
@pytest.mark.parametrize("family", FAMILIES)
def test_default_weights_lie_within_the_shipped_ranges_and_leave_none_out(
    task: Any, family: Any
) -> None:
    name = family if task == "contrastive" else f"{family}-{task}"
    ranges = read_toml(SPACES / f"{name}.toml")["weights"]
    assert DEFAULT_WEIGHTS[task][family].keys() == ranges.keys()
    for weight, value in DEFAULT_WEIGHTS[task][family].items():
        assert ranges[weight]["low"] <= value <= ranges[weight]["high"]
    assert default_weights(task, family, "td").prediction_weight == 0
    assert default_weights(task, family, "prior").prediction_weight > 0


def test_default_weights_are_trained_by_two_workers(
    tmp_path: Path, tracks_path: Path, capsys: Any
) -> None:
    command = [
        "final", "--defaults", "--family", "gaussian", "--bottleneck", "itd",
        "--data", str(tracks_path), "--out", str(tmp_path), "--seeds", "1", "--steps", "4",
        "--num-workers", "2", "--executor", "local", "--device", "cpu",
    ]  # fmt: skip
    assert cli.main(command) == 0
    assert "(1 of 1 seeds)" in capsys.readouterr().out
    folder = tmp_path / "itd-t0000"
    spec, _ = read_origin(folder / "trials" / "t0000" / "model.safetensors")
    assert spec.weights == default_weights("contrastive", "gaussian", "itd")
    assert (spec.horizon, spec.preset, spec.settings) == (4, "tiny", {"kappa": 0.5})
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["completed"] == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "give files made by prior-search export, or --defaults --family F"),
        (["--defaults"], "--defaults takes no exports, but needs --family"),
        (["x.toml", "--defaults", "--family", "gaussian"], "--defaults takes no exports"),
        (["x.toml", "--family", "gaussian"], "--family go with --defaults"),
        (["--defaults", "--family", "gaussian", "--preset", "tny"], "did you mean 'tiny'?"),
        (
            ["--defaults", "--family", "gaussian", "--num-workers", "7"],
            "--num-workers must divide the 96 images of a batch at preset 'tiny', got 7",
        ),
    ],
)
def test_a_wrong_request_is_one_message_and_exit_code_two(
    flags: list[str], message: str, tmp_path: Path, tracks_path: Path, capsys: Any
) -> None:
    more = ["--data", str(tracks_path), "--out", str(tmp_path)]
    assert cli.main(["final", *flags, *more]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_a_rehearsal_has_nothing_to_train_and_does_not_offer_it(
    tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "r.toml").write_text("step_seconds = 0.0\n")
    search = [
        "search", "--family", "gaussian", "--bottleneck", "td", "--task", "synthetic",
        "--data", str(tmp_path / "r.toml"), "--storage-path", str(tmp_path), "--name", "made-up",
        "--executor", "local", "--max-concurrent-trials", "1", "--steps", "4",
        "--stage1-trials", "3", "--stage2-trials", "1", "--set", "budget.anchors=1",
        "--set", "budget.confirm_trials=0",
    ]  # fmt: skip
    assert cli.main(search) == 0
    assert "prior-search final" not in capsys.readouterr().out
    assert cli.main(["final", str(tmp_path / "made-up" / "best" / "td.toml")]) == 2
    assert "rehearsal (synthetic): nothing to train" in capsys.readouterr().err
