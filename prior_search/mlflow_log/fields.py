"""What a run is known by and carries: tags to filter by, chosen params, measured metrics.

Tags that people filter by have plain names, so that ``tags.role = 'anchor'`` can be typed into
MLflow's search box; ``prior_search.`` marks those that the mirror itself needs. MLflow's params
cannot be changed, so attempt and state are tags.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from prior_search.event_log import Event
from prior_search.trial import TrialSpec

STUDY_TAGS = ("family", "task", "preset")
TRIAL_TAGS = ("search", "stage", "role", "bottleneck", *STUDY_TAGS)
ERROR_LENGTH = 5000  # a limit of MLflow
PREDICTED = ("predicted_mean", "predicted_sd", "acquisition")


def search_key(search: str) -> str:
    """The key of the run of a search."""
    return f"search/{search}"


def run_key(key: Iterable[int]) -> str:
    """The key of the run of a trial and replicate, whatever the attempt."""
    trial, replicate, *_ = key
    return f"run/{trial}/{replicate}"


def log_identity(created: Event) -> str:
    """Tells one log from any other, also from one of a study with the same name."""
    return hashlib.sha256(json.dumps(created, sort_keys=True).encode()).hexdigest()[:12]


def search_tags(created: Event, search: str) -> dict[str, str]:
    """Tags of the run of a search, or of a final training."""
    level = "final" if "experiment" in created else "search"
    return {"level": level, "search": search} | {k: str(created[k]) for k in STUDY_TAGS}


def search_params(created: Event) -> dict[str, Any]:
    """Params of a search's run."""
    versions = {f"version.{name}": text for name, text in created["versions"].items()}
    facts = {"seed": created["seed"], "data_fingerprint": created["data_fingerprint"]}
    return facts | versions


def trial_name(spec: TrialSpec) -> str:
    """``t0042``, or ``t0042-td`` for an arm of a search over several bottlenecks."""
    return spec.label if spec.search == spec.bottleneck else f"{spec.label}-{spec.bottleneck}"


def trial_tags(spec: TrialSpec) -> dict[str, str]:
    """Tags of a training run."""
    level = "replicate" if spec.replicate else "trial"
    return {"level": level} | {name: str(getattr(spec, name)) for name in TRIAL_TAGS}


def trial_params(spec: TrialSpec) -> dict[str, Any]:
    """What was chosen for a training run; weights that are off are left out."""
    weights = {name: value for name, value in spec.weights.as_dict().items() if value > 0}
    return weights | dict(spec.settings) | {"horizon": spec.horizon, "seed": spec.seed}


def predictions(suggestion: Mapping[str, Any]) -> dict[str, float]:
    """What the surrogate expected of a suggestion, if it was asked."""
    return {name: suggestion[name] for name in PREDICTED if suggestion.get(name) is not None}


def ended_tags(event: Event) -> dict[str, str]:
    """Tags of an attempt that has ended."""
    result = event["result"]
    tags = {"state": result["status"]}
    if "reused" in event:
        tags["reused"] = event["reused"]
    if result["error"]:
        tags["error"] = result["error"][:ERROR_LENGTH]
    return tags


def ended_metrics(event: Event) -> dict[str, float]:
    """Metrics of an attempt that has ended."""
    result = event["result"]
    metrics = {"wall_seconds": result["wall_seconds"]}
    return metrics if result["objective"] is None else metrics | {"objective": result["objective"]}
