"""``prior-search control``, on made-up objectives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from prior_search import cli
from prior_search.event_log import read_events
from prior_search.final_training import FinalTraining
from prior_search.report import read_export
from prior_search.trial import TrialResult

pytestmark = pytest.mark.filterwarnings("ignore")

SOURCE = "gaussian-synthetic-tiny"
CONTROL = f"{SOURCE}-control"


@pytest.fixture(scope="module")
def flags(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[str]]:
    """Flags of a study that takes seconds."""
    folder = tmp_path_factory.mktemp("control")
    (folder / "rehearsal.toml").write_text("step_seconds = 0.0\n")

    def make(*more: str) -> list[str]:
        return [
            "--family", "gaussian", "--task", "synthetic", "--steps", "40",
            "--data", str(folder / "rehearsal.toml"), "--storage-path", str(folder / "studies"),
            "--executor", "local", "--device", "cpu", "--max-concurrent-trials", "1",
            "--stage1-trials", "4", "--stage2-trials", "3", "--set", "budget.anchors=1",
            "--set", "budget.confirm_trials=1", *more,
        ]  # fmt: skip

    return make


@pytest.fixture(scope="module")
def storage(flags: Callable[..., list[str]]) -> Path:
    """Holds a finished search of every bottleneck."""
    command = flags()
    assert cli.main(["search", *command]) == 0
    return Path(command[command.index("--storage-path") + 1])


def finish_finals(study: Path, objective: Callable[[str, int], float]) -> None:
    """Final trainings of a study's exports with results of our own."""
    for path in sorted((study / "best").glob("*td.toml")):
        export = read_export(path)
        folder = study / "final" / f"{export.bottleneck}-t{export.trial:04d}"
        training = FinalTraining(export, folder, num_seeds=3)
        while (spec := training.next_trial()) is not None:
            training.record(
                TrialResult(
                    trial=spec.trial,
                    replicate=spec.replicate,
                    attempt=0,
                    status="completed",
                    objective=objective(spec.bottleneck, spec.replicate),
                )
            )
        training.close()


def test_a_control_takes_stage_one_over_and_says_whether_the_difference_survives(
    flags: Callable[..., list[str]], storage: Path, capsys: Any
) -> None:
    command = ["control", *flags("--from", SOURCE)]
    assert cli.main(command) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "[8/16] control/td t0007 completed stage1" in shown
    assert "weights tuned alone and in common" in shown
    assert "has the sign that it has when each is tuned: not decidable" in shown
    assert "not measured: final trainings of the tuned weights" in shown

    study = storage / CONTROL
    events = read_events(study / "events.jsonl")
    ended = [e for e in events if e["event"] == "trial_ended"]
    assert all("reused" in e for e in ended[:8])
    assert all(e["reused"].startswith(SOURCE) for e in ended[:8])
    assert sorted(p.name for p in (study / "best").glob("*.toml")) == ["itd.toml", "td.toml"]
    assert (study / "report" / "tables" / "moves.csv").exists()
    page = study / "report" / "index.html"
    assert "Not decidable." in page.read_text("utf-8")
    check_views(study, capsys)
    check_tracking(study)

    paired = {"itd": 1.5, "td": 1.8}
    finish_finals(storage / SOURCE, lambda b, k: paired[b] + 0.01 * k * (b == "td"))
    finish_finals(study, lambda b, k: paired[b] + 0.02 * k * (b == "td"))
    before = (study / "events.jsonl").read_bytes()
    assert cli.main(command) == 0  # nothing is trained again
    assert (study / "events.jsonl").read_bytes() == before
    shown = " ".join(capsys.readouterr().out.split())
    assert "when each is tuned: holds" in shown
    assert "each tuned on its own, final trainings: -0.31" in shown
    assert "common weights, final trainings: -0.32" in shown
    assert "The difference survives." in page.read_text("utf-8")


def check_views(study: Path, capsys: Any) -> None:
    assert cli.main(["status", str(study)]) == 0
    assert "control: 16 of 16 runs suggested; 16 completed" in capsys.readouterr().out
    assert cli.main(["best", str(study)]) == 0
    assert "control" in capsys.readouterr().out
    assert cli.main(["export", str(study), "--out", str(study / "again")]) == 0
    assert capsys.readouterr().out.split() == [
        str(study / "again" / f"{arm}.toml") for arm in ("itd", "td")
    ]


def check_tracking(study: Path) -> None:
    """One parent, its children are the arms' runs, further seeds below those."""
    client = MlflowClient(f"sqlite:///{study / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(CONTROL)
    assert experiment is not None
    runs = {run.info.run_id: run for run in client.search_runs([experiment.experiment_id])}
    parents = [r for r in runs.values() if "mlflow.parentRunId" not in r.data.tags]
    assert [r.info.run_name for r in parents] == ["control"]
    children = {r.info.run_name: r for r in runs.values() if r not in parents}
    assert {"t0000-itd", "t0001-td"} < children.keys()
    assert children["t0001-td"].data.tags["bottleneck"] == "td"
    assert children["t0001-td"].data.tags["reused"].startswith(SOURCE)
    for child in children.values():
        parent = runs[child.data.tags["mlflow.parentRunId"]]
        is_replicate = child.data.tags["level"] == "replicate"
        assert (parent in parents) != is_replicate
        if is_replicate:
            names = ("bottleneck", "search")
            own = [child.data.tags[n] for n in names]
            assert own == [parent.data.tags[n] for n in names]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--from", "nothing"], "no study 'nothing'"),
        (["--from", SOURCE, "--seed", "1"], "answers another request (seed: 0, 1)"),
        (["--from", SOURCE, "--steps", "41"], "answers another request (steps: 40, 41)"),
        (
            ["--from", SOURCE, "--set", "weights.kl_weight.low=1e-4"],
            "answers another request (weights.kl_weight.low: 1e-05, 0.0001)",
        ),
        (["--from", SOURCE, "--from", SOURCE], "itd, td is in two studies"),
        (
            ["--set", "weights.kl_weight.only=['itd', 'prior']"],
            "no weight is searched for bottleneck 'td'",
        ),
        (["--bottleneck", "td"], "unrecognized arguments: --bottleneck td"),
    ],
)
def test_a_wrong_request_is_one_message_and_makes_no_study(
    flags: Callable[..., list[str]], storage: Path, more: list[str], message: str, capsys: Any
) -> None:
    assert cli.main(["control", *flags("--name", "refused", *more)]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert not (storage / "refused" / "events.jsonl").exists()
