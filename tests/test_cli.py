from __future__ import annotations

import argparse
import importlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prior_search import cli
from prior_search.event_log import read_events

ROOT = Path(__file__).parent.parent
RAY_SUBMIT_FLAGS = {
    "--start", "--stop", "--screen", "--tmux", "--args", "--verbose", "--cluster-name",
    "--log-style", "--log-color", "--no-config-cache", "--port-forward", "--disable-usage-stats",
    "-p", "-n", "-v",
}  # fmt: skip

pytestmark = pytest.mark.filterwarnings("ignore")


def flags_of(command: str) -> set[str]:
    actions = cli._parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    return {flag for action in actions[command]._actions for flag in action.option_strings}


def small_search(folder: Path, tracks: Path, *more: str) -> list[str]:
    """Flags of a search that takes seconds."""
    return [
        "search", "--family", "gaussian", "--bottleneck", "td", "--data", str(tracks),
        "--storage-path", str(folder), "--executor", "local", "--device", "cpu",
        "--max-concurrent-trials", "1", "--stage1-trials", "3", "--stage2-trials", "2",
        "--set", "budget.anchors=1", "--set", "budget.confirm_trials=1",
        "--set", "budget.short_horizon=0.25", "--steps", "4", *more,
    ]  # fmt: skip


def test_search_flags_are_few_and_none_is_swallowed_by_ray_submit() -> None:
    flags = flags_of("search")
    assert not flags & RAY_SUBMIT_FLAGS
    assert flags == {
        "-h", "--help", "--family", "--bottleneck", "--task", "--preset", "--data", "--name",
        "--seed", "--steps", "--spaces", "--set", "--stage1-trials", "--stage2-trials",
        "--resume", "--dry-run", "--storage-path", "--executor", "--device",
        "--max-concurrent-trials", "--cpus-per-trial", "--gpus-per-trial", "--tracking-uri",
        "--trial-timeout", "--enqueue", "--fix", "--warm-start",
    }  # fmt: skip
    assert flags_of("control") == flags - {"--bottleneck"} | {"--from"}


def test_help_and_a_wrong_flag_load_no_large_library() -> None:
    lines = [["--help"], ["--version"], ["--wrong"], ["search", "--family", "gausian"]]
    lines += [[name, "--help"] for name in cli.COMMANDS]
    run = (
        "import contextlib, sys\nfrom prior_search import cli\n"
        f"for line in {lines}:\n"
        "    with contextlib.suppress(SystemExit):\n"
        "        cli.main(line)\n"
        "large = {'torch', 'ray', 'botorch', 'mlflow', 'matplotlib', 'numpy', 'pandas', 'rich'}\n"
        "print(sorted(large & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", run], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr
    assert done.stdout.count("usage: prior-search") == 1 + len(cli.COMMANDS)


def test_every_argument_says_what_it_is() -> None:
    def silent(parser: argparse.ArgumentParser, path: str) -> Iterator[str]:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for name, own in action.choices.items():
                    yield from silent(own, f"{path} {name}")
            elif not action.help:
                yield f"{path} {action.option_strings or action.dest}"

    assert list(silent(cli._parser(), "prior-search")) == []


def test_every_command_has_what_runs_it() -> None:
    for name in cli.COMMANDS:
        assert callable(importlib.import_module(f"prior_search.commands.{name}").run)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--family", "gausian"], "invalid choice: 'gausian'"),
        ([], "the following arguments are required: --family"),
        (
            ["--family", "gaussian", "--preset", "tny"],
            "got 'tny'; did you mean 'tiny'?",
        ),
        (["--family", "gaussian", "--max-concurrent-trials", "0"], "must be >= 1, got 0"),
        (["--family", "gaussian", "--cpus-per-trial", "-1"], "must be finite and > 0, got -1"),
        (
            ["--family", "gaussian", "--stage1-trials", "many"],
            "must be a whole number, got 'many'",
        ),
        (
            ["--family", "gaussian", "--stage1-trials", "1"],
            "budget.stage1_trials must be a whole number from 2",
        ),
        (
            ["--family", "gaussian", "--set", "weights.kl_weight.low=0"],
            "a log range needs low > 0, got 0",
        ),
        (["--family", "gaussian", "--set", "nonsense"], "--set must be key=value"),
        (["--family", "gaussian", "--name", "../up"], "--name must be letters, digits"),
        (
            ["--family", "gaussian", "--data", "/nowhere.arrow"],
            "cannot read object tracks from /nowhere.arrow",
        ),
        (["--family", "gaussian", "--spaces", "/nowhere"], "cannot read /nowhere/gaussian.toml"),
        (["--family", "gaussian", "--resume", "must"], "--resume must: there is no study"),
        (["--family", "gaussian", "--device", "cuda"], "no CUDA device"),
        (["--family", "gaussian", "--preset", "paper", "--data", "embedded"], "give --data PATH"),
        (
            ["--family", "gaussian", "--preset", "small"],
            "preset 'small' needs images of 64 x 64 pixels, got 32 x 32",
        ),
        (["--family", "gaussian", "--fix", "kl_wieght=1"], "no search tunes that weight (prior: "),
        (["--family", "gaussian", "--fix", "kl_weight=9"], "kl_weight must be in ["),
        (["--family", "gaussian", "--fix", "kl_weight=much"], "must be a number, got 'much'"),
        (["--family", "gaussian", "--enqueue", "kl_weight="], "--enqueue must be NAME=VALUE"),
        (["--family", "gaussian", "--enqueue", "vq_weight=1"], "give each weight of a search"),
        (["--family", "gaussian", "--enqueue", "/nowhere.toml"], "cannot read /nowhere.toml"),
        (["--family", "gaussian", "--warm-start", "nowhere"], "no study 'nowhere': looked in"),
        (["--family", "gaussian", "--unknown"], "unrecognized arguments: --unknown"),
    ],
)
def test_a_wrong_request_is_one_message_and_exit_code_two(
    flags: list[str], message: str, tmp_path: Path, tracks_path: Path, capsys: Any
) -> None:
    import torch

    if "cuda" in flags and torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    if "--data" not in flags:
        flags = [*flags, "--data", str(tracks_path)]
    code = cli.main(["search", "--storage-path", str(tmp_path / "studies"), *flags])
    captured = capsys.readouterr()
    assert code == 2
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err
    assert not list((tmp_path).glob("studies/*/events.jsonl"))  # no half-made study


def test_a_storage_path_that_cannot_be_written_is_refused(
    tmp_path: Path, tracks_path: Path, capsys: Any
) -> None:
    (tmp_path / "file").write_text("")
    command = small_search(tmp_path / "file", tracks_path)
    assert cli.main(command) == 2
    assert "cannot be written" in capsys.readouterr().err


def refuse_an_output_below_a_file(study: Path, capsys: Any) -> None:
    taken = study / "study.toml" / "out"
    exported = str(study / "best" / "td.toml")
    for command in (["export", str(study)], ["report", str(study)], ["final", exported]):
        assert cli.main([*command, "--out", str(taken)]) == 2
        assert f"--out {taken} cannot be written" in capsys.readouterr().err


def export_and_report_again(study: Path, out: Path, capsys: Any) -> None:
    """Both go where they are told; the page of a finished study is a function of its record."""
    assert cli.main(["export", str(study), "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out / "td.toml")
    assert cli.main(["report", str(study), "--out", str(out)]) == 0
    page = out / "index.html"
    assert capsys.readouterr().out.strip() == str(page)
    assert page.read_text() == (study / "report" / "index.html").read_text()


def look_at(study: Path, capsys: Any) -> None:
    assert cli.main(["status", str(study)]) == 0
    shown = capsys.readouterr().out
    assert "td: 6 of 6 runs suggested; 6 completed" in shown
    assert shown.count("kl_weight=") == 6, "where no terminal is, a table is not cut to 80 columns"
    assert cli.main(["best", study.name, "--storage-path", str(study.parent)]) == 0
    assert "kl_weight" in capsys.readouterr().out
    assert cli.main(["best", "other", "--storage-path", str(study.parent)]) == 2
    assert f"; there is {study.name}" in capsys.readouterr().err


def test_the_whole_way_from_search_to_final_models(
    tmp_path: Path, tracks_path: Path, capsys: Any
) -> None:
    study = tmp_path / "gaussian-contrastive-tiny"
    assert cli.main(small_search(tmp_path, tracks_path)) == 0
    shown = capsys.readouterr().out
    for text in (
        "recommended weights",
        f"study begins: {study}",
        f"report: {study / 'report' / 'index.html'}",
        f"prior-search ui {study}",
        "prior-search export",
        "prior-search final",
    ):
        assert text in shown
    assert {path.name for path in study.iterdir()} >= {
        "study.toml",
        "events.jsonl",
        "trials.parquet",
        "env.lock",
        "best",
        "mlflow.db",
    }

    look_at(study, capsys)
    export_and_report_again(study, tmp_path / "out", capsys)
    refuse_an_output_below_a_file(study, capsys)

    final = [
        "final",
        str(study / "best" / "td.toml"),
        "--seeds",
        "2",
        "--steps",
        "8",
        "--executor",
        "local",
        "--device",
        "cpu",
        "--max-concurrent-trials",
        "1",
    ]
    assert cli.main(final) == 0
    shown = capsys.readouterr().out
    assert "95 % interval" in shown
    assert "(2 of 2 seeds)" in shown
    (folder,) = (study / "final").iterdir()
    assert f"prior-search evaluate {folder}/trials/*" in shown
    assert (folder / "metrics.json").exists()
    assert len(list(folder.glob("trials/*/model.safetensors"))) == 2
    before = (folder / "events.jsonl").read_bytes()
    assert cli.main(final) == 0  # nothing is trained again
    assert (folder / "events.jsonl").read_bytes() == before

    events = (study / "events.jsonl").read_bytes()
    assert cli.main(small_search(tmp_path, tracks_path)) == 0  # resuming what is finished
    assert (study / "events.jsonl").read_bytes() == events
    capsys.readouterr()
    assert cli.main(small_search(tmp_path, tracks_path, "--seed", "1")) == 2
    assert "seed: 0, 1" in capsys.readouterr().err
    assert cli.main(small_search(tmp_path, tracks_path, "--resume", "never")) == 2


def test_a_search_in_which_nothing_succeeds_ends_with_three(
    tmp_path: Path, tracks_path: Path, capsys: Any
) -> None:
    diverging = ["--set", "weights.kl_weight.low=1e38", "--set", "weights.kl_weight.high=3e38"]
    assert cli.main(small_search(tmp_path, tracks_path, *diverging)) == 3
    assert "no trial at the full horizon succeeded" in capsys.readouterr().out


@pytest.mark.parametrize(
    "how", [pytest.param(signal.SIGKILL, marks=pytest.mark.faults), signal.SIGINT]
)
def test_a_driver_that_dies_is_resumed_without_losing_or_repeating_a_trial(
    tmp_path: Path, how: signal.Signals
) -> None:
    rehearsal = tmp_path / "rehearsal.toml"
    rehearsal.write_text("step_seconds = 0.2\n")
    flags = small_search(tmp_path, rehearsal, "--task", "synthetic")
    command = [sys.executable, str(ROOT / "search.py"), *flags[1:]]
    log = tmp_path / "gaussian-synthetic-tiny" / "events.jsonl"
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 120
    while not log.exists() or log.read_text().count('"trial_ended"') < 2:
        assert time.monotonic() < deadline
        assert driver.poll() is None
        time.sleep(0.05)
    os.kill(driver.pid, how)
    output, _ = driver.communicate(timeout=60)
    if how == signal.SIGINT:
        assert driver.returncode == 130
        assert "Resume with:" in output
    ended = [e for e in read_events(log) if e["event"] == "trial_ended"]
    assert cli.main(flags) == 0
    events = read_events(log)
    assert [e for e in events if e["event"] == "trial_ended"][: len(ended)] == ended
    runs = Counter(
        (e["result"]["trial"], e["result"]["replicate"])
        for e in events
        if e["event"] == "trial_ended"
    )
    assert len(runs) == 6
    assert set(runs.values()) == {1}


def test_counts_of_table_two_are_printed_as_json(capsys: Any) -> None:
    import json

    assert cli.main(["params", "--preset", "paper", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 6
    assert rows[0]["total"] == rows[0]["total_published"] == 6.819


def test_a_study_that_is_not_there_is_named_with_the_places_looked_at(
    tmp_path: Path, capsys: Any
) -> None:
    assert cli.main(["status", "nothing", "--storage-path", str(tmp_path)]) == 2
    assert str(tmp_path / "nothing") in capsys.readouterr().err


def test_a_port_that_cannot_be_had_is_refused(tmp_path: Path, capsys: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for port in (taken.getsockname()[1], 99999):
            assert cli.main(["ui", "nosuch", "--port", str(port)]) == 2
            assert f"--port {port}: " in capsys.readouterr().err
        served = ["--tracking-uri", "http://127.0.0.1:1", "--port", str(port)]  # needs no port
        assert cli.main(["ui", "nosuch", *served]) == 2
        assert "no study 'nosuch'" in capsys.readouterr().err
