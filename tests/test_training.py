from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from prior_search.data import open_tracks
from prior_search.device import resolve_device
from prior_search.errors import TrialDivergedError
from prior_search.model_file import load_model
from prior_search.models import PRESETS
from prior_search.optimization import learning_rate_factor
from prior_search.training import TrainingRun, fit
from prior_search.trial import TrialSpec
from prior_search.weights import RegularizerWeights

MakeSpec = Callable[..., TrialSpec]
CPU = torch.device("cpu")


@pytest.mark.parametrize("family", ["gaussian", "categorical", "ema_vq"])
@pytest.mark.parametrize("bottleneck", ["prior", "td"])
def test_the_same_specification_trains_to_the_same_metrics(
    tracks_path: Path, make_spec: MakeSpec, family: Any, bottleneck: Any
) -> None:
    spec = make_spec(family=family, bottleneck=bottleneck, weights=RegularizerWeights())
    tracks = open_tracks(tracks_path)
    first, second = (list(fit(spec, tracks, device="cpu")) for _ in range(2))
    assert first == second
    assert [p.step for p in first] == [1, 2, 3, 4]
    assert next(fit(dataclasses.replace(spec, seed=2), tracks, device="cpu")) != first[0]


@pytest.mark.parametrize("family", ["gaussian", "ema_vq"])
def test_a_run_that_goes_on_from_a_checkpoint_ends_as_one_that_was_never_interrupted(
    tracks_path: Path, make_spec: MakeSpec, tmp_path: Path, family: Any
) -> None:
    spec = make_spec(family=family, weights=RegularizerWeights())
    tracks = open_tracks(tracks_path)
    whole = list(fit(spec, tracks, device="cpu"))
    checkpoint = tmp_path / "checkpoint.safetensors"
    interrupted = fit(spec, tracks, device="cpu", checkpoint=checkpoint, checkpoint_seconds=0)
    list(itertools.islice(interrupted, 2))
    interrupted.close()
    assert checkpoint.exists()
    rest = list(fit(spec.retry(), tracks, device="cpu", checkpoint=checkpoint))
    assert rest == whole[-len(rest) :]
    assert len(rest) < len(whole)
    assert not checkpoint.exists()


def test_a_checkpoint_of_another_specification_is_not_used(
    tracks_path: Path, make_spec: MakeSpec, tmp_path: Path
) -> None:
    tracks = open_tracks(tracks_path)
    other = TrainingRun(make_spec(seed=9), tracks, CPU)
    other.train_step()
    other.save(tmp_path / "checkpoint.safetensors")
    points = list(
        fit(make_spec(), tracks, device="cpu", checkpoint=tmp_path / "checkpoint.safetensors")
    )
    assert points == list(fit(make_spec(), tracks, device="cpu"))


def test_training_lowers_the_loss_on_what_it_sees(tracks_path: Path, make_spec: MakeSpec) -> None:
    spec = make_spec(bottleneck="prior", search="prior", horizon=24)
    points = list(fit(spec, open_tracks(tracks_path), device="cpu"))
    chance = math.log(2 * 48 - 1)
    assert points[-1].metrics["train_objective"] < chance - 0.7  # 0.1 without training


def test_a_loss_that_is_not_finite_is_a_divergence(tracks_path: Path, make_spec: MakeSpec) -> None:
    spec = make_spec(weights=RegularizerWeights(kl_weight=3e38))
    with pytest.raises(TrialDivergedError, match="t0000: a loss is not finite by step"):
        list(fit(spec, open_tracks(tracks_path), device="cpu"))


def test_validation_uses_no_masks_and_leaves_the_mode_alone(
    tracks_path: Path, make_spec: MakeSpec
) -> None:
    tracks = open_tracks(tracks_path)
    run = TrainingRun(make_spec(), tracks, CPU)
    run.model.train()
    first, second = (run.task.validate(run.model, tracks, CPU) for _ in range(2))
    assert first == second
    assert run.model.training


def test_only_matrices_decay(tracks_path: Path, make_spec: MakeSpec) -> None:
    run = TrainingRun(make_spec(), open_tracks(tracks_path), CPU)
    decayed, plain = run.optimizer.param_groups
    assert all(p.ndim >= 2 for p in decayed["params"])
    assert all(p.ndim < 2 for p in plain["params"])
    assert decayed["weight_decay"] > 0 == plain["weight_decay"]


def test_a_final_training_leaves_a_model_that_loads_and_validates_the_same(
    tracks_path: Path, make_spec: MakeSpec, tmp_path: Path
) -> None:
    tracks = open_tracks(tracks_path)
    spec = make_spec(stage="final", bottleneck="prior")
    last = list(fit(spec, tracks, device="cpu", checkpoint=tmp_path / "c.safetensors"))[-1]
    model, found = load_model(tmp_path / "model.safetensors", device="cpu")
    assert found == spec
    run = TrainingRun(spec, tracks, CPU)
    assert run.task.validate(model, tracks, CPU)["objective"] == last.metrics["objective"]
    (tmp_path / "text.safetensors").write_text("no")
    with pytest.raises(ValueError, match="must be a readable safetensors file"):
        load_model(tmp_path / "text.safetensors")


def test_the_learning_rate_warms_up_and_decays_to_zero() -> None:
    rates = [learning_rate_factor(s, horizon=100, warmup_share=0.1) for s in range(101)]
    assert rates[:10] == pytest.approx([(s + 1) / 10 for s in range(10)])
    assert rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_an_unknown_device_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match="device must be one of auto, cpu, cuda, got 'gpu'"):
        resolve_device("gpu")


@pytest.mark.gpu
def test_training_on_a_gpu_agrees_with_the_cpu_at_the_start(
    tracks_path: Path, make_spec: MakeSpec
) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    tracks = open_tracks(tracks_path)
    points = [
        next(fit(make_spec(), tracks, device=d)).metrics["objective"] for d in ("cpu", "cuda")
    ]
    assert points[0] == pytest.approx(points[1], rel=0.05)


def test_simclr_views_are_drawn_from_the_step_and_only_where_the_preset_asks(
    tracks_path: Path, make_spec: MakeSpec
) -> None:
    tracks = open_tracks(tracks_path)
    plain = next(fit(make_spec(), tracks, device="cpu"))
    spec = make_spec(preset="tiny-simclr", horizon=2)
    first, second = (list(fit(spec, tracks, device="cpu")) for _ in range(2))
    assert first == second
    assert first[0].metrics["train_objective"] != plain.metrics["train_objective"]
    for name, preset in PRESETS.items():
        assert preset.augmentation == ("simclr" if name.endswith("-simclr") else "none")
