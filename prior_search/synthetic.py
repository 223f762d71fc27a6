"""Task ``synthetic``: a made-up response surface in place of a training, to rehearse a search.

It costs no data and next to no compute, and takes the time it is told to. So a cluster, a shared
storage or a tracking server can be tried before it is paid for; a *rehearsal* file makes chosen
trials go wrong, to see what a search makes of it:

    step_seconds = 0.01        # a trial of 200 steps takes two seconds
    noise = 0.02               # standard deviation of the objective between seeds
    [[faults]]
    trial = 3
    kind = "kill"              # raise, diverge, hang, kill, fill_memory
    at = 0.5                   # share of the horizon at which it happens
    attempts = 1               # how many attempts it happens to

Everything here is **(ours)**; no number that comes out of it says anything about a model.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import os
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from prior_search.errors import RequestError, TrialDivergedError
from prior_search.storage.checkpoint import Checkpoint
from prior_search.toml_input import as_table, check_keys, choice, count, number, read_toml
from prior_search.trial import MetricPoint, TrialSpec
from prior_search.whole_file import whole_file

Kind = Literal["raise", "diverge", "hang", "kill", "fill_memory"]
KINDS: tuple[Kind, ...] = get_args(Kind)

DEFAULT_STEPS = 200
NUM_POINTS = 4  # a trial reports this often, as a training does
FILL_MEGABYTES = 4096  # a trial that fills the memory gives up there if nobody has stopped it
HOLD_SECONDS = 30.0  # what watches the memory may be slow to look at it on a busy machine
OPTIMUM = {"prior": -2.0, "td": -3.0, "itd": -1.5}  # log10 of every weight at its best


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with one trial.

    Attributes:
        trial: its number in the study.
        at: share of the horizon at which it happens.
        attempts: how many attempts it happens to, from the first on.
    """

    trial: int
    kind: Kind
    at: float = 0.5
    attempts: int = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """How long synthetic trials take, how noisy they are and which of them go wrong."""

    step_seconds: float = 0.001
    noise: float = 0.02
    faults: tuple[Fault, ...] = ()

    def fingerprint(self) -> str:
        """Says whether two rehearsals give the same results."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def fault_of(self, spec: TrialSpec) -> Fault | None:
        """The fault that this attempt meets, if any."""
        for fault in self.faults:
            if fault.trial == spec.trial and spec.attempt < fault.attempts:
                return fault
        return None


def read_rehearsal(data: str) -> Rehearsal:
    """The rehearsal in a TOML file; the default one for ``embedded``.

    Raises:
        RequestError: the file cannot be read, or a value in it is wrong.
    """
    if data == "embedded":
        return Rehearsal()
    content = {"step_seconds": 0.001, "noise": 0.02, "faults": []} | read_toml(Path(data))
    check_keys(content, [f.name for f in dataclasses.fields(Rehearsal)], data)
    if not isinstance(content["faults"], list):
        raise RequestError(f"{data}: faults must be tables [[faults]], got {content['faults']!r}")
    return Rehearsal(
        step_seconds=number(content["step_seconds"], "step_seconds", data, low=0, high=3600),
        noise=number(content["noise"], "noise", data, low=0, high=1e6),
        faults=tuple(_fault(entry, data) for entry in content["faults"]),
    )


def _fault(entry: Any, where: str) -> Fault:
    given: Mapping[str, Any] = {"at": 0.5, "attempts": 1_000} | as_table(entry, "faults", where)
    check_keys(given, [f.name for f in dataclasses.fields(Fault)], f"{where}: faults")
    return Fault(
        trial=count(given["trial"], "faults.trial", where, low=0),
        kind=choice("faults.kind", given["kind"], KINDS, where),
        at=number(given["at"], "faults.at", where, low=0, high=1),
        attempts=count(given["attempts"], "faults.attempts", where, low=1),
    )


def objective(spec: TrialSpec, step: int, noise: float) -> float:
    """The value at a step: a bowl in the logarithm of every weight, lower with every step.

    The noise depends on the seed alone, so that an attempt gives what any other would have given.
    """
    used = [w for w in spec.weights.as_dict().values() if w > 0]
    bowl = sum(0.2 * (math.log10(w) - OPTIMUM[spec.bottleneck]) ** 2 for w in used)
    drawn = float(np.random.default_rng(spec.seed).normal(0.0, noise)) if noise else 0.0
    return 1.0 + bowl + 3.0 / math.sqrt(step) + drawn


def rehearse(spec: TrialSpec, data: str, *, checkpoint: Checkpoint) -> Iterator[MetricPoint]:
    """Act like ``training.fit``: points on the way, checkpoints by time, the last at the horizon.

    Args:
        spec: what to act.
        data: ``embedded`` or a rehearsal file.
        checkpoint: to write and to go on from.

    Raises:
        TrialDivergedError: the rehearsal says so.
        RuntimeError: likewise, for a trial whose code fails.
    """
    rehearsal = read_rehearsal(data)
    fault = rehearsal.fault_of(spec)
    first = _restore(checkpoint.path, spec) if checkpoint.fetch() else 0
    points = {round(spec.horizon * (k + 1) / NUM_POINTS) for k in range(NUM_POINTS)}
    for step in range(first + 1, spec.horizon + 1):
        time.sleep(rehearsal.step_seconds)
        if fault is not None and step >= fault.at * spec.horizon:
            _meet(fault, spec, step)
        if step == spec.horizon:
            checkpoint.remove()
        elif checkpoint.is_due:
            checkpoint.save(functools.partial(_save, spec=spec, step=step))
        if step in points or step == spec.horizon:
            value = objective(spec, step, rehearsal.noise)
            yield MetricPoint(
                step=step, metrics={"objective": value, "own_steps": float(step - first)}
            )


def _meet(fault: Fault, spec: TrialSpec, step: int) -> None:
    """Let a fault happen, for real."""
    match fault.kind:
        case "raise":
            raise RuntimeError(f"{spec.label}: the rehearsal lets this trial fail at step {step}")
        case "diverge":
            raise TrialDivergedError(f"{spec.label}: a loss is not finite by step {step}")
        case "hang":
            while True:
                time.sleep(3600)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does to a process out of memory
        case "fill_memory":
            held = []
            for _ in range(FILL_MEGABYTES // 64):
                held.append(np.ones(64 << 17))  # 64 MB, touched
                time.sleep(0.02)
            time.sleep(HOLD_SECONDS)
            raise MemoryError(f"{spec.label}: filled {FILL_MEGABYTES} MB and nobody minded")


def _identity(spec: TrialSpec) -> str:
    return json.dumps(spec.as_dict() | {"attempt": 0}, sort_keys=True)


def _save(path: Path, spec: TrialSpec, step: int) -> None:
    metadata = {"spec": _identity(spec), "step": str(step)}
    with whole_file(path) as partial:
        save_file({"step": np.array([step])}, partial, metadata)


def _restore(path: Path, spec: TrialSpec) -> int:
    """The step of a checkpoint of the same specification, else 0."""
    with safe_open(path, framework="np") as file:
        metadata = file.metadata() or {}
    return int(metadata["step"]) if metadata.get("spec") == _identity(spec) else 0
