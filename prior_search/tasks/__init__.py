"""The tracks that a model is trained on, each a ``TrainingTask``; the loop knows only that."""

from __future__ import annotations

from collections.abc import Mapping

from prior_search.models import PRESETS, RECONSTRUCTION_PRESETS, ModelPreset
from prior_search.tasks.contrastive import ContrastiveTask
from prior_search.tasks.protocol import TrainingTask
from prior_search.tasks.reconstruction import ReconstructionTask
from prior_search.trial import TRAINED_TASKS, Task

__all__ = ["PRESETS_OF", "ContrastiveTask", "ReconstructionTask", "TrainingTask", "make_task"]

PRESETS_OF: dict[Task, Mapping[str, ModelPreset]] = {
    "contrastive": PRESETS,
    "reconstruction": RECONSTRUCTION_PRESETS,
}


def make_task(task: Task, preset: str) -> TrainingTask:
    """The task of a name at the preset of a name.

    Raises:
        ValueError: an unknown task, or one without a model.
    """
    if task == "contrastive":
        return ContrastiveTask(PRESETS[preset])
    if task == "reconstruction":
        return ReconstructionTask(RECONSTRUCTION_PRESETS[preset])
    raise ValueError(f"task must be one of {', '.join(TRAINED_TASKS)}, got {task!r}")
