"""Final models in MLflow's model registry: ``STUDY-BOTTLENECK``, a version per seed.

A version's source is the folder ``model`` of its run, with the safetensors file that
``prior-search evaluate`` reads: no pickle, and no code that loading would run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from prior_search.trial import TrialSpec

ALIAS = "champion"
FOLDER = "model"
EXISTS = "RESOURCE_ALREADY_EXISTS"


@dataclass(frozen=True, slots=True)
class FinalModel:
    """A completed final training.

    Attributes:
        run: id of its run.
        file: the model.
        objective: at the last step, lower is better.
    """

    run: str
    spec: TrialSpec
    file: Path
    objective: float


def register(client: MlflowClient, name: str, models: list[FinalModel]) -> None:
    """Register models that are not yet; ``champion`` is the one with the lowest objective.

    Args:
        client: of the store.
        name: of the registered model.
        models: the seeds of one configuration at one horizon, so that objectives compare.
    """
    text = f"Final models: a version per seed; {ALIAS!r} has the lowest validation objective."
    try:
        client.create_registered_model(name, _tags(models[0].spec), text)
    except MlflowException as error:
        if error.error_code != EXISTS:
            raise
    versions = {model.run: _version(client, name, model) for model in models}
    best = min(models, key=lambda model: model.objective)
    client.set_registered_model_alias(name, ALIAS, versions[best.run])


def _version(client: MlflowClient, name: str, model: FinalModel) -> str:
    """The version of a run's model, which is made if it is missing."""
    found = client.search_model_versions(f"run_id = '{model.run}'")
    if found:
        return str(found[0].version)
    client.log_artifact(model.run, str(model.file), FOLDER)
    root = client.get_run(model.run).info.artifact_uri
    tags = _tags(model.spec) | {"objective": repr(model.objective), "seed": str(model.spec.seed)}
    made = client.create_model_version(name, f"{root}/{FOLDER}", model.run, tags)
    return str(made.version)


def _tags(spec: TrialSpec) -> dict[str, str]:
    tags: Mapping[str, object] = {
        name: getattr(spec, name) for name in ("family", "bottleneck", "task", "preset", "horizon")
    }
    return {name: str(value) for name, value in tags.items()}
