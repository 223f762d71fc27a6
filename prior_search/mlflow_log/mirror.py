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
from prior_search.mlflow_log.fields import search_key
from prior_search.mlflow_log.log_state import LogState
from prior_search.mlflow_log.portion import Portion, RunChange
from prior_search.mlflow_log.registry import register
from prior_search.mlflow_log.runs import Runs
from prior_search.mlflow_log.store import MirrorError, Store, store_errors

MAX_EVENTS = 1000  # of a portion; one that did not arrive whole is sent again


class MlflowMirror:
    """Applies the events of one log to a tracking store, each once.

    Events go in portions. Whatever a portion changes can be sent again without another effect, and
    the store says up to where it has all of the log. So of a portion that was cut off, by an end
    of this process or of the server, what had arrived stays and the rest is added.

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
        self._state = LogState(folder)
        self._portion = Portion(self._state)  # gathered, and not in the store for all we know
        self._read = -1  # highest seq that was gathered
        self._applied = -1  # highest seq in the store

    @property
    def tracking_uri(self) -> str:
        """Address of the store."""
        return self._store.uri

    @property
    def page(self) -> str:
        """Where MLflow's pages show the study's runs, below the server's address."""
        if not self._experiment_id:
            return "/"
        return f"/#/experiments/{self._experiment_id}/runs?workflowType=machine_learning"

    def apply(self, events: Iterable[Event]) -> None:
        """Send events that the store does not have yet, those before them included.

        Raises:
            MirrorError: the store cannot be reached; calling again goes on where it stopped.
        """
        for event in events:
            for each in (*self._skipped(event), event):
                self._gather(each)
        self._flush()

    def _skipped(self, event: Event) -> list[Event]:
        """Events between the last one and this, which a driver that continues a log leaves out."""
        start = self._read + 1
        if event["seq"] <= start:
            return []
        return read_events(self.folder / "events.jsonl")[start : event["seq"]]

    def _gather(self, event: Event) -> None:
        if event["seq"] <= self._read:
            return
        if not self._state.created:
            self._state.note(event)  # how the log's runs are known in the store
        with self._reaching():
            self._open()
        self._state.note(event)
        if event["seq"] > self._applied:
            self._portion.take(event)
        self._read = event["seq"]
        if self._portion.num_events >= MAX_EVENTS:
            self._flush()

    def _flush(self) -> None:
        """Send the portion, and then say in the store that it is there, if that spares much."""
        if not self._portion.num_events:
            return
        created, portion = self._state.created, self._portion
        data = dataset_input(created)
        with self._reaching():
            self._open()
            for key, change in portion.runs.items():
                self._runs.apply(key, change, data)
            if portion.last_end is not None:
                self._runs.mark(search_key(created["searches"][0]), portion.last_end)
        self._applied, self._portion = portion.last, Portion(self._state)

    def log_driver(self, sample: DriverSample) -> None:
        """Load of the driver's machine, for every search that goes on.

        Raises:
            MirrorError: the store cannot be reached.
        """
        if self._read < 0:
            return
        created, change = self._state.created, RunChange()
        seconds = int(sample.time - created["time"])
        change.note(sample.time, metrics=sample.metrics, step=seconds)
        self._flush()
        with self._reaching():
            self._open()
            for search in self._state.open_searches:
                self._runs.apply(search_key(search), change, dataset_input(created))

    def log_artifacts(self) -> None:
        """Copy the log's files to the run of every search, and register final models.

        Raises:
            MirrorError: the store cannot be reached.
        """
        if self._read < 0:
            return
        self._flush()
        with self._reaching():
            client = self._open()
            for search in self._state.created["searches"]:
                for file, place in artifacts(self.folder, search):
                    client.log_artifact(self._runs.ids[search_key(search)], str(file), place)
            models = list(self._state.final_models(self._runs.ids))
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
        """The store, with what it has of this log."""
        if self._client is not None:
            return self._client
        client, created = MlflowClient(self.tracking_uri), self._state.created
        self._experiment_id = self._store.open_experiment(client, self._state.experiment)
        runs = Runs(client, self._experiment_id, fields.log_identity(created), created["study"])
        self._applied = max(self._applied, runs.applied)
        self._client, self._open_runs = client, runs
        return client

    @property
    def _runs(self) -> Runs:
        assert self._open_runs is not None  # the log's first event comes first
        return self._open_runs
