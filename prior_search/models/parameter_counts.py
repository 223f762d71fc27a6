"""Parameters by component, counted on a built model, beside the published ones."""

from __future__ import annotations

import torch
from torch import nn

from prior_search.bottlenecks import PriorBottleneck
from prior_search.models.ordered_model import (
    OrderedModel,
    build_model,
    build_reconstruction_model,
)
from prior_search.models.presets import PRESETS, RECONSTRUCTION_PRESETS
from prior_search.tokens import EmaVqTokens
from prior_search.trial import FAMILIES, Bottleneck

COMPONENTS = ("flip", "projection", "ema", "self_prediction", "total", "total_with_heads")

# Table 2, millions; None where the table has no entry
PUBLISHED: dict[tuple[str, str], tuple[float | None, ...]] = {
    ("prior", "gaussian"): (3.042, 0.929, None, 3.778, 6.819, 7.748),
    ("prior", "categorical"): (2.926, 0.929, None, 3.778, 6.704, 7.633),
    ("prior", "ema_vq"): (2.811, 0.929, 0.259, 3.778, 6.847, 7.776),
    ("mbop", "gaussian"): (6.996, 0.133, None, None, 6.996, 7.129),
    ("mbop", "categorical"): (4.899, 0.133, None, None, 4.899, 5.032),
    ("mbop", "ema_vq"): (2.802, 0.133, 4.145, None, 6.948, 7.080),
}

# section 2.5, millions, at full budget, of a family that it does not name
PUBLISHED_RECONSTRUCTION = {"prior": 11.761, "mbop": 11.479}


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _count_codes(bottleneck: nn.Module) -> int:
    """Codes of EMA-VQ without the fixed null state; they are buffers, not parameters."""
    return sum(
        module.codes[:, 1:].numel()
        for module in bottleneck.modules()
        if isinstance(module, EmaVqTokens)
    )


def count_parameters(model: OrderedModel) -> dict[str, int]:
    """Parameters by the columns of Table 2; codes count without the fixed null state."""
    bottleneck = model.bottleneck
    predictors = _count(bottleneck.predictors) if isinstance(bottleneck, PriorBottleneck) else 0
    codes = _count_codes(bottleneck)
    flip = _count(model.encoder) + _count(bottleneck) - predictors
    heads = _count(model.heads)
    total = flip + codes + predictors
    return dict(
        zip(COMPONENTS, (flip, heads, codes, predictors, total, total + heads), strict=True)
    )


def parameter_table(preset: str) -> list[dict[str, object]]:
    """A row per model of Table 2: counts in millions; published ones too for ``paper``."""
    rows: list[dict[str, object]] = []
    for (architecture, _), published in PUBLISHED.items():
        family = FAMILIES[len(rows) % len(FAMILIES)]
        bottleneck: Bottleneck = "prior" if architecture == "prior" else "td"
        with torch.device("meta"):
            model = build_model(
                family=family, bottleneck=bottleneck, preset=PRESETS[preset], settings={}
            )
        row: dict[str, object] = {"architecture": architecture, "family": family}
        counts = count_parameters(model)
        for name, value in zip(COMPONENTS, published, strict=True):
            row[name] = round(counts[name] / 1e6, 3)
            if preset == "paper":
                row[f"{name}_published"] = value
        rows.append(row)
    return rows


def reconstruction_parameter_table(preset: str) -> list[dict[str, object]]:
    """A row per autoencoder: counts in millions; published ones too for ``paper``.

    One decoder counts, PRIOR's last: that is what a reconstruction at full budget takes
    **(ours)**; with all of PRIOR's seven the published totals could not be alike.
    """
    rows: list[dict[str, object]] = []
    for architecture, family in PUBLISHED:
        bottleneck: Bottleneck = "prior" if architecture == "prior" else "td"
        with torch.device("meta"):
            model = build_reconstruction_model(
                family=family,  # type: ignore[arg-type]  # the keys are families
                bottleneck=bottleneck,
                preset=RECONSTRUCTION_PRESETS[preset],
                settings={},
            )
        counts = {
            "encoder": _count(model.encoder),
            "bottleneck": _count(model.bottleneck),
            "ema": _count_codes(model.bottleneck),
            "decoder": _count(model.heads[-1]),
        }
        row: dict[str, object] = {"architecture": architecture, "family": family}
        row |= {name: round(count / 1e6, 3) for name, count in counts.items()}
        row["total"] = round(sum(counts.values()) / 1e6, 3)
        if preset == "paper":
            # Categorical MBOP, with one map per position, cannot have the total of the other two
            published = None if family == "categorical" else PUBLISHED_RECONSTRUCTION[architecture]
            row["total_published"] = published
        rows.append(row)
    return rows
