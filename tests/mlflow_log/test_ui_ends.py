"""``prior-search ui`` ends what it started, however it is asked to."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from prior_search.event_log import Event
from tests.processes import free_port, kill_family

PATIENCE = 180.0  # seconds, for a server's start on a machine with other work
# a server with a worker that ignores SIGTERM, as one does that answers a request without end
STAND_IN = """
import subprocess, sys, time
worker = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
worker += "print('up', flush=True); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", worker])
{}
"""
SERVE = "from prior_search.commands import ui; ui.GRACE_SECONDS = 0.5; "
SERVE += "raise SystemExit(ui._serve([{!r}, '-c', {!r}]))"


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are gone with the test, with whatever they leave."""
    made: list[subprocess.Popen[str]] = []
    yield made
    for process in made:
        kill_family(process)
        if process.stdout is not None:
            process.stdout.close()


def family_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def ended(family: list[psutil.Process]) -> bool:
    """Whether all are gone; whoever is not is ended, for the tests that follow."""
    _, left = psutil.wait_procs(family, timeout=20)
    for process in left:
        process.kill()
    return not left


@pytest.mark.slow
def test_a_killed_ui_leaves_no_server_and_a_free_port(
    tmp_path: Path, study_events: list[Event], started: list[subprocess.Popen[str]]
) -> None:
    lines = (json.dumps(event) + "\n" for event in study_events)
    (tmp_path / "events.jsonl").write_text("".join(lines))
    port = free_port()
    command = [sys.executable, "-m", "prior_search.cli", "ui", str(tmp_path), "--port", str(port)]
    with (tmp_path / "ui.log").open("w") as log:
        ui = subprocess.Popen(command, stdout=log, stderr=log, text=True)
    started.append(ui)
    deadline = time.monotonic() + PATIENCE
    while not is_open(port):
        assert ui.poll() is None, (tmp_path / "ui.log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    family = family_of(ui)
    ui.send_signal(signal.SIGTERM)
    code = ui.wait(timeout=60)
    assert ended(family)
    assert len(family) >= 2  # mlflow and uvicorn
    assert code == 128 + signal.SIGTERM
    assert not is_open(port)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 0)],
)
def test_a_server_that_does_not_listen_is_ended_too(
    number: signal.Signals, code: int, started: list[subprocess.Popen[str]]
) -> None:
    serving = serve(STAND_IN.format("time.sleep(600)"), started)
    family = family_of(serving)
    serving.send_signal(number)
    told = serving.wait(timeout=60)
    assert ended(family)
    assert len(family) == 2
    assert told == code


def test_what_a_dead_server_leaves_is_ended_and_its_code_told(
    started: list[subprocess.Popen[str]],
) -> None:
    serving = serve(STAND_IN.format("time.sleep(1); raise SystemExit(7)"), started)
    family = family_of(serving)
    code = serving.wait(timeout=60)
    assert ended(family)
    assert code == 7


def test_under_nohup_a_hangup_is_ignored(started: list[subprocess.Popen[str]]) -> None:
    serving = serve(STAND_IN.format("time.sleep(600)"), started, "nohup")
    serving.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        serving.wait(timeout=1)
    family = family_of(serving)
    serving.send_signal(signal.SIGTERM)
    code = serving.wait(timeout=60)
    assert ended(family)
    assert code == 143


def serve(
    stand_in: str, started: list[subprocess.Popen[str]], *before: str
) -> subprocess.Popen[str]:
    """A process that serves with a stand-in, once all of it is up."""
    code = SERVE.format(sys.executable, stand_in)
    if not before:  # whoever runs the tests may do so under nohup
        code = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL); {code}"
    command = [*before, sys.executable, "-c", code]
    serving = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    started.append(serving)
    assert serving.stdout is not None
    assert serving.stdout.readline() == "up\n"
    return serving
