"""Where tracking goes: a server, a database, or by default sqlite in the study's folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from prior_search.errors import PriorSearchError
from prior_search.event_log import holds_campaign, holds_study

# without it MLflow's pages open an experiment as one of prompts and traces
MODEL_TRAINING = {"mlflow.experimentKind": "custom_model_development"}


class MirrorError(PriorSearchError, OSError):
    """The tracking store cannot be reached or refuses; nothing is lost, the log has it all."""


def home(folder: Path) -> Path:
    """The folder of the default store.

    A final training within a study has that of the study, a study within a campaign that of the
    campaign.
    """
    study = folder.parent.parent
    if folder.parent.name != "final" or not holds_study(study):
        study = folder
    return study.parent if holds_campaign(study.parent) else study


@dataclass(frozen=True, slots=True)
class Store:
    """A tracking store.

    Attributes:
        uri: address for MLflow.
        artifacts: address of files of a new experiment; None if the store knows better.
    """

    uri: str
    artifacts: str | None

    @classmethod
    def of(cls, folder: Path, tracking_uri: str | None) -> Store:
        """The store of a log's folder, or the one that is asked for."""
        uri = tracking_uri or f"sqlite:///{home(folder) / 'mlflow.db'}"
        # a server knows where its artifacts go; for a database MLflow takes the working directory
        has_server = uri.startswith(("http://", "https://"))
        return cls(uri, None if has_server else (home(folder) / "mlartifacts").as_uri())

    def open_experiment(self, client: MlflowClient, name: str) -> str:
        """The id of an experiment, which is made if it is missing.

        The logs of several final trainings may do this at a time: one of them makes it.
        """
        found = client.get_experiment_by_name(name)
        if found is None:
            try:
                made = client.create_experiment(
                    name, artifact_location=self.artifacts, tags=MODEL_TRAINING
                )
            except MlflowException:
                found = client.get_experiment_by_name(name)
                if found is None:
                    raise
            else:
                return str(made)
        return str(found.experiment_id)


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Whatever a store refuses is a ``MirrorError`` with its address."""
    try:
        yield
    except (MlflowException, OSError) as error:
        raise MirrorError(f"MLflow at {uri}: {error}") from error


def check_tracking(uri: str) -> None:
    """Ask a tracking store for its experiments.

    Raises:
        MirrorError: it does not answer, or refuses.
    """
    with store_errors(uri):
        MlflowClient(uri).search_experiments(max_results=1)


def ui_command(folder: Path, port: int, tracking_uri: str | None = None) -> list[str]:
    """The command that serves MLflow's pages on loopback for a study's store."""
    store = Store.of(folder, tracking_uri)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store.uri]
    command += ["--artifacts-destination", str(home(folder) / "mlartifacts")]
    hosts = f"127.0.0.1:{port},localhost:{port}"
    command += ["--host", "127.0.0.1", "--port", str(port), "--allowed-hosts", hosts]
    return [*command, "--workers", "1"]
