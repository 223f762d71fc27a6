"""A log as a study writes it, and a server that can be killed."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from prior_search.event_log import Event
from prior_search.mlflow_log import MirrorError, check_tracking, ui_command
from prior_search.trial import TrialResult, TrialSpec
from tests.processes import free_port, kill_family


@pytest.fixture(scope="session")
def study_events(make_spec: Any) -> list[Event]:
    """A study with a trial, its replicate, one that diverged and one that was lost and retried."""
    events: list[Event] = []

    def add(kind: str, **data: Any) -> None:
        events.append({"seq": len(events), "time": 1000.0 + len(events), "event": kind, **data})

    def suggest(spec: TrialSpec) -> None:
        suggestion = {"predicted_mean": 4.5, "predicted_sd": 0.1, "acquisition": None}
        add(
            "trial_suggested",
            search="td",
            trial=spec.trial,
            replicate=spec.replicate,
            suggestion=suggestion,
            spec=spec.as_dict(),
        )
        add("trial_started", search="td", key=list(spec.key), worker="w")

    def end(
        spec: TrialSpec, status: Any, objective: float | None = None, error: str | None = None
    ) -> None:
        result = TrialResult(
            trial=spec.trial,
            replicate=spec.replicate,
            attempt=spec.attempt,
            status=status,
            objective=objective,
            steps=4,
            wall_seconds=2.0,
            error=error,
        )
        add("trial_ended", search="td", result=result.as_dict())

    add(
        "study_created",
        study="study",
        family="gaussian",
        task="contrastive",
        preset="tiny",
        seed=0,
        searches=["td"],
        versions={"torch": "2"},
        data_fingerprint="abc",
        data="embedded",
    )
    first, replicate = make_spec(trial=0, role="anchor"), make_spec(trial=0, replicate=1, seed=2)
    suggest(first)
    add("metric_point", search="td", key=[0, 0, 0], step=2, metrics={"objective": 5.0, "kl": 3.0})
    end(first, "completed", 4.5)
    suggest(replicate)
    end(replicate, "completed", 4.6)
    diverged = make_spec(trial=1)
    suggest(diverged)
    end(diverged, "diverged", error="a loss is not finite")
    lost = make_spec(trial=2)
    suggest(lost)
    end(lost, "lost", error="gone")
    add("trial_retried", search="td", spec=lost.retry().as_dict(), reason="gone")
    add("trial_started", search="td", key=[2, 0, 1], worker="w")
    end(lost.retry(), "completed", 4.7)
    recommendation = {
        "trial": 0,
        "values": {"kl_weight": 1e-3},
        "predicted_mean": 4.55,
        "predicted_sd": 0.05,
    }
    add("search_finished", search="td", recommendation=recommendation)
    return events


class Server:
    """MLflow on loopback, as ``prior-search ui`` starts it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.uri = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return once it answers."""
        command = ui_command(self._folder, self._port)
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            try:
                check_tracking(self.uri)
            except MirrorError:
                time.sleep(0.5)
            else:
                return
        raise AssertionError("the server did not come up")

    def kill(self) -> None:
        """End it with its workers, as a machine does that goes away."""
        kill_family(self._process)


@pytest.fixture
def make_server() -> Iterator[Callable[[Path], Server]]:
    """Servers that are gone with the test; none of them runs yet."""
    made: list[Server] = []

    def make(folder: Path) -> Server:
        made.append(Server(folder))
        return made[-1]

    yield make
    for server in made:
        server.kill()
