"""Events of a log into runs of a tracking store, each once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow import MlflowClient

from prior_search.event_log import Event, read_events
from prior_search.mlflow_log import fields
from prior_search.mlflow_log.artifacts import artifacts
from prior_search.mlflow_log.dataset import dataset_input
from prior_search.mlflow_log.driver_metrics import DriverSample
from prior_search.mlflow_log.log_state import LogState, ended_key
from prior_search.mlflow_log.registry import register
from prior_search.mlflow_log.runs import Runs, run_key, search_key
from prior_search.mlflow_log.store import MirrorError, Store, store_errors
from prior_search.trial import TrialSpec

STATUS = {"completed": "FINISHED", "diverged": "FINISHED", "stopped": "KILLED"}


class MlflowMirror:
    """Applies the events of one log to a tracking store, each once.

    Args:
        folder: of a study or of a final training; holds the log and its files.
        tracking_uri: another store than the default one, sqlite in the study's folder.
    """

    def __init__(self, folder: Path, tracking_uri: str | None = None) -> None:
        self.folder = folder
        self._store = Store.of(folder, tracking_uri)
        self._client: MlflowClient | None = None
        self._open_runs: Runs | None = None
        self._experiment_id = ""
        self._state = LogState()
        self._applied = -1  # highest seq in the store

    @property
    def tracking_uri(self) -> str:
        """Address of the store."""
        return self._store.uri

    @property
    def page(self) -> str:
        """Where MLflow's pages show the study's runs, below the server's address."""
        return f"/#/experiments/{self._experiment_id}/runs" if self._experiment_id else "/"

    def apply(self, events: Iterable[Event]) -> None:
        """Send events that the store does not have yet, those before them included.

        Raises:
            MirrorError: the store cannot be reached; calling again goes on where it stopped.
        """
        for event in events:
            for each in (*self._skipped(event), event):
                self._state.note(each)
                with self._reaching():
                    self._open()
                    self._send(each)

    def _skipped(self, event: Event) -> list[Event]:
        """Events between the last one and this, which a driver that continues a log leaves out."""
        start = self._state.num_events
        if event["seq"] <= start:
            return []
        return read_events(self.folder / "events.jsonl")[start : event["seq"]]

    def _send(self, event: Event) -> None:
        if event["seq"] > self._applied:
            handler = getattr(self, f"_on_{event['event']}", None)
            if handler is not None:
                handler(event)
            self._applied = event["seq"]

    def log_driver(self, sample: DriverSample) -> None:
        """Load of the driver's machine, for every search that goes on.

        Raises:
            MirrorError: the store cannot be reached.
        """
        if not self._state.created:
            return
        with self._reaching():
            self._open()
            seconds = int(sample.time - self._state.created["time"])
            for search in self._state.open_searches:
                self._runs.log(
                    search_key(search), sample.time, metrics=sample.metrics, step=seconds
                )

    def log_artifacts(self) -> None:
        """Copy the log's files to the run of every search, and register final models.

        Raises:
            MirrorError: the store cannot be reached.
        """
        if not self._state.created:
            return
        with self._reaching():
            client = self._open()
            for search in self._state.created["searches"]:
                for file, place in artifacts(self.folder, search):
                    client.log_artifact(self._runs.ids[search_key(search)], str(file), place)
            models = list(self._state.final_models(self.folder, self._runs.ids))
            if models:
                register(client, f"{self._state.experiment}-{models[0].spec.bottleneck}", models)

    # --- the store

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            with store_errors(self.tracking_uri):
                yield
        except MirrorError:
            self._client = None  # a call may have arrived whose answer did not: look again first
            raise

    def _open(self) -> MlflowClient:
        """The store, with what it has of this log and a run for every search."""
        if self._client is not None:
            return self._client
        client, created = MlflowClient(self.tracking_uri), self._state.created
        self._experiment_id = self._store.open_experiment(client, self._state.experiment)
        runs = Runs(client, self._experiment_id, fields.log_identity(created), created["study"])
        for search in created["searches"]:
            key = search_key(search)
            name = f"final {self.folder.name}" if self._state.is_final else search
            runs.create(key, name, created["time"], fields.search_tags(created, search))
            runs.log(key, created["time"], params=fields.search_params(created))
            runs.log_input(key, dataset_input(created))
        self._applied = max(self._applied, runs.applied)
        self._client, self._open_runs = client, runs
        return client

    @property
    def _runs(self) -> Runs:
        assert self._open_runs is not None  # the log's first event comes first
        return self._open_runs

    # --- one method per kind of event

    def _on_trial_suggested(self, event: Event) -> None:
        spec = self._state.specs[(event["trial"], event["replicate"])]
        key, first = run_key(spec.key), run_key((spec.trial, 0))
        is_third_level = spec.replicate and first in self._runs.ids
        parent = first if is_third_level else search_key(spec.search)
        self._runs.create(
            key, fields.trial_name(spec), event["time"], fields.trial_tags(spec), parent
        )
        expected = fields.predictions(event["suggestion"])
        self._runs.log(key, event["time"], params=fields.trial_params(spec), metrics=expected)
        self._runs.log_input(key, dataset_input(self._state.created))
        if self._state.is_final:  # a seed more, maybe of a training that had ended
            self._runs.resume(search_key(spec.search))

    def _on_trial_started(self, event: Event) -> None:
        tags = {"state": "running", "attempt": event["key"][2]}
        self._runs.log(run_key(event["key"]), event["time"], tags=tags)

    def _on_metric_point(self, event: Event) -> None:
        key = run_key(event["key"])
        self._runs.log(key, event["time"], metrics=event["metrics"], step=event["step"])

    def _on_trial_ended(self, event: Event) -> None:
        result, key = event["result"], run_key(ended_key(event))
        self._runs.log(
            key,
            event["time"],
            metrics=fields.ended_metrics(event),
            step=result["steps"],
            tags=fields.ended_tags(event),
        )
        self._runs.end(key, STATUS.get(result["status"], "FAILED"), event["time"])
        if not self._state.open_searches:
            self._runs.end(search_key(event["search"]), "FINISHED", event["time"])
        self._mark(event)

    def _on_trial_retried(self, event: Event) -> None:
        spec = TrialSpec.from_dict(event["spec"])
        self._runs.resume(run_key(spec.key))
        self._runs.log(run_key(spec.key), event["time"], tags={"state": "pending"})

    def _on_search_finished(self, event: Event) -> None:
        key, best = search_key(event["search"]), event["recommendation"]
        if best is not None:
            params = {f"best.{name}": value for name, value in best["values"].items()}
            names = ("predicted_mean", "predicted_sd")
            metrics = {f"best.{name}": best[name] for name in names}
            self._runs.log(key, event["time"], params=params, metrics=metrics)
        self._runs.end(key, "FINISHED", event["time"])
        self._mark(event)

    def _mark(self, event: Event) -> None:
        self._runs.mark(search_key(self._state.created["searches"][0]), event["seq"])
