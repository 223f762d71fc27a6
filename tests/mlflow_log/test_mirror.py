"""Events into a store: every run once, with what the log says of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from prior_search.event_log import Event
from prior_search.mlflow_log import MirrorError, MirrorThread, MlflowMirror, ui_command

pytestmark = pytest.mark.filterwarnings("ignore")


def all_runs(mirror: MlflowMirror) -> dict[str, Any]:
    client = MlflowClient(mirror.tracking_uri)
    experiment = client.get_experiment_by_name("study")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    return {run.data.tags["prior_search.key"]: run for run in runs}


@pytest.fixture(scope="module")
def mirrored(
    tmp_path_factory: pytest.TempPathFactory, study_events: list[Event]
) -> tuple[MlflowMirror, list[Event]]:
    """One store for the module: making one takes seconds. Events come in two drivers' portions."""
    folder = tmp_path_factory.mktemp("study")
    events = study_events
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
    assert run.data.tags["role"] == "anchor"
    assert run.data.metrics["predicted_mean"] == 4.5
    assert run.data.metrics["objective"] == 4.5
    client = MlflowClient(mirrored[0].tracking_uri)
    history = client.get_metric_history(run.info.run_id, "objective")
    assert [(m.step, m.value, m.timestamp) for m in history] == [
        (2, 5.0, 1003000),
        (4, 4.5, 1004000),
    ]
    assert runs["search/td"].data.params["best.kl_weight"] == "0.001"
    history = client.get_metric_history(runs["search/td"].info.run_id, "best_objective")
    assert [(m.step, m.value) for m in history] == [(1, 4.5), (2, 4.5), (3, 4.5), (4, 4.5)]


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("tags.role = 'anchor'", {"run/0/0"}),
        ("tags.stage = 'stage2' and tags.level = 'trial'", {"run/0/0", "run/1/0", "run/2/0"}),
        ("tags.level = 'replicate'", {"run/0/1"}),
        ("tags.bottleneck = 'td' and tags.state = 'diverged'", {"run/1/0"}),
        ("tags.family = 'gaussian' and metrics.objective > 4.55", {"run/0/1", "run/2/0"}),
        ("tags.level = 'search'", {"search/td"}),
        ("tags.stage = 'stage1'", set()),
    ],
)
def test_runs_are_filtered_by_what_they_are(mirrored: Any, query: str, keys: set[str]) -> None:
    client = MlflowClient(mirrored[0].tracking_uri)
    experiment = client.get_experiment_by_name("study")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], query)
    assert {run.data.tags["prior_search.key"] for run in found} == keys


def test_the_data_set_is_an_input_of_every_run_once(mirrored: Any) -> None:
    for run in all_runs(mirrored[0]).values():
        (used,) = run.inputs.dataset_inputs
        assert (used.dataset.name, used.dataset.digest) == ("embedded objects", "abc")
        assert used.dataset.source_type == "code"


def test_another_log_of_the_same_name_gets_runs_of_its_own(
    mirrored: Any, tmp_path: Path, study_events: list[Event]
) -> None:
    later = [event | {"time": event["time"] + 1e6} for event in study_events]
    store = f"sqlite:///{tmp_path / 'both.db'}"
    for log in (study_events, later):
        MlflowMirror(tmp_path, store).apply(log)
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("study")
    assert experiment is not None
    assert len(client.search_runs([experiment.experiment_id])) == 10


def test_states_follow_attempts(mirrored: Any) -> None:
    runs = all_runs(mirrored[0])
    shown = {
        k: (
            r.info.status,
            r.data.tags.get("state"),
            r.data.tags.get("attempt"),
        )
        for k, r in runs.items()
    }
    assert shown["run/1/0"] == ("FINISHED", "diverged", "0")
    assert shown["run/2/0"] == ("FINISHED", "completed", "1")
    assert shown["search/td"][0] == "FINISHED"


def test_a_thread_sends_everything_and_the_files_of_the_study(
    tmp_path: Path, study_events: list[Event]
) -> None:
    (tmp_path / "study.toml").write_text("name = 'study'\n")
    figures = tmp_path / "report" / "figures"
    figures.mkdir(parents=True)
    for name in ("../index.html", "td-roles.png", "prior-roles.png", "td-roles.svg"):
        (figures / name).touch()
    store = f"sqlite:///{tmp_path / 'of_the_group.db'}"
    thread = MirrorThread(tmp_path, store)
    for event in study_events:
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
    tmp_path: Path, study_events: list[Event]
) -> None:
    mirror = MlflowMirror(tmp_path, "sqlite:////dev/null/mlflow.db")
    with pytest.raises(MirrorError, match="MLflow at sqlite:"):
        mirror.apply(study_events)


def test_a_dead_store_never_holds_up_the_driver(tmp_path: Path, study_events: list[Event]) -> None:
    thread = MirrorThread(tmp_path, "http://127.0.0.1:9")
    for event in study_events:
        thread.put(event)
    assert not thread.close(timeout=0.5)


@pytest.mark.faults
def test_a_server_that_comes_late_and_dies_in_between_has_everything_once_in_the_end(
    tmp_path: Path, study_events: list[Event], make_server: Any, recovered: Any
) -> None:
    server = make_server(tmp_path)
    thread = MirrorThread(tmp_path, server.uri, retry_seconds=0.2)
    thread.put_all(study_events[:4])  # nobody is there
    server.start()
    thread.put_all(study_events[4:9])
    time.sleep(0.3)  # some of it is under way
    server.kill()
    thread.put_all(study_events[9:])
    assert not thread.close(timeout=0.1)  # a search would end here, at no cost
    thread._thread.join()  # and take what it was doing with it
    started = time.monotonic()
    server.start()
    mirror = MlflowMirror(tmp_path, server.uri)
    mirror.apply(study_events)  # as `prior-search ui` does, or the next driver
    recovered("MLflow back, its start included, and all events there", time.monotonic() - started)
    found = MlflowClient(mirror.tracking_uri).search_runs(["1"])
    keys = sorted(run.data.tags["prior_search.key"] for run in found)
    assert keys == ["run/0/0", "run/0/1", "run/1/0", "run/2/0", "search/td"]
    run = all_runs(mirror)["run/0/0"].info.run_id
    history = MlflowClient(mirror.tracking_uri).get_metric_history(run, "objective")
    assert [(m.step, m.value) for m in history] == [(2, 5.0), (4, 4.5)]


def test_a_call_whose_answer_was_lost_makes_no_second_run(
    tmp_path: Path, study_events: list[Event]
) -> None:
    events = study_events
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
