"""Portions of a log: few calls, and each thing once wherever one of them is cut off."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from prior_search.event_log import Event
from prior_search.mlflow_log import MirrorError, MirrorThread, MlflowMirror, mirror

pytestmark = pytest.mark.filterwarnings("ignore")

WRITING = ("create_run", "log_batch", "log_inputs", "set_terminated", "update_run", "set_tag")


class ClientThatFails(MlflowClient):
    """Notes the calls that write; the answer to one of them is lost."""

    calls: list[str] = []  # noqa: RUF012  of all clients, emptied by the fixture
    lost: int | None = None

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return self._counted(name, found) if name in WRITING else found

    def _counted(self, name: str, method: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            answer = method(*args, **kwargs)
            self.calls.append(name)
            if len(self.calls) - 1 == self.lost:
                raise MlflowException("the connection was closed")
            return answer

        return call


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[ClientThatFails]]:
    monkeypatch.setattr(mirror, "MlflowClient", ClientThatFails)
    monkeypatch.setattr(ClientThatFails, "calls", [])
    monkeypatch.setattr(ClientThatFails, "lost", None)
    return ClientThatFails


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One store for the module: making one takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"


def named(events: list[Event], study: str) -> list[Event]:
    """The same log of a study with another name, and so in an experiment of its own."""
    return [events[0] | {"study": study}, *events[1:]]


def content(store: str, study: str) -> dict[str, object]:
    """All that a store has of a study by key, but for ids."""
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name(study)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    keys = {run.info.run_id: run.data.tags["prior_search.key"] for run in runs}
    assert len(set(keys.values())) == len(runs)
    found: dict[str, object] = {}
    for run in runs:
        tags = {n: v for n, v in run.data.tags.items() if n not in ("study", "prior_search.log")}
        tags["mlflow.parentRunId"] = keys.get(tags.get("mlflow.parentRunId", ""), "")
        history = [client.get_metric_history(run.info.run_id, name) for name in run.data.metrics]
        values = sorted((m.key, m.step, m.timestamp, m.value) for one in history for m in one)
        inputs = [used.dataset.digest for used in run.inputs.dataset_inputs]
        info = (run.info.status, run.info.start_time, run.info.end_time)
        found[keys[run.info.run_id]] = (info, run.data.params, tags, values, inputs)
    return found


def test_a_trial_takes_four_calls(
    tmp_path: Path, store: str, study_events: list[Event], client: type[ClientThatFails]
) -> None:
    MlflowMirror(tmp_path, store).apply(named(study_events[:5], "one trial"))
    of_a_run = ["create_run", "log_batch", "log_inputs"]
    # of the search, of its trial, and how far the store has come
    assert client.calls == [*of_a_run, *of_a_run, "set_terminated", "set_tag"]


def test_wherever_a_portion_is_cut_off_each_thing_is_there_once_in_the_end(
    tmp_path: Path, store: str, study_events: list[Event], client: type[ClientThatFails]
) -> None:
    MlflowMirror(tmp_path, store).apply(named(study_events, "whole"))
    num_calls, expected = len(client.calls), content(store, "whole")
    assert len(expected) == 5
    for lost in range(num_calls):
        client.lost = len(client.calls) + lost
        events = named(study_events, f"cut after {lost}")
        driver = MlflowMirror(tmp_path, store)
        with pytest.raises(MirrorError, match="the connection was closed"):
            driver.apply(events)
        if lost % 3 == 0:  # the driver died as well; a run takes four calls, so each has its turn
            driver = MlflowMirror(tmp_path, store)
        driver.apply(events)
        assert content(store, events[0]["study"]) == expected


def test_portions_of_any_size_come_to_the_same(
    tmp_path: Path, store: str, study_events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for size in (1, 3, 1000):
        monkeypatch.setattr(mirror, "MAX_EVENTS", size)
        MlflowMirror(tmp_path, store).apply(named(study_events, f"size {size}"))
        found.append(content(store, f"size {size}"))
    assert found[0] == found[1] == found[2]


def test_events_that_take_the_numbers_of_lost_ones_arrive(
    tmp_path: Path, store: str, study_events: list[Event]
) -> None:
    """A result is the last that a machine without power, or a bucket, is sure to have."""
    kept, rest = named(study_events[:5], "lost tail"), study_events[5:]
    assert kept[-1]["event"] == "trial_ended"
    point = {"event": "metric_point", "search": "td", "key": [0, 0, 0], "step": 4, "metrics": {}}
    lost = [point | {"seq": 5 + k, "time": 2000.0} for k in range(3)]
    MlflowMirror(tmp_path, store).apply([*kept, *lost])
    MlflowMirror(tmp_path, store).apply([*kept, *rest])
    assert len(content(store, "lost tail")) == 5


def test_what_comes_soon_after_goes_in_the_same_calls(
    tmp_path: Path, store: str, study_events: list[Event], client: type[ClientThatFails]
) -> None:
    thread = MirrorThread(tmp_path, store, gather_seconds=60)
    events = named(study_events, "gathered")
    thread.put(events[0])
    while not thread._queue.empty():  # until the thread has it, and waits for more
        time.sleep(0.01)
    time.sleep(0.1)
    thread.put_all(events[1:])
    assert thread.close(timeout=60)  # which does not wait for more
    assert client.calls.count("log_batch") == 5  # one per run


def test_a_suggestion_that_was_lost_and_came_out_otherwise_has_a_run_of_its_own(
    tmp_path: Path, store: str, study_events: list[Event]
) -> None:
    """Another processor, or a change by the user before the search went on."""
    events = named(study_events, "other suggestion")
    assert events[5]["event"] == "trial_suggested"
    spec = events[5]["spec"]
    weights = spec["weights"] | {"kl_weight": 0.02}
    lost = events[5] | {"spec": spec | {"weights": weights}}
    MlflowMirror(tmp_path, store).apply([*events[:5], lost, events[6]])
    MlflowMirror(tmp_path, store).apply(events)
    MlflowMirror(tmp_path, store).apply(named(study_events, "one driver"))
    assert content(store, "other suggestion") == content(store, "one driver")


def test_a_deviation_that_a_single_run_says_nothing_of_is_no_metric(
    tmp_path: Path, store: str, study_events: list[Event]
) -> None:
    events = named(study_events, "unsure")
    for k, event in enumerate(events):
        if event["event"] == "search_finished":
            best = event["recommendation"] | {"predicted_sd": None, "low": None, "high": None}
            events[k] = event | {"recommendation": best}
    MlflowMirror(tmp_path, store).apply(events)
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("unsure")
    (run,) = client.search_runs([experiment.experiment_id], "tags.level = 'search'")
    assert "best.predicted_mean" in run.data.metrics
    assert "best.predicted_sd" not in run.data.metrics
