"""A bowl as prior mean: losses over regularizer weights are valleys more often than not.

    m_s(x) = rho_s · height · log(1 + q(x))        q = sum_k curvature_k u_k²
    u_k    = v_k exp(skew_k tanh(v_k / TURN))      one side steeper than the other
    v      = (1 + shear) (x - center)              shear above the diagonal: weights interact

after the quadratic mean of Snoek et al. (2015), who hold it convex and separable; skew, shear and
the logarithm are ours, as the targets level off in the same way. Its parameters are fitted with
the covariance's: a Gaussian process around it corrects what is no bowl.
"""

from __future__ import annotations

import numpy as np

from prior_search.search.layout import Layout

TURN = 0.2  # of the unit cube: over this distance from the center one side becomes the other


class PriorMean:
    """Mean of the objective over points and fidelities for one theta; 0 without a bowl.

    Args:
        layout: of theta.
        theta: hyperparameters.
    """

    def __init__(self, layout: Layout, theta: np.ndarray) -> None:
        self._layout = layout
        self._rho = np.concatenate([[1.0], theta[layout.rho]])
        if not layout.has_bowl:
            return
        d = layout.dimension
        parameters = theta[layout.bowl]
        self._height = np.exp(parameters[0])
        self._center, log_curvature, self._skew = parameters[1 : 3 * d + 1].reshape(3, d)
        self._curvature = np.exp(log_curvature)
        self._sheared = np.triu_indices(d, 1)
        self._mix = np.eye(d)
        self._mix[self._sheared] = parameters[3 * d + 1 :]

    def at(self, x: np.ndarray, s: np.ndarray) -> np.ndarray:
        """Points [n, d] at fidelities [n] -> [n]."""
        if not self._layout.has_bowl:
            return np.zeros(len(x))
        v, _, stretch = self._bent(x)
        u = v * stretch
        mean: np.ndarray = self._rho[s] * self._height * np.log1p((u * u) @ self._curvature)
        return mean

    def gradient(self, x: np.ndarray, s: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Of the sum of weight [n] times the mean, by theta: [size]."""
        layout = self._layout
        gradient = np.zeros(layout.size)
        if not layout.has_bowl:
            return gradient
        weight_here = weight * self._rho[s]
        v, t, stretch = self._bent(x)
        u = v * stretch
        part = self._curvature * u * u  # [n, d]
        q = part.sum(1)
        by_part = (weight_here * self._height / (1.0 + q))[:, None]
        slope = stretch * (1.0 + self._skew * v * (1.0 - t * t) / TURN)  # du / dv
        by_v = by_part * 2.0 * self._curvature * u * slope
        rows, columns = self._sheared
        height = self._height * np.log1p(q)
        gradient[layout.bowl] = np.concatenate(
            [
                [weight_here @ height],
                -(by_v @ self._mix).sum(0),
                (by_part * part).sum(0),
                (by_part * 2.0 * part * t).sum(0),
                (by_v[:, rows] * (x - self._center)[:, columns]).sum(0),
            ]
        )
        by_rho = np.bincount(s, weight * height, minlength=layout.num_fidelities)
        gradient[layout.rho] = by_rho[1:]
        return gradient

    def _bent(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """v, its side from -1 to 1, and what u is of it: [n, d] each."""
        v = (x - self._center) @ self._mix.T
        side = np.tanh(v / TURN)
        return v, side, np.exp(self._skew * side)
