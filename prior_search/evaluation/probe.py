"""Linear probes: multinomial logistic regression on standardized frozen features.

The loss is the mean cross-entropy plus penalty / 2 times the squared norm of the weights, the
intercept free; scikit-learn's ``LogisticRegression(C=1 / (penalty n))`` has the same minimum, and
a test holds the two together. Here the products run on the model's device in float32, which the
16,256 features of the ``paper`` preset need.

n = frames, D = features, K = classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor
from torch.nn import functional as F

from prior_search.evaluation.features import FrozenFeatures

# strongest first: each solution is the start of the next
PENALTIES = (1e-3, 1e-5, 1e-7)
HELD_OUT_SHARE = 0.2  # of the training instances, to choose the penalty
MAX_ITERATIONS = 200
FTOL = 1e-5  # relative decrease that ends a descent; 1e-7 moves accuracies by 0.2 points at most
RESAMPLES = 2000
SEED = 2606_25232


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeScore:
    """Validation accuracy of one probe, in 0..1, with its 95 % interval over instances.

    ``chance`` is the accuracy of always naming the most frequent class of the training frames.
    """

    level: str
    budget: int
    accuracy: float
    low: float
    high: float
    chance: float
    penalty: float


class PrincipalCoordinates:
    """Standardization by training features, then rotation to their principal axes.

    A rotation leaves the minimum of the penalized loss where it is, and turns the strong
    correlations between channels into scales, which ``fit_logistic`` evens out.

    Args:
        training: features [n, D].
    """

    def __init__(self, training: Tensor) -> None:
        self.mean = training.mean(0)
        scale = training.std(0, correction=0)
        self.scale = torch.where(scale > 1e-6, scale, torch.ones_like(scale))
        standard = (training - self.mean) / self.scale
        # in float64: collapsed codes repeat eigenvalues, on which float32 may not converge
        covariance = (standard.T @ standard / len(training)).double()
        self.axes = torch.linalg.eigh(covariance).eigenvectors.to(training)

    def __call__(self, features: Tensor) -> Tensor:
        """[n, D] -> [n, D]."""
        return (features - self.mean) / self.scale @ self.axes


def logistic_loss(x: Tensor, y: Tensor, solution: Tensor, penalty: float) -> tuple[float, Tensor]:
    """Penalized mean cross-entropy and its gradient at weights and intercepts [D + 1, K]."""
    weights, intercept = solution[:-1], solution[-1]
    log_p = torch.log_softmax(x @ weights + intercept, dim=-1)  # [n, K]
    picked = log_p.gather(1, y[:, None]).double().mean()  # a float32 mean would end the descent
    loss = 0.5 * penalty * float(weights.double().square().sum()) - float(picked)
    error = (log_p.exp() - F.one_hot(y, log_p.shape[1])) / len(x)
    by_weight = (error.T @ x).T  # as x.T @ error, but reads x in its order
    return loss, torch.cat([by_weight + penalty * weights, error.sum(0, keepdim=True)])


def fit_logistic(
    x: Tensor, y: Tensor, *, num_classes: int, penalty: float, start: Tensor | None = None
) -> Tensor:
    """Weights and intercepts [D + 1, K] at the minimum of ``logistic_loss``.

    L-BFGS on the host around losses and gradients on the device. Every coordinate is stretched by
    the square root of the loss's curvature at even odds; without that, and with correlated
    coordinates, a weak penalty takes ten times the steps.

    Args:
        x: features [n, D], best as ``PrincipalCoordinates``.
        y: classes int64 [n], 0..K-1.
        num_classes: K, at least 2.
        penalty: > 0.
        start: a first guess [D + 1, K].

    Raises:
        ValueError: fewer than two classes, or a penalty that is not positive.
    """
    if num_classes < 2:
        raise ValueError(f"num_classes must be >= 2, got {num_classes}")
    if not penalty > 0:
        raise ValueError(f"penalty must be > 0, got {penalty}")
    if start is None:
        start = x.new_zeros(x.shape[1] + 1, num_classes)
    at_even_odds = (1.0 - 1.0 / num_classes) / num_classes
    curvature = at_even_odds * x.square().mean(0) + penalty
    intercept = curvature.new_full((1,), at_even_odds)
    stretch = torch.cat([curvature, intercept]).sqrt()[:, None]

    def evaluate(flat: np.ndarray) -> tuple[float, np.ndarray]:
        solution = torch.from_numpy(flat).to(start).view_as(start) / stretch
        loss, gradient = logistic_loss(x, y, solution, penalty)
        return loss, (gradient / stretch).double().flatten().cpu().numpy()

    found = minimize(
        evaluate,
        (start * stretch).double().flatten().cpu().numpy(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": MAX_ITERATIONS, "ftol": FTOL, "gtol": 1e-5},
    )
    return torch.from_numpy(found.x).to(start).view_as(start) / stretch


def predict(x: Tensor, solution: Tensor) -> Tensor:
    """The most probable class of each row, int64 [n]."""
    return (x @ solution[:-1] + solution[-1]).argmax(-1)


def held_out_frames(instance: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Bool [n]: whether a frame belongs to the given share of instances, drawn at random."""
    instances = np.unique(instance)
    count = max(1, round(share * len(instances)))
    chosen = np.random.default_rng(seed).choice(instances, count, replace=False)
    return np.isin(instance, chosen)


def choose_penalty(
    x: Tensor, y: Tensor, instance: np.ndarray, *, num_classes: int
) -> tuple[float, Tensor]:
    """The penalty whose probe is most accurate on held-out training instances, and that probe.

    It is fitted on the other instances; of equals the strongest is chosen. The path from strong to
    weak ends at the first step that is no better: from there on it is overfitting, and the
    weakest penalties take the longest.
    """
    held_out = torch.from_numpy(held_out_frames(instance, HELD_OUT_SHARE, SEED)).to(x.device)
    rest, test = (x[~held_out], y[~held_out]), (x[held_out], y[held_out])
    solution, best_accuracy = None, -1.0
    for penalty in PENALTIES:
        solution = fit_logistic(*rest, num_classes=num_classes, penalty=penalty, start=solution)
        accuracy = float((predict(test[0], solution) == test[1]).double().mean())
        if accuracy <= best_accuracy:
            break
        best_accuracy, best = accuracy, (penalty, solution)
    return best


def accuracy_interval(correct: np.ndarray, instance: np.ndarray) -> tuple[float, float]:
    """95 % percentile interval of the accuracy, instances resampled with all their frames.

    Frames of one instance stand and fall together; an interval over frames would be too narrow.
    """
    _, index = np.unique(instance, return_inverse=True)
    totals, hits = np.bincount(index), np.bincount(index, weights=correct)
    rng = np.random.default_rng(SEED)
    drawn = rng.multinomial(len(totals), np.full(len(totals), 1 / len(totals)), RESAMPLES)
    low, high = np.quantile(drawn @ hits / (drawn @ totals), [0.025, 0.975])
    return float(low), float(high)


def probe_budget(
    train: FrozenFeatures,
    validation: FrozenFeatures,
    budget: int,
    *,
    level_names: tuple[str, ...],
    device: torch.device,
) -> list[ProbeScore]:
    """A probe per taxonomy level on the prefix of one length.

    Raises:
        ValueError: a level with fewer than two labeled classes in training, or with no labeled
            frame in validation.
    """
    features = torch.from_numpy(train.prefix(budget)).to(device)
    coordinates = PrincipalCoordinates(features)
    x, x_validation = (
        coordinates(features),
        coordinates(torch.from_numpy(validation.prefix(budget)).to(device)),
    )
    scores = []
    for number, level in enumerate(level_names):
        found = _probe_level(
            (x, train.labels[:, number], train.instance),
            (x_validation, validation.labels[:, number], validation.instance),
            level,
        )
        scores.append(ProbeScore(level=level, budget=budget, **found))
    return scores


_Labeled = tuple[Tensor, np.ndarray, np.ndarray]  # features [n, D], labels [n], instances [n]


def _probe_level(train: _Labeled, validation: _Labeled, level: str) -> dict[str, float]:
    (x, labels, instance), (x_val, labels_val, instance_val) = map(_labeled, (train, validation))
    classes, y, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(classes) < 2 or len(labels_val) == 0:
        raise ValueError(
            f"level {level!r} needs two classes in training and a labeled frame in validation, "
            f"got {len(classes)} classes and {len(labels_val)} frames"
        )
    target = torch.from_numpy(y).to(x.device)
    penalty, start = choose_penalty(x, target, instance, num_classes=len(classes))
    solution = fit_logistic(x, target, num_classes=len(classes), penalty=penalty, start=start)
    correct = classes[predict(x_val, solution).cpu().numpy()] == labels_val
    low, high = accuracy_interval(correct, instance_val)
    return {
        "accuracy": float(correct.mean()),
        "low": low,
        "high": high,
        "chance": float((labels_val == classes[counts.argmax()]).mean()),
        "penalty": penalty,
    }


def _labeled(data: _Labeled) -> _Labeled:
    """Only the frames whose label is not negative."""
    x, labels, instance = data
    if (labels >= 0).all():
        return data
    keep = np.flatnonzero(labels >= 0)
    return x[torch.from_numpy(keep).to(x.device)], labels[keep], instance[keep]
