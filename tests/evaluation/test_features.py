from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from prior_search.data import open_tracks
from prior_search.evaluation import extract_features, features, information_by_budget
from prior_search.evaluation.features import evaluated_frames
from prior_search.training import TrainingRun
from prior_search.trial import TrialSpec
from prior_search.weights import RegularizerWeights

MakeSpec = Callable[..., TrialSpec]
CPU = torch.device("cpu")
MODELS = [(family, bottleneck) for family in ("gaussian", "categorical", "ema_vq")
          for bottleneck in ("prior", "itd")]  # fmt: skip


def model_of(make_spec: MakeSpec, tracks_path: Path, family: Any, bottleneck: Any) -> Any:
    spec = make_spec(family=family, bottleneck=bottleneck, weights=RegularizerWeights())
    run = TrainingRun(spec, open_tracks(tracks_path), CPU)
    run.train_step()  # seeds the codes
    return run.model


@pytest.mark.parametrize(("family", "bottleneck"), MODELS)
def test_features_are_the_deterministic_prefixes_of_every_frame_in_order(
    tracks_path: Path, make_spec: MakeSpec, family: str, bottleneck: str
) -> None:
    model, tracks = model_of(make_spec, tracks_path, family, bottleneck), open_tracks(tracks_path)
    found = extract_features(model, tracks, "validation", device=CPU)
    assert model.training  # the mode is given back
    frames = np.flatnonzero(tracks.is_validation)
    np.testing.assert_array_equal(found.instance, tracks.instance[frames])
    np.testing.assert_array_equal(found.labels, tracks.labels[frames])
    model.eval()
    images = torch.from_numpy(tracks.gather(frames))
    fovea = torch.from_numpy(tracks.fovea[frames])
    with torch.no_grad():
        codes = model.encode(images, fovea, generator=None).codes
    assert found.budgets == codes.budgets == (1, 3, 7, 15)
    for budget in found.budgets:
        expected = codes.prefix(budget).flatten(1).numpy()
        np.testing.assert_allclose(found.prefix(budget), expected, atol=1e-6)


def test_chunks_change_neither_features_nor_information(
    tracks_path: Path, make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tracks = (
        model_of(make_spec, tracks_path, "categorical", "prior"),
        open_tracks(tracks_path),
    )
    results = []
    for chunk in (256, 5):
        monkeypatch.setattr(features, "CHUNK", chunk)
        usage, seen = model.usage_accumulator(), []
        found = extract_features(
            model, tracks, "validation", device=CPU, usage=usage,
            progress=lambda done, total, seen=seen: seen.append((done, total)),
        )  # fmt: skip
        assert seen[-1] == (16, 16)
        results.append((found.tokens, information_by_budget(usage.nats(), found.budgets)))
    np.testing.assert_allclose(results[0][0], results[1][0], atol=1e-5)
    assert results[0][1] == pytest.approx(results[1][1])


def test_long_tracks_are_thinned_evenly(tracks_path: Path) -> None:
    tracks = open_tracks(tracks_path)
    assert evaluated_frames(tracks, "train", per_instance=8).tolist() == list(range(16, 120))
    assert evaluated_frames(tracks, "train", per_instance=1).tolist() == list(range(16, 120, 2))
    with pytest.raises(ValueError, match="per_instance must be >= 1, got 0"):
        evaluated_frames(tracks, "train", per_instance=0)


def test_frames_of_uneven_tracks_stay_within_their_instance() -> None:
    class Uneven:
        offsets = np.array([0, 3, 13, 14])

        def instances(self, split: str) -> np.ndarray:
            return np.array([0, 1, 2])

    found = evaluated_frames(Uneven(), "train", per_instance=4)  # type: ignore[arg-type]
    assert found.tolist() == [0, 1, 2, 3, 5, 8, 10, 13]


def test_a_budget_between_levels_is_refused(tracks_path: Path, make_spec: MakeSpec) -> None:
    model, tracks = model_of(make_spec, tracks_path, "gaussian", "prior"), open_tracks(tracks_path)
    found = extract_features(model, tracks, "validation", device=CPU)
    with pytest.raises(ValueError, match=r"budget must be one of \(1, 3, 7, 15\), got 4"):
        found.prefix(4)
