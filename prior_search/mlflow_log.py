"""MLflow as a view of the event log; the only file that imports mlflow.

Experiment = study, parent run = search, child = trial, third level = replicates. Only the driver
writes, in batches. Everything sent can be sent again from the log: runs are found by the tag
``prior_search.key``, and the tag ``prior_search.applied`` of the study's first parent run says how
far the store has come.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # ours come on top, for ever
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException

from prior_search.errors import PriorSearchError
from prior_search.event_log import Event
from prior_search.trial import TrialSpec

logger = logging.getLogger(__name__)

MAX_METRICS = 1000  # per call, a limit of MLflow
RETRY_SECONDS = 10.0  # between attempts to reach a store
ARTIFACTS = (
    "study.toml",
    "events.jsonl",
    "env.lock",
    "code.patch",
    "trials.parquet",
    "metrics.json",
)
STATUS = {"completed": "FINISHED", "diverged": "FINISHED", "stopped": "KILLED"}


class MirrorError(PriorSearchError, OSError):
    """The tracking store cannot be reached or refuses; nothing is lost, the log has it all."""


class MlflowMirror:
    """Applies events to a tracking store, each once.

    Args:
        folder: of the study; holds the default store ``mlflow.db`` and its artifacts.
        tracking_uri: another store; None for sqlite in the folder.

    Raises:
        MirrorError: the store cannot be opened (from ``apply``).
    """

    def __init__(self, folder: Path, tracking_uri: str | None = None) -> None:
        self.folder = folder
        self.tracking_uri = tracking_uri or f"sqlite:///{folder / 'mlflow.db'}"
        # a server knows where its artifacts go; for a database MLflow takes the working directory
        self._has_server = self.tracking_uri.startswith(("http://", "https://"))
        self._client: MlflowClient | None = None
        self._study = ""
        self._first = ""  # key of this log's first parent run
        self._experiment = ""
        self._runs: dict[str, str] = {}  # prior_search.key -> MLflow run id
        self._specs: dict[tuple[int, int], TrialSpec] = {}
        self._applied = -1  # highest seq in the store
        self._created: Event = {}

    def apply(self, events: Iterable[Event]) -> None:
        """Send events that the store does not have yet; the first ever must be the study's first.

        Raises:
            MirrorError: the store cannot be reached; calling again goes on where it stopped.
        """
        try:
            for event in events:
                self._apply(event)
        except (MlflowException, OSError) as error:
            self._client = None  # a call may have arrived whose answer did not: look again first
            raise MirrorError(f"MLflow at {self.tracking_uri}: {error}") from error

    def _apply(self, event: Event) -> None:
        kind = event["event"]
        if kind == "study_created":
            self._created = event
        elif kind in ("trial_suggested", "trial_retried"):
            spec = TrialSpec.from_dict(event["spec"])
            self._specs[spec.key[:2]] = spec
        if self._client is None:
            self._open(self._created)
        if event["seq"] <= self._applied:
            return
        handler = getattr(self, f"_on_{kind}", None)
        if handler is not None:
            handler(event)
        self._applied = event["seq"]

    @property
    def _store(self) -> MlflowClient:
        assert self._client is not None  # study_created comes first
        return self._client

    # --- the store

    def _open(self, event: Event) -> None:
        client = MlflowClient(self.tracking_uri)
        self._study, self._first = event["study"], f"search/{event['searches'][0]}"
        self._runs.clear()
        found = client.get_experiment_by_name(self._study)
        if found is None:
            root = None if self._has_server else (self.folder / "mlartifacts").as_uri()
            self._experiment = self._create_experiment(client, root)
        else:
            self._experiment = found.experiment_id
            self._find_runs(client, self._experiment)
        self._client = client
        for search in event["searches"]:
            if f"search/{search}" not in self._runs:
                tags = {"prior_search.search": search, "prior_search.level": "search"}
                tags |= {f"prior_search.{k}": str(event[k]) for k in ("family", "task", "preset")}
                self._create(f"search/{search}", search, event["time"], tags)
                versions = {f"version.{k}": v for k, v in event["versions"].items()}
                facts = {"seed": event["seed"], "data_fingerprint": event["data_fingerprint"]}
                self._log(f"search/{search}", event["time"], params=facts | versions)

    def _create_experiment(self, client: MlflowClient, root: str | None) -> str:
        """Logs of one study (final trainings) may be mirrored at a time: one of them makes it."""
        try:
            return str(client.create_experiment(self._study, artifact_location=root))
        except MlflowException:
            found = client.get_experiment_by_name(self._study)
            if found is None:
                raise
            self._find_runs(client, found.experiment_id)
            return str(found.experiment_id)

    def _find_runs(self, client: MlflowClient, experiment: str) -> None:
        token = None
        while True:
            page = client.search_runs([experiment], max_results=1000, page_token=token)
            for run in page:
                self._adopt(run)
            token = page.token
            if not token:
                return

    def _adopt(self, run: Run) -> None:
        tags = run.data.tags
        if tags.get("prior_search.study") == self._study and "prior_search.key" in tags:
            self._runs[tags["prior_search.key"]] = run.info.run_id
            if tags["prior_search.key"] == self._first:  # the others may be of another log
                self._applied = max(self._applied, int(tags.get("prior_search.applied", -1)))

    def _create(
        self,
        key: str,
        name: str,
        when: float,
        tags: Mapping[str, str],
        parent: str | None = None,
    ) -> None:
        every = {"prior_search.study": self._study, "prior_search.key": key, **tags}
        if parent is not None:
            every["mlflow.parentRunId"] = self._runs[parent]
        run = self._store.create_run(
            self._experiment, start_time=int(when * 1000), tags=every, run_name=name
        )
        self._runs[key] = run.info.run_id

    def _log(
        self,
        key: str,
        when: float,
        *,
        metrics: Mapping[str, float] | None = None,
        step: int = 0,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        milliseconds = int(when * 1000)
        sent = [Metric(n, v, milliseconds, step) for n, v in (metrics or {}).items()]
        self._store.log_batch(
            self._runs[key],
            metrics=sent[:MAX_METRICS],
            params=[Param(name, str(value)) for name, value in (params or {}).items()],
            tags=[RunTag(name, str(value)) for name, value in (tags or {}).items()],
        )

    def _mark(self, event: Event) -> None:
        """Note in the store how far it has come."""
        self._store.set_tag(self._runs[self._first], "prior_search.applied", str(event["seq"]))

    # --- one method per kind of event

    def _on_trial_suggested(self, event: Event) -> None:
        spec, suggestion = self._specs[(event["trial"], event["replicate"])], event["suggestion"]
        key = _run_key(spec.key[:2])
        if key not in self._runs:
            parent = f"search/{spec.search}" if spec.replicate == 0 else _run_key((spec.trial, 0))
            names = ("search", "stage", "role", "bottleneck", "family", "task", "preset")
            tags = {f"prior_search.{name}": str(getattr(spec, name)) for name in names}
            tags["prior_search.level"] = "replicate" if spec.replicate else "trial"
            parent = parent if parent in self._runs else f"search/{spec.search}"
            is_arm = spec.search != spec.bottleneck
            name = f"{spec.label}-{spec.bottleneck}" if is_arm else spec.label
            self._create(key, name, event["time"], tags, parent)
        params = {n: v for n, v in spec.weights.as_dict().items() if v > 0} | dict(spec.settings)
        self._log(
            key,
            event["time"],
            params=params | {"horizon": spec.horizon, "seed": spec.seed},
            tags={
                f"prior_search.{name}": str(suggestion[name])
                for name in ("predicted_mean", "predicted_sd", "acquisition")
                if suggestion.get(name) is not None
            },
        )

    def _on_trial_started(self, event: Event) -> None:
        tags = {"prior_search.state": "running", "prior_search.attempt": event["key"][2]}
        self._log(_run_key(event["key"]), event["time"], tags=tags)

    def _on_metric_point(self, event: Event) -> None:
        key = _run_key(event["key"])
        self._log(key, event["time"], metrics=event["metrics"], step=event["step"])

    def _on_trial_ended(self, event: Event) -> None:
        result = event["result"]
        key = _run_key([result["trial"], result["replicate"]])
        tags = {"prior_search.state": result["status"]}
        if "reused" in event:
            tags["prior_search.reused"] = event["reused"]
        if result["error"]:
            tags["prior_search.error"] = result["error"][:5000]
        metrics = {"wall_seconds": result["wall_seconds"]}
        if result["objective"] is not None:
            metrics["objective"] = result["objective"]
        self._log(key, event["time"], metrics=metrics, step=result["steps"], tags=tags)
        status = STATUS.get(result["status"], "FAILED")
        self._store.set_terminated(self._runs[key], status, int(event["time"] * 1000))
        self._mark(event)

    def _on_trial_retried(self, event: Event) -> None:
        key = _run_key(self._specs_key(event))
        self._store.update_run(self._runs[key], status="RUNNING")
        self._log(key, event["time"], tags={"prior_search.state": "pending"})

    @staticmethod
    def _specs_key(event: Event) -> tuple[int, int]:
        return (event["spec"]["trial"], event["spec"]["replicate"])

    def _on_search_finished(self, event: Event) -> None:
        key, best = f"search/{event['search']}", event["recommendation"]
        if best is not None:
            params = {f"best.{name}": value for name, value in best["values"].items()}
            names = ("predicted_mean", "predicted_sd")
            metrics = {f"best.{name}": best[name] for name in names}
            self._log(key, event["time"], params=params, metrics=metrics)
        self._store.set_terminated(self._runs[key], "FINISHED", int(event["time"] * 1000))
        self._mark(event)

    def log_artifacts(self) -> None:
        """Copy the study's files to every parent run, and each search's own figures to its run.

        Raises:
            MirrorError: the store cannot be reached.
        """
        files = [self.folder / name for name in ARTIFACTS]
        files += sorted((self.folder / "best").glob("*.toml"))
        files += sorted((self.folder / "report").glob("*.png"))
        try:
            for key, run in self._runs.items():
                if key.startswith("search/"):
                    for file in files:
                        if file.exists():
                            self._store.log_artifact(run, str(file))
                    self._log_report(run, key.removeprefix("search/"))
        except (MlflowException, OSError) as error:
            raise MirrorError(f"MLflow at {self.tracking_uri}: {error}") from error

    def _log_report(self, run: str, search: str) -> None:
        report = self.folder / "report"
        if (report / "index.html").exists():
            self._store.log_artifact(run, str(report / "index.html"), "report")
        for figure in sorted((report / "figures").glob(f"{search}-*.png")):
            self._store.log_artifact(run, str(figure), "report/figures")


def _run_key(key: Iterable[int]) -> str:
    trial, replicate, *_ = key
    return f"run/{trial}/{replicate}"


class MirrorThread:
    """A mirror that works behind the driver's back: tracking never holds up a search.

    A store that cannot be reached is warned of once and tried again; what it missed is sent later.
    """

    def __init__(
        self,
        folder: Path,
        tracking_uri: str | None = None,
        *,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._mirror = MlflowMirror(folder, tracking_uri)
        self._retry_seconds = retry_seconds
        self._queue: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._has_warned = False
        self._give_up = threading.Event()
        self._thread = threading.Thread(target=self._work, name="mlflow mirror", daemon=True)
        self._thread.start()

    def put(self, event: Event) -> None:
        """Hand over one event."""
        self._queue.put(event)

    def put_all(self, events: Iterable[Event]) -> None:
        """Hand over the events of a log that is continued."""
        for event in events:
            self._queue.put(event)

    def close(self, timeout: float) -> bool:
        """Send what is left and the artifacts; False if the store could not take it in time."""
        self._queue.put(None)
        self._thread.join(timeout)
        self._give_up.set()
        if self._thread.is_alive():
            logger.warning("MLflow did not take everything; `prior-search ui` sends the rest")
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (event := self._queue.get()) is not None:
            if not self._insist(lambda event=event: self._mirror.apply([event])):
                return
        self._insist(self._mirror.log_artifacts)

    def _insist(self, action: Any) -> bool:
        while not self._give_up.is_set():
            try:
                action()
            except MirrorError as error:
                if not self._has_warned:
                    logger.warning("%s; the search goes on, and tracking is tried again", error)
                    self._has_warned = True
                self._give_up.wait(self._retry_seconds)
            else:
                return True
        return False


def check_tracking(uri: str) -> None:
    """Ask a tracking store for its experiments.

    Raises:
        MirrorError: it does not answer, or refuses.
    """
    try:
        MlflowClient(uri).search_experiments(max_results=1)
    except (MlflowException, OSError) as error:
        raise MirrorError(f"MLflow at {uri}: {error}") from error


def ui_command(folder: Path, port: int, tracking_uri: str | None = None) -> list[str]:
    """The command that serves MLflow's pages on loopback for a study's store."""
    import sys

    store = tracking_uri or f"sqlite:///{folder / 'mlflow.db'}"
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store]
    command += ["--artifacts-destination", str(folder / "mlartifacts"), "--host", "127.0.0.1"]
    hosts = f"127.0.0.1:{port},localhost:{port}"
    return [*command, "--port", str(port), "--allowed-hosts", hosts, "--workers", "1"]
