"""Parameters by component, counted on a built model, beside the published ones (Table 2)."""

from __future__ import annotations

import torch
from torch import nn

from prior_search.bottlenecks import PriorBottleneck
from prior_search.models.ordered_model import OrderedModel, build_model
from prior_search.models.presets import PRESETS
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


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def count_parameters(model: OrderedModel) -> dict[str, int]:
    """Parameters by the columns of Table 2; codes count without the fixed null state."""
    bottleneck = model.bottleneck
    predictors = _count(bottleneck.predictors) if isinstance(bottleneck, PriorBottleneck) else 0
    codes = sum(
        module.codes[:, 1:].numel()
        for module in bottleneck.modules()
        if isinstance(module, EmaVqTokens)
    )
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
