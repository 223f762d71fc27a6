"""The recipe "A tracking server on the head" of docs/reliability.md, with PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from prior_search.event_log import holds_study, read_events
from prior_search.mlflow_log import MirrorError, check_tracking
from tests.processes import free_port, kill_family

postgres = pytest.importorskip("tests.integration.postgres", reason="needs psycopg2-binary")
pytestmark = [
    pytest.mark.faults,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(postgres.missing() is not None, reason=str(postgres.missing())),
]


UI = [sys.executable, "-m", "prior_search.cli", "ui"]


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300  # on a busy machine
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.2)


class TrackingServer:
    """``mlflow server`` as the recipe starts it."""

    def __init__(self, database: str, folder: Path, environment: Mapping[str, str]) -> None:
        self._port = free_port()
        self.uri = f"http://127.0.0.1:{self._port}"
        self._folder = folder
        self._environment = dict(environment) | {
            "MLFLOW_BACKEND_STORE_URI": database,
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return once it answers."""
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
        command += ["--port", str(self._port), "--workers", "1"]
        command += ["--artifacts-destination", str(self._folder / "mlartifacts")]
        with (self._folder / "server.txt").open("ab") as output:
            self._process = subprocess.Popen(
                command, env=self._environment, stdout=output, stderr=output
            )
        wait_until(self._answers)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "server.txt").read_text()
        try:
            check_tracking(self.uri)
        except MirrorError:
            return False
        return True

    def kill(self) -> None:
        """End it with its workers, as a machine does that goes away."""
        kill_family(self._process)


@pytest.fixture
def database() -> Iterator[Any]:
    with postgres.Postgres() as running:
        yield running


@pytest.fixture
def server(database: Any, tmp_path: Path, environment: dict[str, str]) -> Iterator[TrackingServer]:
    made = TrackingServer(database.uri, tmp_path, environment)
    made.start()
    yield made
    made.kill()


def test_a_search_whose_server_and_database_die_is_in_postgresql_once(
    tmp_path: Path,
    database: Any,
    server: TrackingServer,
    rehearsal: Any,
    search_command: Any,
    check_record: Any,
    environment: dict[str, str],
    recovered: Any,
) -> None:
    command = search_command(tmp_path, rehearsal(step_seconds=0.1), "--tracking-uri", server.uri)
    search = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    folder = tmp_path / "study"

    def num_ended() -> int:
        events = read_events(folder / "events.jsonl") if holds_study(folder) else []
        return sum(event["event"] == "trial_ended" for event in events)

    wait_until(lambda: num_ended() >= 1)
    server.kill()
    database.kill()
    wait_until(lambda: num_ended() >= 4)  # without a tracking server nothing waits
    started = time.monotonic()
    database.start()
    server.start()
    assert search.wait(timeout=300) == 0
    subprocess.run(
        [*UI, str(folder), "--tracking-uri", server.uri],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    recovered(
        "MLflow and PostgreSQL back, their start and the search's end included, and all there",
        time.monotonic() - started,
    )
    events = check_record(folder)
    assert_mirrored_once(events, server.uri)


def assert_mirrored_once(events: list[dict[str, Any]], uri: str) -> None:
    """Every run once, every objective of every step once, and the study's files."""
    client = MlflowClient(uri)
    found = client.search_runs(["1"])
    runs = {run.data.tags["prior_search.key"]: run for run in found}
    expected: dict[str, set[tuple[int, float, int]]] = {}
    for event in events:
        when = int(event["time"] * 1000)  # a result that comes with its last point is the same
        if event["event"] == "metric_point":
            trial, replicate, _ = event["key"]
            point = (event["step"], event["metrics"]["objective"], when)
            expected.setdefault(f"run/{trial}/{replicate}", set()).add(point)
        elif event["event"] == "trial_ended":
            result = event["result"]
            point = (result["steps"], result["objective"], when)
            expected[f"run/{result['trial']}/{result['replicate']}"].add(point)
    assert len(found) == len(runs)
    assert runs.keys() == {*expected, "search/td"}
    assert {run.info.status for run in found} == {"FINISHED"}
    for key, points in expected.items():
        history = client.get_metric_history(runs[key].info.run_id, "objective")
        assert sorted((m.step, m.value, m.timestamp) for m in history) == sorted(points)
    files = client.list_artifacts(runs["search/td"].info.run_id)
    assert "events.jsonl" in [file.path for file in files]
