"""Final models on the page of their study: which records count, and what is said of them."""

from __future__ import annotations

import csv
import dataclasses
import json
import logging
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

from prior_search.evaluation import Evaluation
from prior_search.evaluation.probe import ProbeScore
from prior_search.evaluation.reconstruction import ImageMean
from prior_search.final_training import FinalTraining
from prior_search.report import Export, write_report
from prior_search.report.final_models import FinalModel, final_models
from prior_search.study import Study
from prior_search.trial import TrialResult, TrialSpec
from prior_search.weights import RegularizerWeights

T_OF_TWO = 12.7062047362  # Student's t at 97.5 %, one degree of freedom: tan(0.475 pi)


def train(study: Path, objectives: list[float | None], **changes: Any) -> list[TrialSpec]:
    """A final training as the command leaves it; None diverged. Returns the seeds' specs."""
    export = Export(
        study="study",
        trial=11,
        task="contrastive",
        family="gaussian",
        bottleneck="td",
        preset="tiny",
        steps=100,
        weights=RegularizerWeights(kl_weight=0.01),
        settings={"kappa": 0.5},
        data="embedded",
        data_fingerprint="abc",
        study_seed=0,
        seeds_used=[],
        evidence={},
        versions={},
    )
    export = dataclasses.replace(export, **changes)
    folder = study / "final" / f"{export.bottleneck}-t{export.trial:04d}"
    training = FinalTraining(export, folder, num_seeds=len(objectives))
    while spec := training.next_trial():
        objective = objectives[spec.replicate]
        training.record(
            TrialResult(
                trial=spec.trial,
                replicate=spec.replicate,
                attempt=0,
                objective=objective,
                status="diverged" if objective is None else "completed",
            )
        )
    training.write_metrics()
    training.close()
    return training.specs


def evaluation(spec: TrialSpec, accuracy: float, bits: float, **changes: Any) -> Evaluation:
    """Two budgets and one level; every number at the smaller budget is another."""
    probes = [
        ProbeScore(
            level="class", budget=budget, accuracy=value, low=value - 0.1, high=value + 0.1,
            chance=0.01, penalty=1e-3,
        )
        for budget, value in ((1, 0.15), (15, accuracy))
    ]  # fmt: skip
    fields: dict[str, Any] = {"probes": tuple(probes), "information_bits": {1: 0.5, 15: bits}}
    return Evaluation(
        checkpoint="x", model_sha256="0", data_fingerprint="abc", spec=spec, objective=4.0,
        **fields | changes,
    )  # fmt: skip


def write_record(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def only(found: list[FinalModel]) -> FinalModel:
    (model,) = found
    return model


def test_the_objective_is_that_of_the_metrics_file(tmp_path: Path) -> None:
    train(tmp_path, [4.0, None, 4.5])
    model = only(final_models(tmp_path))
    assert (model.folder, model.bottleneck, model.trial, model.steps) == (
        "td-t0011", "td", 11, 100,
    )  # fmt: skip
    assert (model.completed, model.seeds, model.evaluated) == (2, 3, 0)
    written = json.loads((tmp_path / "final" / "td-t0011" / "metrics.json").read_text())
    found, expected = model.measures["objective"], written["metrics"]["objective"]
    assert (found.mean, found.low, found.high) == tuple(
        expected[name] for name in ("mean", "low", "high")
    )
    assert found.low == pytest.approx(4.25 - T_OF_TWO * stdev([4.0, 4.5]) / 2**0.5)
    assert (found.num_seeds, found.interval_over) == (2, "seeds")


def test_evaluations_are_averaged_over_seeds_at_full_budget(tmp_path: Path) -> None:
    specs = train(tmp_path, [4.0, 4.5])
    together = [evaluation(specs[0], 0.2, 30.0).as_dict()]
    write_record(tmp_path / "final" / "evaluation" / "evaluation.json", {"models": together})
    beside = tmp_path / "final" / "td-t0011" / "trials" / "t0011-r1" / "evaluation.json"
    write_record(beside, evaluation(specs[1], 0.3, 34.0).as_dict())
    model = only(final_models(tmp_path))
    assert model.evaluated == 2
    accuracy, bits = model.measures["accuracy.class"], model.measures["information_bits"]
    assert (accuracy.mean, bits.mean) == (pytest.approx(25.0), 32.0)
    assert (accuracy.budget, bits.budget) == (15, 15)
    assert accuracy.interval_over == "seeds"
    half = T_OF_TWO * stdev([20.0, 30.0]) / 2**0.5
    assert (accuracy.low, accuracy.high) == (
        pytest.approx(25.0 - half),
        pytest.approx(25.0 + half),
    )


def test_one_seed_has_the_intervals_of_its_own_record(tmp_path: Path) -> None:
    (spec,) = train(tmp_path, [4.0], task="reconstruction")
    quality = {15: {"ssim": ImageMean(0.5, 0.4, 0.6), "ms_ssim": ImageMean(0.7, 0.6, 0.8)}}
    record = evaluation(spec, 0.2, 30.0, image_quality=quality).as_dict()
    write_record(tmp_path / "final" / "td-t0011" / "evaluation" / "evaluation.json", record)
    measures = only(final_models(tmp_path)).measures
    shown = {name: (m.low, m.high, m.interval_over) for name, m in measures.items()}
    assert shown == {
        "objective": (None, None, ""),
        "information_bits": (None, None, ""),
        "accuracy.class": (pytest.approx(10.0), pytest.approx(30.0), "instances"),
        "ssim": (0.4, 0.6, "images"),
        "ms_ssim": (0.6, 0.8, "images"),
    }


def test_records_of_other_trainings_and_damaged_ones_do_not_count(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (spec,) = train(tmp_path, [4.0])
    folder = tmp_path / "final" / "td-t0011"
    longer = dataclasses.replace(spec, horizon=200)
    write_record(folder / "a" / "evaluation.json", evaluation(longer, 0.9, 1.0).as_dict())
    write_record(folder / "b" / "evaluation.json", {"format": 1})
    write_record(folder / "c" / "evaluation.json", [])
    with caplog.at_level(logging.WARNING):
        assert only(final_models(tmp_path)).evaluated == 0
    assert caplog.text.count("is no record of this version") == 2
    assert "format must be 2, got 1; it does not count" in caplog.text


def test_a_study_without_final_trainings_has_none(tmp_path: Path) -> None:
    assert final_models(tmp_path) == []
    (tmp_path / "final" / "td-t0011").mkdir(parents=True)
    (tmp_path / "final" / "td-t0011" / "events.jsonl").touch()  # begun, and nothing written yet
    assert final_models(tmp_path) == []


@pytest.mark.parametrize("unfinished_study", [5], indirect=True)
def test_page_and_table_show_every_configuration(unfinished_study: Study, tmp_path: Path) -> None:
    out, study = tmp_path / "report", unfinished_study.folder
    before = write_report(unfinished_study, out).read_text()
    assert "Final models" not in before
    assert not (out / "tables" / "final.csv").exists()
    specs = train(study, [4.0, 4.5])
    train(study, [None], bottleneck="prior", trial=3)
    records = [evaluation(spec, 0.2, 31.25).as_dict() for spec in specs[:1]]
    write_record(study / "final" / "evaluation" / "evaluation.json", {"models": records})
    page = write_report(unfinished_study, out).read_text()
    for text in (
        "Final models", "4.2500<br><small>", "31.2", "class, %", "0 of 1", "2 of 2",
        "20.0<br><small>10.0 to 30.0</small>", "over the held-out instances and images",
    ):  # fmt: skip
        assert text in page
    with (out / "tables" / "final.csv").open() as file:
        rows = {(row["folder"], row["metric"]): row for row in csv.DictReader(file)}
    assert list(rows) == [
        ("td-t0011", "objective"), ("td-t0011", "information_bits"),
        ("td-t0011", "accuracy.class"),
    ]  # fmt: skip
    assert float(rows["td-t0011", "objective"]["mean"]) == fmean([4.0, 4.5])
