"""The data set of a study as an input of its runs, known by the digest of its content."""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit

from mlflow.entities import Dataset, DatasetInput, InputTag

from prior_search.event_log import Event


def dataset_input(created: Event) -> DatasetInput:
    """What MLflow shows as a run's data set.

    The digest is the study's ``data_fingerprint``: the SHA-256 of the images and labels, of the
    manifest of all shards, or of a rehearsal's settings. The source says where the data are; those
    that come with the package are made by it.

    Args:
        created: first event of a log.
    """
    data = str(created.get("data", "embedded"))
    if data == "embedded":
        name = "embedded faces" if created["task"] == "reconstruction" else "embedded objects"
        source: dict[str, Any] = {"tags": {"package": "prior-search", "task": created["task"]}}
        kind = "code"
    else:
        name = PurePath(urlsplit(data).path).name or data
        kind, source = urlsplit(data).scheme or "local", {"uri": data}
    dataset = Dataset(
        name=name,
        digest=created["data_fingerprint"],
        source_type=kind,
        source=json.dumps(source),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training and validation")])
