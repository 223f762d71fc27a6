"""The record of one evaluated model: plain numbers, to JSON and back."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prior_search.evaluation.probe import ProbeScore
from prior_search.evaluation.reconstruction import ImageMean
from prior_search.trial import TrialSpec

FORMAT = 2  # of the record; a change of what a number means must change it
EVALUATION_NAME = "evaluation.json"  # of a file with records


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The numbers of one model.

    Attributes:
        checkpoint: the file that was read.
        model_sha256: of its content.
        objective: the validation objective at full budget, lower is better.
        information_bits: Eq. 7 by budget.
        probes: every taxonomy level at every budget; empty for tasks without labels.
        image_quality: ``METRICS`` at every budget; empty for tasks without reconstructions.
    """

    checkpoint: str
    model_sha256: str
    data_fingerprint: str
    spec: TrialSpec
    objective: float
    information_bits: Mapping[int, float]
    probes: tuple[ProbeScore, ...] = ()
    image_quality: Mapping[int, Mapping[str, ImageMean]] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """As ``gaussian PRIOR`` or, for a further seed, ``gaussian PRIOR r2``."""
        again = f" r{self.spec.replicate}" if self.spec.replicate else ""
        return f"{self.spec.family} {self.spec.bottleneck.upper()}{again}"

    @property
    def budgets(self) -> tuple[int, ...]:
        """The budgets that were measured, ascending."""
        return tuple(self.information_bits)

    @property
    def levels(self) -> tuple[str, ...]:
        """The taxonomy levels that were probed, coarse to class."""
        return tuple(dict.fromkeys(probe.level for probe in self.probes))

    def probe(self, level: str, budget: int) -> ProbeScore:
        """One probe's score."""
        return next(p for p in self.probes if (p.level, p.budget) == (level, budget))

    def as_dict(self) -> dict[str, Any]:
        """The evaluation as JSON-ready data."""
        data = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        data["information_bits"] = {str(k): v for k, v in self.information_bits.items()}
        data["image_quality"] = {
            str(budget): {name: dataclasses.asdict(value) for name, value in metrics.items()}
            for budget, metrics in self.image_quality.items()
        }
        data["probes"] = [dataclasses.asdict(probe) for probe in self.probes]
        return {"format": FORMAT, "label": self.label} | data | {"spec": self.spec.as_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Evaluation:
        """The inverse of ``as_dict``.

        Raises:
            ValueError: another format.
        """
        fields = {k: v for k, v in data.items() if k not in ("format", "label")}
        if data.get("format") != FORMAT:
            raise ValueError(f"format must be {FORMAT}, got {data.get('format')!r}")
        bits = {int(k): float(v) for k, v in fields.pop("information_bits").items()}
        probes = tuple(ProbeScore(**probe) for probe in fields.pop("probes"))
        quality = {
            int(budget): {name: ImageMean(**value) for name, value in metrics.items()}
            for budget, metrics in fields.pop("image_quality").items()
        }
        spec = TrialSpec.from_dict(fields.pop("spec"))
        return cls(
            information_bits=bits, probes=probes, image_quality=quality, spec=spec, **fields
        )


def read_evaluations(path: Path) -> list[Evaluation]:
    """The records in a file: one beside its model, or those of all ``models`` evaluated at once.

    Raises:
        ValueError: the file is damaged, or of another version.
    """
    try:
        data = json.loads(path.read_text())
        return [Evaluation.from_dict(entry) for entry in data.get("models", [data])]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no record of this version: {error}") from error
