from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from mlflow import MlflowClient

from prior_search.event_log import Event
from prior_search.mlflow_log import (
    MirrorError,
    MirrorThread,
    MlflowMirror,
    check_tracking,
    ui_command,
)
from prior_search.trial import TrialResult, TrialSpec

pytestmark = pytest.mark.filterwarnings("ignore")


def make_events(make_spec: Any) -> list[Event]:
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


def all_runs(mirror: MlflowMirror) -> dict[str, Any]:
    client = MlflowClient(mirror.tracking_uri)
    experiment = client.get_experiment_by_name("study")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    return {run.data.tags["prior_search.key"]: run for run in runs}


@pytest.fixture(scope="module")
def mirrored(
    tmp_path_factory: pytest.TempPathFactory, make_spec: Any
) -> tuple[MlflowMirror, list[Event]]:
    """One store for the module: making one takes seconds. Events come in two drivers' portions."""
    folder = tmp_path_factory.mktemp("study")
    events = make_events(make_spec)
    MlflowMirror(folder).apply(events[:6])
    second = MlflowMirror(folder)
    second.apply(events)
    second.apply(events)
    return second, events


def test_every_run_is_there_once_with_its_parent(mirrored: Any) -> None:
    runs = all_runs(mirrored[0])
    assert sorted(runs) == ["run/0/0", "run/0/1", "run/1/0", "run/2/0", "search/td"]
    parents = {key: run.data.tags.get("mlflow.parentRunId") for key, run in runs.items()}
    search, trial = runs["search/td"].info.run_id, runs["run/0/0"].info.run_id
    assert parents == {
        "search/td": None,
        "run/0/0": search,
        "run/0/1": trial,
        "run/1/0": search,
        "run/2/0": search,
    }


def test_params_tags_and_metrics_say_what_the_log_says(mirrored: Any) -> None:
    runs = all_runs(mirrored[0])
    run = runs["run/0/0"]
    assert run.data.params == {"kl_weight": "0.001", "horizon": "4", "seed": "1"}
    assert run.data.tags["prior_search.role"] == "anchor"
    assert run.data.tags["prior_search.predicted_mean"] == "4.5"
    assert run.data.metrics["objective"] == 4.5
    client = MlflowClient(mirrored[0].tracking_uri)
    history = client.get_metric_history(run.info.run_id, "objective")
    assert [(m.step, m.value, m.timestamp) for m in history] == [
        (2, 5.0, 1003000),
        (4, 4.5, 1004000),
    ]
    assert runs["search/td"].data.params["best.kl_weight"] == "0.001"


def test_states_follow_attempts(mirrored: Any) -> None:
    runs = all_runs(mirrored[0])
    shown = {
        k: (
            r.info.status,
            r.data.tags.get("prior_search.state"),
            r.data.tags.get("prior_search.attempt"),
        )
        for k, r in runs.items()
    }
    assert shown["run/1/0"] == ("FINISHED", "diverged", "0")
    assert shown["run/2/0"] == ("FINISHED", "completed", "1")
    assert shown["search/td"][0] == "FINISHED"


def test_a_thread_sends_everything_and_the_files_of_the_study(
    tmp_path: Path, make_spec: Any
) -> None:
    (tmp_path / "study.toml").write_text("name = 'study'\n")
    figures = tmp_path / "report" / "figures"
    figures.mkdir(parents=True)
    for name in ("../index.html", "td-roles.png", "prior-roles.png", "td-roles.svg"):
        (figures / name).touch()
    store = f"sqlite:///{tmp_path / 'of_the_group.db'}"
    thread = MirrorThread(tmp_path, store)
    for event in make_events(make_spec):
        thread.put(event)
    assert thread.close(timeout=60)
    mirror = MlflowMirror(tmp_path, store)
    runs = all_runs(mirror)
    assert len(runs) == 5
    assert runs["search/td"].info.artifact_uri.startswith((tmp_path / "mlartifacts").as_uri())
    client, run = MlflowClient(mirror.tracking_uri), runs["search/td"].info.run_id
    assert [f.path for f in client.list_artifacts(run)] == ["report", "study.toml"]
    assert [f.path for f in client.list_artifacts(run, "report")] == [
        "report/figures",
        "report/index.html",
    ]
    own = [f.path for f in client.list_artifacts(run, "report/figures")]
    assert own == ["report/figures/td-roles.png"]


def test_a_store_that_cannot_be_reached_is_an_error_with_its_address(
    tmp_path: Path, make_spec: Any
) -> None:
    mirror = MlflowMirror(tmp_path, "sqlite:////dev/null/mlflow.db")
    with pytest.raises(MirrorError, match="MLflow at sqlite:"):
        mirror.apply(make_events(make_spec))


def test_a_dead_store_never_holds_up_the_driver(tmp_path: Path, make_spec: Any) -> None:
    thread = MirrorThread(tmp_path, "http://127.0.0.1:9")
    for event in make_events(make_spec):
        thread.put(event)
    assert not thread.close(timeout=0.5)


def start_server(store: Path, port: int) -> subprocess.Popen[bytes]:
    """MLflow's server on loopback, once it answers."""
    command = ui_command(store, port)
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            check_tracking(f"http://127.0.0.1:{port}")
        except MirrorError:
            time.sleep(0.5)
        else:
            return server
    stop_server(server)
    raise AssertionError("the server did not come up")


def stop_server(server: subprocess.Popen[bytes]) -> None:
    """End it with its workers, as a machine does that goes away."""
    for process in (*psutil.Process(server.pid).children(recursive=True), server):
        process.kill()
    server.wait()


@pytest.mark.faults
def test_a_server_that_comes_late_and_dies_in_between_has_everything_once_in_the_end(
    tmp_path: Path, make_spec: Any
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    events = make_events(make_spec)
    thread = MirrorThread(tmp_path, f"http://127.0.0.1:{port}", retry_seconds=0.2)
    thread.put_all(events[:4])  # nobody is there
    server = start_server(tmp_path, port)
    thread.put_all(events[4:9])
    time.sleep(0.3)  # some of it is under way
    stop_server(server)
    thread.put_all(events[9:])
    assert not thread.close(timeout=0.1)  # a search would end here, at no cost
    server = start_server(tmp_path, port)
    try:
        mirror = MlflowMirror(tmp_path, f"http://127.0.0.1:{port}")
        mirror.apply(events)  # as `prior-search ui` does, or the next driver
        found = MlflowClient(mirror.tracking_uri).search_runs(["1"])
        keys = sorted(run.data.tags["prior_search.key"] for run in found)
        assert keys == ["run/0/0", "run/0/1", "run/1/0", "run/2/0", "search/td"]
        run = all_runs(mirror)["run/0/0"]
        history = MlflowClient(mirror.tracking_uri).get_metric_history(
            run.info.run_id, "objective"
        )
        assert [(m.step, m.value) for m in history] == [(2, 5.0), (4, 4.5)]
    finally:
        stop_server(server)


def test_a_call_whose_answer_was_lost_makes_no_second_run(tmp_path: Path, make_spec: Any) -> None:
    events = make_events(make_spec)
    mirror, other = MlflowMirror(tmp_path), MlflowMirror(tmp_path)
    mirror.apply(events[:1])
    other.apply(events[:6])  # what the store has, and the first one has had no answer to
    mirror._client = None  # as a call that failed leaves it
    mirror.apply(events)
    assert len(all_runs(mirror)) == 5


def test_the_ui_listens_on_loopback_only(tmp_path: Path) -> None:
    command = ui_command(tmp_path, 5001)
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--allowed-hosts") + 1] == "127.0.0.1:5001,localhost:5001"
