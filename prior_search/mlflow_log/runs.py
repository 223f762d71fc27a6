"""The MLflow runs of one event log: found again by their keys, written to in few calls.

A run has the tag ``prior_search.key`` (as ``fields`` makes it) and the tag ``prior_search.log``,
which tells logs apart that share an experiment. The tag ``prior_search.applied`` of the first run
says how far the store has come.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlflow import MlflowClient
from mlflow.entities import DatasetInput, Metric, Param, Run, RunTag

from prior_search.mlflow_log.portion import RUNNING, Birth, RunChange


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
        self._params: dict[str, dict[str, str]] = {}  # of runs that were there, by key
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
            key = tags["prior_search.key"]
            self.ids[key], self._params[key] = run.info.run_id, run.data.params
            self.applied = max(self.applied, int(tags.get("prior_search.applied", -1)))

    def apply(self, key: str, change: RunChange, data: DatasetInput) -> None:
        """Make a run, unless the store has it, and send what is new of it.

        The same again changes nothing: a metric with its value, step and time is there once, a
        param or tag has the same value, and so is the status.

        Args:
            key: of the run.
            change: what is new.
            data: the data set, as the input of a run that begins.
        """
        tags: Mapping[str, str] = change.tags
        self._forget_if_other(key, change)
        is_new = change.birth is not None and key not in self.ids
        if change.birth is not None and is_new:
            self._create(key, change.birth, tags)
            tags = {}  # it was made with them
        run = self.ids[key]
        self._client.log_batch(  # which splits what is too much for one call
            run,
            metrics=[Metric(*value) for value in change.metrics],
            params=[Param(name, value) for name, value in change.params.items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )
        if change.birth is not None:
            self._client.log_inputs(run, [data])
        if change.status == RUNNING:
            if not is_new:
                self._client.update_run(run, status=RUNNING)
        elif change.status is not None:
            self._client.set_terminated(run, change.status, int(change.ended * 1000))

    def _forget_if_other(self, key: str, change: RunChange) -> None:
        """Delete a run whose suggestion was lost, if the next driver came to another one.

        It may: on another processor, or after a change by the user. Params cannot be changed.
        """
        known = self._params.pop(key, {}) if change.birth and change.birth.parent else {}
        if any(known.get(name, value) != value for name, value in change.params.items()):
            self._client.delete_run(self.ids.pop(key))

    def mark(self, key: str, seq: int) -> None:
        """Note in the store how far it has come."""
        self._client.set_tag(self.ids[key], "prior_search.applied", str(seq))

    def _create(self, key: str, birth: Birth, tags: Mapping[str, str]) -> None:
        every = {"prior_search.key": key, "prior_search.log": self._log, "study": self._study}
        every |= tags
        if birth.parent is not None:
            every["mlflow.parentRunId"] = self.ids[birth.parent]
        run = self._client.create_run(
            self._experiment, start_time=int(birth.when * 1000), tags=every, run_name=birth.name
        )
        self.ids[key] = run.info.run_id
