"""Losses: NT-Xent (Eq. 9), pixel loss, and the weighting of levels (Eq. 6) and regularizers."""

from prior_search.objectives.contrastive import contrastive_loss
from prior_search.objectives.level_weighting import LevelLoss, level_loss, level_weights
from prior_search.objectives.ntxent import nt_xent
from prior_search.objectives.penalty import weighted_penalty
from prior_search.objectives.reconstruction import pixel_loss, reconstruction_loss

__all__ = [
    "LevelLoss",
    "contrastive_loss",
    "level_loss",
    "level_weights",
    "nt_xent",
    "pixel_loss",
    "reconstruction_loss",
    "weighted_penalty",
]
