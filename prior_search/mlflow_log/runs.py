"""The MLflow runs of one event log: found again by their keys, written to in batches.

A run has the tag ``prior_search.key`` (``search/td``, ``run/TRIAL/REPLICATE``) and the tag
``prior_search.log``, which tells logs apart that share an experiment. The tag
``prior_search.applied`` of the first run says how far the store has come.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import DatasetInput, Metric, Param, Run, RunTag

MAX_METRICS = 1000  # per call, a limit of MLflow


def search_key(search: str) -> str:
    """The key of the run of a search."""
    return f"search/{search}"


def run_key(key: Iterable[int]) -> str:
    """The key of the run of a trial and replicate, whatever the attempt."""
    trial, replicate, *_ = key
    return f"run/{trial}/{replicate}"


class Runs:
    """What the store has of one log.

    Args:
        client: of the store.
        experiment: id of the experiment.
        log: identity of the log.
        study: the name that is shown.
    """

    def __init__(self, client: MlflowClient, experiment: str, log: str, study: str) -> None:
        self._client, self._experiment = client, experiment
        self._log, self._study = log, study
        self.ids: dict[str, str] = {}  # key -> MLflow run id
        self.applied = -1  # highest seq in the store
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
        if tags.get("prior_search.log") == self._log:
            self.ids[tags["prior_search.key"]] = run.info.run_id
            self.applied = max(self.applied, int(tags.get("prior_search.applied", -1)))

    def create(
        self,
        key: str,
        name: str,
        when: float,
        tags: Mapping[str, str],
        parent: str | None = None,
    ) -> None:
        """Make a run, unless the store has it; ``when`` in Unix seconds, ``parent`` by key."""
        if key in self.ids:
            return
        every = {"prior_search.key": key, "prior_search.log": self._log, "study": self._study}
        every |= tags
        if parent is not None:
            every["mlflow.parentRunId"] = self.ids[parent]
        run = self._client.create_run(
            self._experiment, start_time=int(when * 1000), tags=every, run_name=name
        )
        self.ids[key] = run.info.run_id

    def log(
        self,
        key: str,
        when: float,
        *,
        metrics: Mapping[str, float] | None = None,
        step: int = 0,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> None:
        """One batch; the same one again changes nothing."""
        milliseconds = int(when * 1000)
        sent = [Metric(n, v, milliseconds, step) for n, v in (metrics or {}).items()]
        self._client.log_batch(
            self.ids[key],
            metrics=sent[:MAX_METRICS],
            params=[Param(name, str(value)) for name, value in (params or {}).items()],
            tags=[RunTag(name, str(value)) for name, value in (tags or {}).items()],
        )

    def log_input(self, key: str, data: DatasetInput) -> None:
        """Note the data set of a run; the same one again changes nothing."""
        self._client.log_inputs(self.ids[key], [data])

    def end(self, key: str, status: str, when: float) -> None:
        """Set how and when a run ended."""
        self._client.set_terminated(self.ids[key], status, int(when * 1000))

    def resume(self, key: str) -> None:
        """Let a run that has ended go on."""
        self._client.update_run(self.ids[key], status="RUNNING")

    def mark(self, key: str, seq: int) -> None:
        """Note in the store how far it has come."""
        self._client.set_tag(self.ids[key], "prior_search.applied", str(seq))
