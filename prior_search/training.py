"""The training loop: one generator, ``fit``, for every task, bottleneck, family and horizon.

All draws of step t are seeded by (seed, t), so a run that goes on from a checkpoint sees the same
batches, masks and noise as one that was never interrupted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor, nn

from prior_search.data import FrameBatches, ObjectTracks
from prior_search.data_parallel import own_rows, sum_gradients, worker_rank
from prior_search.device import resolve_device
from prior_search.errors import TrialDivergedError
from prior_search.model_file import MODEL_NAME, save_model, save_tensors
from prior_search.optimization import make_optimizer, set_learning_rate
from prior_search.storage.checkpoint import Checkpoint
from prior_search.tasks import make_task
from prior_search.trial import MetricPoint, TrialSpec

NUM_POINTS = 4  # a trial reports its validation objective this often, the last time at its end


def _seed_step(generator: torch.Generator, seed: int, step: int) -> np.random.Generator:
    """Seed all draws of one step; return the source of its frames."""
    mixed = np.random.SeedSequence([seed, step])
    generator.manual_seed(int(mixed.generate_state(1, np.uint64)[0]) >> 1)
    return np.random.default_rng(mixed)


class TrainingRun:
    """Model, optimizer and step counter of one trial.

    Args:
        spec: what to train.
        tracks: the data.
        device: where to train.
    """

    def __init__(self, spec: TrialSpec, tracks: ObjectTracks, device: torch.device) -> None:
        self.spec, self.tracks, self.device = spec, tracks, device
        self.task = make_task(spec.task, spec.preset)
        with torch.random.fork_rng(devices=[]):  # initialization draws from the global generator
            torch.manual_seed(spec.seed)
            self.model = self.task.build_model(
                family=spec.family, bottleneck=spec.bottleneck, settings=spec.settings
            ).to(device)
        self.optimizer = make_optimizer(self.model, self.task.preset, device)
        self.step = 0
        self.metrics: dict[str, Tensor] = {}
        self._generator = torch.Generator(device=device)
        self._batches = FrameBatches(tracks, device)
        self._all_finite = torch.ones((), dtype=torch.bool, device=device)

    def train_step(self) -> None:
        """One optimization step; never waits for the device."""
        spec, preset = self.spec, self.task.preset
        whole = self.task.sample_frames(
            self.tracks, _seed_step(self._generator, spec.seed, self.step)
        )
        frames = own_rows(torch.from_numpy(whole)).numpy()
        set_learning_rate(self.optimizer, preset, self.step, horizon=spec.horizon)
        images, fovea = self.task.views(*self._batches.gather(frames), generator=self._generator)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            output = self.model(images, fovea, generator=self._generator)
        loss = self.task.loss(output, images, spec.weights)
        self.optimizer.zero_grad(set_to_none=True)
        loss.total.backward()
        sum_gradients(self.model.parameters())
        nn.utils.clip_grad_norm_(self.model.parameters(), preset.grad_clip)
        self.optimizer.step()
        self.step += 1
        self._all_finite &= loss.total.detach().isfinite()
        self.metrics = {"train_objective": loss.objectives[-1], "train_loss": loss.total} | dict(
            output.terms
        )

    def point(self) -> MetricPoint:
        """Validation metrics and the last batch's losses and unweighted terms at this step.

        Raises:
            TrialDivergedError: a training loss since the start, or the objective, is not finite.
        """
        values = self.task.validate(self.model, self.tracks, self.device)
        if self.spec.stage == "final" and self.step == self.spec.horizon:
            values |= self.task.final_metrics(self.model, self.tracks, self.device)
        values |= {name: float(value.detach()) for name, value in self.metrics.items()}
        if not bool(self._all_finite) or not all(map(math.isfinite, values.values())):
            raise TrialDivergedError(
                f"{self.spec.label}: a loss is not finite by step {self.step}"
            )
        return MetricPoint(step=self.step, metrics=values)

    def save(self, path: Path) -> None:
        """Write everything that ``restore`` needs into one file, atomically."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        for number, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": value for name, value in state.items()}
        tensors["all_finite"] = self._all_finite
        metadata = {"spec": _identity(self.spec), "step": str(self.step)}
        save_tensors(tensors, path, metadata)

    def restore(self, path: Path) -> bool:
        """Go on from a checkpoint of the same specification; False if the file is of another."""
        with safe_open(path, framework="pt", device=str(self.device)) as file:
            metadata = file.metadata() or {}
            if metadata.get("spec") != _identity(self.spec):
                return False
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        self.model.load_state_dict(
            {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
        )
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer."):
                _, number, field = name.split(".")
                state.setdefault(int(number), {})[field] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self._all_finite = tensors["all_finite"]
        self.step = int(metadata["step"])
        return True


def _identity(spec: TrialSpec) -> str:
    """What two attempts at one training run share."""
    return json.dumps({k: v for k, v in spec.as_dict().items() if k != "attempt"}, sort_keys=True)


def fit(
    spec: TrialSpec,
    tracks: ObjectTracks,
    *,
    device: str = "auto",
    checkpoint: Checkpoint | Path | None = None,
    checkpoint_seconds: float = 60.0,
) -> Iterator[MetricPoint]:
    """Train ``spec`` to its horizon; yields points, the last with the objective at the horizon.

    Args:
        spec: what to train.
        tracks: the data.
        device: ``auto``, ``cpu`` or ``cuda``.
        checkpoint: a safetensors file to write every ``checkpoint_seconds`` and to go on from if
            it is there; removed at the end. Final trainings leave ``MODEL_NAME`` beside it.
        checkpoint_seconds: time between checkpoints, if a path is given.

    Raises:
        TrialDivergedError: a loss became infinite or NaN.
    """
    run = TrainingRun(spec, tracks, resolve_device(device))
    checkpoint = _go_on(run, checkpoint, checkpoint_seconds)
    points = {round(spec.horizon * (k + 1) / NUM_POINTS) for k in range(NUM_POINTS)}
    run.model.train()
    while run.step < spec.horizon:
        run.train_step()
        if run.step == spec.horizon:
            break
        if checkpoint is not None and checkpoint.is_due:
            checkpoint.save(run.save)
        if run.step in points:
            yield run.point()
    last = run.point()
    if checkpoint is not None:
        _leave(run, checkpoint)
    yield last


def _go_on(
    run: TrainingRun, checkpoint: Checkpoint | Path | None, seconds: float
) -> Checkpoint | None:
    """Go on from a checkpoint that is there; returns where this process writes the next one."""
    if checkpoint is None:
        return None
    if isinstance(checkpoint, Path):
        checkpoint = Checkpoint(checkpoint, seconds)
    if checkpoint.fetch():
        run.restore(checkpoint.path)
    return checkpoint if worker_rank() == 0 else None  # worker 0 writes for all


def _leave(run: TrainingRun, checkpoint: Checkpoint) -> None:
    """Put the model of a final training in the place of its checkpoint."""
    if run.spec.stage == "final":
        checkpoint.leave(
            MODEL_NAME,
            lambda path: save_model(run.model, path, run.spec, run.tracks.fingerprint),
        )
    checkpoint.remove()
