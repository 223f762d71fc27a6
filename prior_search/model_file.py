"""A trained model as a safetensors file: its parameters, and as metadata what made it."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from prior_search.device import resolve_device
from prior_search.models import OrderedModel
from prior_search.tasks import make_task
from prior_search.trial import TrialSpec
from prior_search.whole_file import whole_file

MODEL_NAME = "model.safetensors"  # what a final training leaves


def save_tensors(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Write a safetensors file, atomically."""
    own = {name: t.detach().contiguous().clone() for name, t in tensors.items()}
    with whole_file(path) as partial:
        save_file(own, partial, metadata)


def save_model(model: nn.Module, path: Path, spec: TrialSpec, data_fingerprint: str) -> None:
    """Write a model's parameters and buffers, atomically, with what made it as metadata."""
    metadata = {"spec": json.dumps(spec.as_dict()), "data_fingerprint": data_fingerprint}
    save_tensors(dict(model.state_dict()), path, metadata)


def read_origin(path: Path) -> tuple[TrialSpec, str]:
    """The specification of a saved model and the fingerprint of the data it was trained on.

    Raises:
        ValueError: the file is no model of this package.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} must be a readable safetensors file: {error}") from error
    missing = [name for name in ("spec", "data_fingerprint") if name not in metadata]
    if missing:
        raise ValueError(f"{path} is no final model: its metadata lack {', '.join(missing)}")
    try:
        spec = TrialSpec.from_dict(json.loads(metadata["spec"]))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} holds a specification that cannot be read: {error}") from error
    return spec, metadata["data_fingerprint"]


def load_model(path: Path, *, device: str = "auto") -> tuple[OrderedModel, TrialSpec]:
    """The inverse of ``save_model``, in evaluation mode.

    Raises:
        ValueError: the file is no model of this package, or not of this version.
    """
    spec, _ = read_origin(path)
    with safe_open(path, framework="pt", device=str(resolve_device(device))) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    try:
        model = make_task(spec.task, spec.preset).build_model(
            family=spec.family, bottleneck=spec.bottleneck, settings=spec.settings
        )
        model.load_state_dict(tensors)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} does not fit this version's models: {reason}") from error
    return model.to(resolve_device(device)).eval(), spec
