from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch.nn import functional as F

from prior_search.evaluation import FrozenFeatures, probe_budget
from prior_search.evaluation.probe import (
    PENALTIES,
    PrincipalCoordinates,
    accuracy_interval,
    choose_penalty,
    fit_logistic,
    held_out_frames,
    logistic_loss,
    predict,
)

CPU = torch.device("cpu")


def blobs(
    instances: int, classes: int, features: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three frames per instance, overlapping classes, strongly correlated features."""
    rng = np.random.default_rng(7)
    centers = rng.normal(size=(classes, features))
    mixing = rng.normal(size=(features, features)) * np.logspace(0, -2, features)
    mixing[0] += 5.0
    rng = np.random.default_rng(seed)
    label = rng.integers(0, classes, instances).repeat(3)
    own = rng.normal(size=(instances, features)).repeat(3, 0) * 1.2
    x = (centers[label] + own + rng.normal(size=own.shape)) @ mixing
    return x.astype(np.float32), label, np.arange(instances).repeat(3)


def frozen(x: np.ndarray, labels: np.ndarray, instance: np.ndarray) -> FrozenFeatures:
    return FrozenFeatures(
        tokens=x[:, None], labels=labels[:, None].astype(np.int16), instance=instance, budgets=(1,)
    )


def test_the_loss_agrees_with_loops_and_its_gradient_with_autograd() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(7, 3, generator=generator, dtype=torch.float64)
    y = torch.tensor([0, 1, 2, 1, 0, 2, 2])
    solution = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    loss, gradient = logistic_loss(x, y, solution, 0.3)
    expected = 0.5 * 0.3 * sum(w * w for w in solution[:-1].flatten().tolist())
    for row, target in zip(x.tolist(), y.tolist(), strict=True):
        logits = [
            sum(a * w for a, w in zip(row, solution[:-1, k].tolist(), strict=True))
            + float(solution[-1, k])
            for k in range(3)
        ]
        expected += (math.log(sum(map(math.exp, logits))) - logits[target]) / 7
    assert loss == pytest.approx(expected)
    solution.requires_grad_()
    p = x @ solution[:-1] + solution[-1]
    total = torch.nn.functional.cross_entropy(p, y) + 0.15 * solution[:-1].square().sum()
    torch.testing.assert_close(gradient, torch.autograd.grad(total, solution)[0])


@pytest.mark.parametrize("penalty", [1e-1, 1e-3, 1e-5])
def test_accuracy_is_within_a_third_of_a_point_of_scikit_learn(penalty: float) -> None:
    x, y, _ = blobs(400, 6, 24, seed=0)
    x_test, y_test, _ = blobs(700, 6, 24, seed=1)
    coordinates = PrincipalCoordinates(torch.from_numpy(x))
    solution = fit_logistic(
        coordinates(torch.from_numpy(x)), torch.from_numpy(y), num_classes=6, penalty=penalty
    )
    ours = predict(coordinates(torch.from_numpy(x_test)), solution).numpy() == y_test
    scaler = StandardScaler().fit(x.astype(np.float64))
    reference = LogisticRegression(
        C=1 / (penalty * len(y)), solver="newton-cholesky", tol=1e-8, max_iter=500
    ).fit(scaler.transform(x), y)
    theirs = reference.predict(scaler.transform(x_test)) == y_test
    assert 0.3 < theirs.mean() < 0.98  # the comparison could fail
    assert abs(ours.mean() - theirs.mean()) <= 0.003


def test_at_a_strong_penalty_only_the_intercepts_remain_and_they_are_the_log_frequencies() -> None:
    x = torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([0] * 70 + [1] * 30)
    solution = fit_logistic(x, y, num_classes=2, penalty=1e6)
    assert float(solution[:-1].abs().max()) < 1e-4
    assert float(solution[-1, 0] - solution[-1, 1]) == pytest.approx(math.log(7 / 3), abs=0.01)


def test_principal_coordinates_are_uncorrelated_and_a_constant_feature_is_no_trouble() -> None:
    x = torch.from_numpy(blobs(200, 3, 6, seed=0)[0])
    x = torch.cat([x, torch.full((len(x), 1), 3.0)], dim=1)
    z = PrincipalCoordinates(x)(x)
    covariance = (z.T @ z / len(z)).double()
    assert z.isfinite().all()
    off = covariance - covariance.diag().diag()
    assert float(off.abs().max()) < 1e-4
    assert float(covariance.trace()) == pytest.approx(6.0, abs=1e-3)  # standardized, rotated


def test_collapsed_one_hot_codes_have_principal_coordinates() -> None:
    generator = torch.Generator().manual_seed(0)
    used = (torch.rand(2000, 7, generator=generator) ** 3 * 14).long()  # 14 of 64 classes
    x = F.one_hot(used, 64).flatten(1).float()
    z = PrincipalCoordinates(x)(x)
    distances = torch.pdist(((x - x.mean(0)) / x.std(0, correction=0).clamp_min(1e-6))[:50])
    torch.testing.assert_close(torch.pdist(z[:50]), distances, rtol=1e-3, atol=1e-3)


def test_instances_are_held_out_whole() -> None:
    instance = np.arange(50).repeat(4)
    held_out = held_out_frames(instance, 0.2, seed=1)
    assert held_out.sum() == 40
    for number in range(50):
        assert len(set(held_out[instance == number])) == 1


def test_the_penalty_is_chosen_by_held_out_accuracy() -> None:
    """Many features and few instances: the weakest penalty overfits, the chosen one does not."""
    rng = np.random.default_rng(0)
    y = torch.from_numpy(np.arange(60) % 2).repeat_interleave(3)
    x = torch.from_numpy(rng.normal(size=(60, 80)).repeat(3, 0)).float()
    x[:, 0] += 3.0 * (y - 0.5)
    penalty, solution = choose_penalty(x, y, np.arange(60).repeat(3), num_classes=2)
    assert penalty > PENALTIES[-1]
    assert solution.shape == (81, 2)


def test_the_interval_is_that_of_instances_and_not_of_frames() -> None:
    rng = np.random.default_rng(0)
    by_instance = rng.random(400) < 0.6
    low, high = accuracy_interval(by_instance.repeat(8), np.arange(400).repeat(8))
    assert low < by_instance.mean() < high
    expected = 2 * 1.96 * math.sqrt(0.24 / 400)  # normal approximation over 400 instances
    assert high - low == pytest.approx(expected, rel=0.1)


def test_a_probe_scores_classes_that_training_never_saw_as_wrong() -> None:
    x, y, instance = blobs(60, 2, 4, seed=0)
    unseen = np.full_like(y, 9)
    (score,) = probe_budget(
        frozen(x, y, instance), frozen(x, unseen, instance), 1, level_names=("class",), device=CPU
    )
    assert (score.accuracy, score.low, score.high, score.chance) == (0.0, 0.0, 0.0, 0.0)


def test_frames_without_a_label_are_left_out() -> None:
    x, y, instance = blobs(80, 3, 5, seed=0)
    hidden = y.copy()
    hidden[::4] = -1
    kept = hidden >= 0
    arguments = {"level_names": ("class",), "device": CPU}
    with_gaps = probe_budget(frozen(x, y, instance), frozen(x, hidden, instance), 1, **arguments)
    without = probe_budget(
        frozen(x, y, instance), frozen(x[kept], y[kept], instance[kept]), 1, **arguments
    )
    assert dataclasses.asdict(with_gaps[0]) == dataclasses.asdict(without[0])


def test_what_cannot_be_probed_is_refused() -> None:
    x, y, instance = blobs(10, 2, 3, seed=0)
    with pytest.raises(ValueError, match="level 'class' needs two classes in training"):
        probe_budget(
            frozen(x, np.zeros_like(y), instance),
            frozen(x, y, instance),
            1,
            level_names=("class",),
            device=CPU,
        )
    with pytest.raises(ValueError, match="penalty must be > 0, got 0"):
        fit_logistic(torch.from_numpy(x), torch.from_numpy(y), num_classes=2, penalty=0)
    with pytest.raises(ValueError, match="num_classes must be >= 2, got 1"):
        fit_logistic(torch.from_numpy(x), torch.from_numpy(y), num_classes=1, penalty=1)
