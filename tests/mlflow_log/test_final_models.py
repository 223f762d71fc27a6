"""Final trainings in their study's store, and their models in the registry."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

from prior_search.event_log import EventLog
from prior_search.mlflow_log import MirrorThread, MlflowMirror, ui_command
from prior_search.trial import TrialResult

pytestmark = pytest.mark.filterwarnings("ignore")

CREATED = {
    "study": "study-final", "experiment": "study", "family": "gaussian", "task": "contrastive",
    "preset": "tiny", "seed": 0, "versions": {}, "data_fingerprint": "abc",
    "data": "/data/a.arrow",
}  # fmt: skip


def write_final(
    study: Path, make_spec: Any, bottleneck: str, objectives: Mapping[int, float | None]
) -> EventLog:
    """The log and the models of a final training; a seed without an objective has diverged."""
    folder = study / "final" / f"{bottleneck}-t0004"
    folder.mkdir(parents=True, exist_ok=True)
    log = EventLog(folder / "events.jsonl")
    if not log.events:
        log.append("study_created", CREATED | {"searches": [bottleneck]})
    made = {"search": bottleneck, "bottleneck": bottleneck, "stage": "final", "role": "final"}
    for seed, objective in objectives.items():
        spec = make_spec(trial=4, replicate=seed, seed=100 + seed, study="study-final", **made)
        data = {"search": bottleneck, "trial": 4, "replicate": seed, "suggestion": {}}
        log.append("trial_suggested", data | {"spec": spec.as_dict()})
        result = TrialResult(
            trial=4,
            replicate=seed,
            attempt=0,
            status="diverged" if objective is None else "completed",
            objective=objective,
        )
        log.append("trial_ended", {"search": bottleneck, "result": result.as_dict()})
        model = folder / "trials" / spec.label / "model.safetensors"
        model.parent.mkdir(parents=True)
        model.write_bytes(f"weights {objective}".encode())
    return log


def send(log: EventLog, uri: str | None = None) -> MlflowClient:
    mirror = MlflowMirror(log.path.parent, uri)
    mirror.apply(log.events)
    mirror.log_artifacts()
    return MlflowClient(mirror.tracking_uri)


def test_final_models_are_versions_and_the_best_seed_is_the_champion(
    tmp_path: Path, make_spec: Any
) -> None:
    (tmp_path / "events.jsonl").write_text('{"seq": 0}\n')  # a study
    log = write_final(tmp_path, make_spec, "td", {0: 4.5, 1: 4.3, 2: None})
    client = send(log)
    assert f"sqlite:///{tmp_path / 'mlflow.db'}" in ui_command(log.path.parent, 5000)
    versions = client.search_model_versions("name = 'study-td'")
    assert sorted(v.tags["objective"] for v in versions) == ["4.3", "4.5"]
    champion = client.get_model_version_by_alias("study-td", "champion")
    assert champion.tags["objective"] == "4.3"
    run = client.get_run(champion.run_id)
    assert (run.data.tags["stage"], run.data.tags["level"]) == ("final", "replicate")
    (file,) = Path(download_artifacts(champion.source)).iterdir()
    assert (file.name, file.read_bytes()) == ("model.safetensors", b"weights 4.3")

    log.close()
    log = write_final(tmp_path, make_spec, "td", {3: 4.1})
    thread = MirrorThread(log.path.parent)
    thread.put(log.events[-2])  # a driver that goes on says what is new
    thread.put(log.events[-1])
    assert thread.close(timeout=120)
    assert len(client.search_model_versions("name = 'study-td'")) == 3  # none of them twice
    champion = client.get_model_version_by_alias("study-td", "champion")
    assert champion.tags["objective"] == "4.1"
    log.close()


def test_final_trainings_share_their_studys_experiment_and_miss_nothing(
    tmp_path: Path, make_spec: Any
) -> None:
    store = f"sqlite:///{tmp_path / 'server.db'}"
    for bottleneck in ("td", "itd"):
        log = write_final(tmp_path, make_spec, bottleneck, {0: 4.5, 1: 4.4})
        client = send(log, store)
        log.close()
    experiment = client.get_experiment_by_name("study")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.stage = 'final'")
    found = [(run.data.tags["bottleneck"], run.data.metrics["objective"]) for run in runs]
    assert sorted(found) == [("itd", 4.4), ("itd", 4.5), ("td", 4.4), ("td", 4.5)]
    parents = client.search_runs([experiment.experiment_id], "tags.level = 'final'")
    assert {run.info.run_name: run.info.status for run in parents} == {
        "final td-t0004": "FINISHED",
        "final itd-t0004": "FINISHED",
    }
    used = parents[0].inputs.dataset_inputs[0].dataset
    assert (used.name, used.source_type, used.digest) == ("a.arrow", "local", "abc")
