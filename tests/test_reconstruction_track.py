"""``--task reconstruction`` through training and the commands, on the small data of all tests."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from prior_search import cli
from prior_search.data import open_tracks, write_tracks
from prior_search.evaluation import (
    METRICS,
    Evaluation,
    quality_by_budget,
    reconstruct,
    reconstruct_all,
)
from prior_search.evaluation.reconstruction import ImageMean
from prior_search.model_file import load_model
from prior_search.report import draw_reconstructions
from prior_search.tasks import make_task
from prior_search.training import fit
from prior_search.trial import TrialSpec
from prior_search.weights import RegularizerWeights

MakeSpec = Callable[..., TrialSpec]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def final_model(
    tracks_path: Path, make_spec: MakeSpec, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, float]]:
    """A finished final training: its folder and the metrics of its last point."""
    folder = tmp_path_factory.mktemp("final")
    spec = make_spec(
        task="reconstruction", stage="final", bottleneck="td", search="td", horizon=40
    )
    points = list(
        fit(spec, open_tracks(tracks_path), device="cpu", checkpoint=folder / "c.safetensors")
    )
    assert all("ssim_at_1" not in p.metrics for p in points[:-1])
    return folder, dict(points[-1].metrics)


def test_training_lowers_the_loss_and_validation_is_the_pixel_loss_at_full_budget(
    tracks_path: Path, final_model: tuple[Path, dict[str, float]]
) -> None:
    folder, metrics = final_model
    tracks = open_tracks(tracks_path)
    model, spec = load_model(folder / "model.safetensors", device="cpu")
    frames = tracks.offsets[tracks.instances("validation")]
    images = torch.from_numpy(tracks.gather(frames))
    targets = images.float() / 255
    with torch.no_grad():
        made = model(images, torch.zeros(len(images), 4), generator=None).level_outputs[-1]
    loss = (made - targets).abs().mean() + (made - targets).square().mean()
    assert metrics["objective"] == pytest.approx(float(loss), rel=0.05)  # other frames of a track
    gray = (targets - 0.5).abs().mean() + (targets - 0.5).square().mean()
    assert metrics["objective"] < float(gray)
    again = make_task(spec.task, spec.preset).validate(model, tracks, CPU)
    assert again["objective"] == metrics["objective"]


def test_a_final_training_reports_image_quality_at_every_budget(
    tracks_path: Path, final_model: tuple[Path, dict[str, float]]
) -> None:
    folder, metrics = final_model
    tracks = open_tracks(tracks_path)
    model, _ = load_model(folder / "model.safetensors", device="cpu")
    names = {f"{name}_at_{budget}" for name in METRICS for budget in (1, 3, 7, 15)}
    assert names <= metrics.keys()
    frames = np.flatnonzero(tracks.is_validation)
    quality = quality_by_budget(model, tracks, frames, CPU)
    assert list(quality) == [1, 3, 7, 15]
    images = torch.from_numpy(tracks.gather(frames))
    by_hand = (reconstruct(model, images, 3) - images.float() / 255).abs().mean((1, 2, 3))
    np.testing.assert_allclose(quality[3]["l1"], by_hand.numpy(), rtol=1e-5)
    assert all(values.shape == (len(frames),) for q in quality.values() for values in q.values())


def test_a_run_of_an_autoencoder_goes_on_as_if_never_interrupted(
    tracks_path: Path, make_spec: MakeSpec, tmp_path: Path
) -> None:
    weights = RegularizerWeights(commitment_weight=1e-3, prediction_weight=0.1)
    spec = make_spec(
        task="reconstruction", family="ema_vq", bottleneck="prior", search="prior", weights=weights
    )
    tracks = open_tracks(tracks_path)
    whole = list(fit(spec, tracks, device="cpu"))
    checkpoint = tmp_path / "checkpoint.safetensors"
    interrupted: Any = fit(spec, tracks, device="cpu", checkpoint=checkpoint, checkpoint_seconds=0)
    list(itertools.islice(interrupted, 2))
    interrupted.close()
    assert list(fit(spec.retry(), tracks, device="cpu", checkpoint=checkpoint))[-1] == whole[-1]


def test_pictures_have_a_row_per_image_and_model(
    tracks_path: Path, final_model: tuple[Path, dict[str, float]], tmp_path: Path
) -> None:
    model, _ = load_model(final_model[0] / "model.safetensors", device="cpu")
    images = torch.from_numpy(open_tracks(tracks_path).gather(np.arange(2)))
    made = {budget: x.numpy() for budget, x in reconstruct_all(model, images).items()}
    assert all(0 <= x.min() <= x.max() <= 1 for x in made.values())
    np.testing.assert_array_equal(made[7], reconstruct(model, images, 7).numpy())
    path = tmp_path / "budgets.png"
    draw_reconstructions(images.numpy() / 255, {"TD": made, "again": made}, path)
    header = path.read_bytes()[:24]
    width, height = (int.from_bytes(header[k : k + 4], "big") for k in (16, 20))
    assert header[1:4] == b"PNG"
    assert height / width == pytest.approx((4 * 0.9 + 0.3) / (5 * 0.9 + 0.6), rel=0.02)


def test_a_model_in_training_mode_is_refused(
    final_model: tuple[Path, dict[str, float]],
) -> None:
    model, _ = load_model(final_model[0] / "model.safetensors", device="cpu")
    with pytest.raises(ValueError, match="a model in evaluation mode; call"):
        reconstruct(model.train(), torch.zeros(1, 3, 32, 32, dtype=torch.uint8), 1)


def test_an_unknown_task_is_refused_with_the_choices() -> None:
    with pytest.raises(
        ValueError, match="must be one of contrastive, reconstruction, got 'depth'"
    ):
        make_task("depth", "tiny")  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore")  # of MLflow
def test_the_whole_way_from_search_to_final_models(
    tmp_path: Path, tracks_path: Path, capsys: Any
) -> None:
    where = ["--executor", "local", "--device", "cpu", "--max-concurrent-trials", "1"]
    search = ["search", "--family", "gaussian", "--task", "reconstruction", "--bottleneck", "td"]
    search += ["--data", str(tracks_path), "--storage-path", str(tmp_path), "--steps", "4"]
    search += ["--stage1-trials", "2", "--stage2-trials", "1", "--set", "budget.anchors=1"]
    search += ["--set", "budget.confirm_trials=0", *where]
    assert cli.main(search) == 0
    shown = capsys.readouterr().out
    assert "lowest posterior mean of the validation L1 + L2" in " ".join(shown.split())
    assert "NT-Xent" not in shown
    export = tmp_path / "gaussian-reconstruction-tiny" / "best" / "td.toml"
    assert cli.main(["final", str(export), "--seeds", "2", *where]) == 0
    assert "validation L1 + L2" in capsys.readouterr().out
    (path,) = tmp_path.glob("*/final/*/metrics.json")
    metrics = json.loads(path.read_text())["metrics"]
    for name in METRICS:
        for budget in (1, 3, 7, 15):
            entry = metrics[f"{name}_at_{budget}"]
            assert entry["low"] <= entry["mean"] <= entry["high"]
            assert len(entry["values"]) == 2
    _check_evaluation(path.parent, tracks_path, tmp_path / "evaluation", capsys)


def _check_evaluation(final: Path, data: Path, out: Path, capsys: Any) -> None:
    models = sorted(str(path.parent) for path in final.glob("trials/*/model.safetensors"))
    flags = ["--data", str(data), "--out", str(out), "--device", "cpu"]
    assert cli.main(["evaluate", *models, *flags]) == 0
    shown = capsys.readouterr().out
    assert "validation L1 + L2 at full budget" in " ".join(shown.split())
    assert "ms_ssim by budget" in shown
    assert list(out.glob("reconstructions-gaussian-*.png"))
    record = json.loads((out / "evaluation.json").read_text())["models"]
    assert [Evaluation.from_dict(entry).spec.replicate for entry in record] == [0, 1]
    trained = json.loads((final / "metrics.json").read_text())["metrics"]
    for number, entry in enumerate(record):
        assert entry["probes"] == []
        for budget in (1, 3, 7, 15):
            value = entry["image_quality"][str(budget)]["ssim"]
            assert value["low"] < value["mean"] < value["high"]
            # final takes one frame of every held-out instance, evaluate all of them
            assert value["mean"] == pytest.approx(
                trained[f"ssim_at_{budget}"]["values"][number], abs=0.05
            )


def test_an_interval_of_images_has_the_value_by_hand() -> None:
    found = ImageMean.of(np.array([0.0, 1.0, 2.0, 3.0]))
    assert found.mean == 1.5
    half = 1.96 * np.sqrt(5 / 3) / 2  # sample variance 5/3, four images
    assert (found.low, found.high) == pytest.approx((1.5 - half, 1.5 + half))


def test_the_cost_of_a_search_of_autoencoders_is_foreseen(tmp_path: Path, capsys: Any) -> None:
    flags = ["search", "--family", "gaussian", "--task", "reconstruction", "--bottleneck", "prior"]
    assert cli.main([*flags, "--storage-path", str(tmp_path), "--dry-run"]) == 0
    assert "'gaussian-reconstruction-tiny': nothing was started" in capsys.readouterr().out


def test_too_few_images_for_a_batch_are_refused(tmp_path: Path, capsys: Any) -> None:
    write_tracks(
        tmp_path / "few.arrow",
        images=np.zeros((9, 3, 32, 32), np.uint8),
        fovea=np.zeros((9, 4), np.float32),
        instance=np.arange(9, dtype=np.int32),
        labels=np.zeros((9, 0), np.int16),
        is_validation=np.arange(9) < 2,
        level_names=(),
        class_names=(),
        source="nine",
    )
    flags = ["search", "--family", "gaussian", "--task", "reconstruction"]
    flags += ["--data", str(tmp_path / "few.arrow"), "--storage-path", str(tmp_path)]
    assert cli.main(flags) == 2
    assert "a batch takes none twice, got 7" in capsys.readouterr().err
