"""The models: an encoder, a bottleneck, and projection heads or decoders, in three sizes."""

from prior_search.models.ordered_model import (
    DEFAULT_SETTINGS,
    ModelOutput,
    ModelUsage,
    OrderedModel,
    build_model,
    build_reconstruction_model,
)
from prior_search.models.parameter_counts import (
    count_parameters,
    parameter_table,
    reconstruction_parameter_table,
)
from prior_search.models.presets import (
    PRESETS,
    RECONSTRUCTION_PRESETS,
    ContrastivePreset,
    ModelPreset,
    ReconstructionPreset,
)

__all__ = [
    "DEFAULT_SETTINGS",
    "PRESETS",
    "RECONSTRUCTION_PRESETS",
    "ContrastivePreset",
    "ModelOutput",
    "ModelPreset",
    "ModelUsage",
    "OrderedModel",
    "ReconstructionPreset",
    "build_model",
    "build_reconstruction_model",
    "count_parameters",
    "parameter_table",
    "reconstruction_parameter_table",
]
