from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from prior_search import cli
from prior_search.event_log import EventLog
from prior_search.redaction import RedactingFormatter, has_password, redact

ROOT = Path(__file__).parent.parent
AWS_KEY = "AKIA" + "ABCDEFGHIJKLMNOP"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "MLflow at https://ann:hunter2@host:5000/x: refused",
            "MLflow at https://ann:***@host:5000/x: refused",
        ),
        ("postgresql://u:p%40ss@db/mlflow", "postgresql://u:***@db/mlflow"),
        (f"key {AWS_KEY} is not known", "key *** is not known"),
        ("aws_secret_access_key=abc/def+1 rest", "aws_secret_access_key=*** rest"),
        ('{"token": "t0ps3cret"}', '{"token": "***"}'),
        ("Authorization: Bearer abcdef123456", "Authorization: Bearer ***"),
        ("s3://bucket/key?X-Amz-Signature=abc123&x=1", "s3://bucket/key?X-Amz-Signature=***&x=1"),
        ("http://host:5000/path", "http://host:5000/path"),
        (
            "t0042 completed kl_weight=3.2e-04 tokens 15",
            "t0042 completed kl_weight=3.2e-04 tokens 15",
        ),
    ],
)
def test_secrets_are_hidden_and_nothing_else(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_the_value_of_a_secret_variable_is_hidden_wherever_it_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef")
    monkeypatch.setenv("SHORT_TOKEN", "yes")
    monkeypatch.setenv("EDITOR_OF_CHOICE", "an-editor-with-a-name")
    assert redact("got 0123456789abcdef, yes") == "got ***, yes"
    assert redact("an-editor-with-a-name") == "an-editor-with-a-name"


def test_the_event_log_holds_no_secret_of_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMIK7MDENG")
    told = "cannot read s3://k:wJalrXUtnFEMIK7MDENG@bucket"
    with EventLog(tmp_path / "events.jsonl") as log:
        event = log.append("trial_ended", {"result": {"error": told, "trial": 3}, "reason": told})
    assert event["result"] == {"error": "cannot read s3://k:***@bucket", "trial": 3}
    assert "wJalr" not in (tmp_path / "events.jsonl").read_text()


def test_a_log_line_and_its_traceback_hold_no_secret() -> None:
    try:
        raise OSError("https://ann:hunter2@host refused")
    except OSError:
        record = logging.LogRecord(
            "x", logging.ERROR, "x.py", 1, "at %s", ("http://a:hunter2@b",), sys.exc_info()
        )
    line = RedactingFormatter("%(message)s").format(record)
    assert "hunter2" not in line
    assert "https://ann:***@host refused" in line


def test_a_message_of_the_command_line_holds_no_secret(tmp_path: Path, capsys: Any) -> None:
    place = f"http://ann:hunter2@127.0.0.1:9/{tmp_path.name}"
    flags = ["doctor", "--executor", "local", "--storage-path", str(tmp_path)]
    assert cli.main([*flags, "--tracking-uri", place]) == 2
    shown = capsys.readouterr()
    assert "hunter2" not in shown.out + shown.err
    assert "http://ann:***@127.0.0.1:9" in shown.out


def test_a_password_in_what_a_study_keeps_is_refused(tmp_path: Path, capsys: Any) -> None:
    flags = ["search", "--family", "gaussian", "--storage-path", str(tmp_path)]
    assert cli.main([*flags, "--data", "s3://key:secret@bucket/data"]) == 2
    assert "--data must not hold a password" in capsys.readouterr().err
    assert has_password("s3://key:secret@bucket/data")
    assert not has_password("s3://bucket/a:b@c")


def test_telemetry_is_off_without_being_asked() -> None:
    names = ("RAY_USAGE_STATS_ENABLED", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK")
    code = (
        "import os, prior_search.mlflow_log, prior_search.runner.ray_cluster\n"
        f"print([os.environ.get(n) for n in {names}])"
    )
    clean = {k: v for k, v in os.environ.items() if k not in names}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=clean | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "['0', 'true', 'true']"


@pytest.mark.ray
@pytest.mark.faults
def test_a_search_listens_on_loopback_only(tmp_path: Path) -> None:
    """Ray with all of its processes, looked at while trials run."""
    (tmp_path / "r.toml").write_text("step_seconds = 0.2\n")
    command = [
        sys.executable, str(ROOT / "search.py"), "--family", "gaussian", "--task", "synthetic",
        "--bottleneck", "td", "--data", str(tmp_path / "r.toml"), "--storage-path", str(tmp_path),
        "--steps", "100", "--name", "s",
    ]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(ROOT), "RAY_TMPDIR": str(tmp_path)[:40]}
    environment.pop("RAY_ADDRESS", None)
    driver = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        log = tmp_path / "s" / "events.jsonl"
        deadline = time.monotonic() + 120
        while not (log.exists() and b'"metric_point"' in log.read_bytes()):
            assert time.monotonic() < deadline
            assert driver.poll() is None
            time.sleep(0.2)
        family = [psutil.Process(driver.pid), *psutil.Process(driver.pid).children(recursive=True)]
        listening = {
            (process.name(), c.laddr.ip.removeprefix("::ffff:"))
            for process in family
            for c in process.net_connections(kind="inet")
            if c.status == psutil.CONN_LISTEN
        }
    finally:
        driver.terminate()
        driver.wait()
    assert any(name.startswith("gcs_server") for name, _ in listening)
    assert {ip for _, ip in listening} <= {"127.0.0.1", "::1"}, listening
