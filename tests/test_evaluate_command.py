"""``prior-search evaluate``, end to end on models of a few steps."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prior_search import cli
from prior_search.data import ObjectTracks, open_tracks, write_tracks
from prior_search.evaluation import Evaluation, probe
from prior_search.training import fit
from prior_search.trial import TrialSpec
from prior_search.weights import RegularizerWeights

MakeSpec = Callable[..., TrialSpec]


@pytest.fixture(scope="module")
def models(tmp_path_factory: Any, tracks_path: Path, make_spec: MakeSpec) -> dict[Path, float]:
    """Folders of two final models, beside each other, and the objectives at their ends."""
    parent = tmp_path_factory.mktemp("models") / "trials"  # as of a final training
    found = {}
    for family, bottleneck in (("gaussian", "prior"), ("ema_vq", "td")):
        spec = make_spec(
            stage="final",
            family=family,
            bottleneck=bottleneck,
            weights=RegularizerWeights(),
        )
        folder = parent / f"{family}-{bottleneck}"
        points = list(fit(spec, open_tracks(tracks_path), device="cpu", checkpoint=folder / "c"))
        found[folder] = points[-1].metrics["objective"]
    return found


def columns_of(tracks: ObjectTracks) -> dict[str, Any]:
    """A set as the arguments that write it."""
    names = ("fovea", "instance", "labels", "is_validation", "level_names", "class_names")
    images = tracks.gather(np.arange(len(tracks.instance)))
    return {"images": images, "source": "test"} | {name: getattr(tracks, name) for name in names}


def run(*arguments: object) -> int:
    return cli.main(["evaluate", "--device", "cpu", *map(str, arguments)])


def test_several_models_are_evaluated_into_one_table_record_and_set_of_pictures(
    models: dict[Path, float],
    tracks_path: Path,
    capsys: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probe, "PENALTIES", (1e-2, 1e-4))  # a shorter path, for time
    first, second = models
    out = first.parent.parent / "evaluation"
    assert run(first, "--data", tracks_path, "--out", out) == 0
    capsys.readouterr()
    assert run(*models, "--data", tracks_path) == 0
    shown = capsys.readouterr().out
    for text in ("gaussian PRIOR", "ema_vq TD", "NT-Xent", "coarse: probe accuracy", "class: "):
        assert text in shown
    started = [line for line in shown.splitlines() if line.startswith(("models:", "["))]
    known = ("models: 2 given, 1 to evaluate", f"[1/2] evaluated before: {first}")
    for line, start in zip(started, (*known, f"[2/2] evaluating {second}"), strict=False):
        assert line.startswith(start)
    assert re.fullmatch(r"\[2/2\] evaluated in \d+s  validation NT-Xent \d+\.\d{4}", started[3])
    assert set(first.parent.iterdir()) == set(models), "what a shell makes of trials/* are models"
    made = {path.name for path in out.iterdir()}
    assert made == {"evaluation.json"} | {
        f"accuracy_by_{what}.{ending}"
        for what in ("budget", "information")
        for ending in ("svg", "png")
    }
    entries = json.loads((out / "evaluation.json").read_text())["models"]
    assert len(entries) == 2
    for entry, objective in zip(entries, models.values(), strict=True):
        evaluation = Evaluation.from_dict(entry)
        assert evaluation.as_dict() == entry
        assert evaluation.objective == objective
        assert evaluation.budgets == (1, 3, 7, 15)
        assert evaluation.levels == ("coarse", "mid", "fine", "class")
        assert len(evaluation.probes) == 16
        bits = list(evaluation.information_bits.values())
        assert bits == sorted(bits)
        assert all(0 <= p.low <= p.accuracy <= p.high <= 1 for p in evaluation.probes)
    assert run(*models, "--data", tracks_path, "--json") == 0
    captured = capsys.readouterr()
    assert "evaluating" not in captured.err
    assert json.loads(captured.out)["models"] == entries  # and nothing else on the output


def test_wrong_requests_are_one_message_and_exit_code_two(
    models: dict[Path, float], tracks_path: Path, tmp_path: Path, capsys: Any
) -> None:
    model = next(iter(models))

    def refused(message: str, *arguments: object) -> None:
        assert run(*arguments, "--out", tmp_path / "out") == 2
        captured = capsys.readouterr()
        assert message in captured.err
        assert captured.err.count("\n") == 1

    tracks = open_tracks(tracks_path)
    fields = columns_of(tracks)
    write_tracks(tmp_path / "other.arrow", **{**fields, "fovea": tracks.fovea * np.float32(0.5)})
    (tmp_path / "text.safetensors").write_text("no model")
    refused("no model at", tmp_path / "nothing")
    refused("no model at", tmp_path)  # a folder without a model
    refused("must be a readable safetensors file", tmp_path / "text.safetensors")
    refused(
        f"was trained on data with fingerprint {tracks.fingerprint}, but",
        model, "--data", tmp_path / "other.arrow",
    )  # fmt: skip
    refused("cannot read object tracks", model, "--data", tmp_path / "no.arrow")
    assert not (tmp_path / "out" / "evaluation.json").exists()


def test_data_without_labels_is_refused(
    tracks_path: Path, make_spec: MakeSpec, tmp_path: Path, capsys: Any
) -> None:
    tracks = open_tracks(tracks_path)
    fields = columns_of(tracks)
    fields |= {"labels": tracks.labels[:, :0], "level_names": (), "class_names": ()}
    write_tracks(tmp_path / "bare.arrow", **fields)
    bare = open_tracks(tmp_path / "bare.arrow")
    list(fit(make_spec(stage="final"), bare, device="cpu", checkpoint=tmp_path / "c"))
    assert run(tmp_path, "--data", tmp_path / "bare.arrow") == 2
    assert "has no labels" in capsys.readouterr().err


def test_a_checkpoint_of_a_running_search_is_no_model(
    tracks_path: Path, make_spec: MakeSpec, tmp_path: Path, capsys: Any
) -> None:
    run_ = fit(
        make_spec(horizon=8), open_tracks(tracks_path), device="cpu",
        checkpoint=tmp_path / "c.safetensors", checkpoint_seconds=0,
    )  # fmt: skip
    next(run_)
    run_.close()
    assert run(tmp_path / "c.safetensors", "--data", tracks_path) == 2
    assert "is no final model: its metadata lack data_fingerprint" in capsys.readouterr().err
