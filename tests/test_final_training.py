"""Final trainings without training: what they would train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prior_search.final_training import FinalTraining
from prior_search.report import Export
from prior_search.weights import RegularizerWeights


def make_export(**changes: Any) -> Export:
    fields: dict[str, Any] = {
        "study": "study",
        "trial": 3,
        "task": "contrastive",
        "family": "gaussian",
        "bottleneck": "td",
        "preset": "tiny",
        "steps": 100,
        "weights": RegularizerWeights(kl_weight=1e-3),
        "settings": {"kappa": 0.5},
        "data": "embedded",
        "data_fingerprint": "abc",
        "study_seed": 7,
        "seeds_used": [],
        "evidence": {},
        "versions": {},
    }
    return Export(**(fields | changes))


def seeds(folder: Path, **changes: Any) -> list[int]:
    training = FinalTraining(make_export(**changes), folder, num_seeds=3)
    training.close()
    return [spec.seed for spec in training.specs]


def test_replicates_of_all_bottlenecks_and_controls_of_a_seed_are_pairs(tmp_path: Path) -> None:
    first = seeds(tmp_path / "td")
    assert len(set(first)) == 3
    for number, bottleneck in enumerate(("prior", "itd")):
        assert seeds(tmp_path / bottleneck, bottleneck=bottleneck, trial=number) == first
    assert seeds(tmp_path / "matched", study="study-control", trial=9) == first
    assert not set(seeds(tmp_path / "other", study_seed=8)) & set(first)
