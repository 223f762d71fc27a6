from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from prior_search.errors import RequestError, TrialDivergedError
from prior_search.storage.checkpoint import Checkpoint
from prior_search.synthetic import objective, read_rehearsal, rehearse
from prior_search.weights import RegularizerWeights


def write(path: Path, **content: Any) -> str:
    path.write_text(tomli_w.dumps(content))
    return str(path)


def run(spec: Any, data: str, folder: Path, seconds: float = 1e9) -> Any:
    return rehearse(spec, data, checkpoint=Checkpoint(folder / "t" / "c.safetensors", seconds))


def test_the_objective_is_a_bowl_that_falls_with_steps(make_spec: Any) -> None:
    best = make_spec(bottleneck="td", weights=RegularizerWeights(kl_weight=1e-3))
    off = make_spec(bottleneck="td", weights=RegularizerWeights(kl_weight=1e-1))
    assert objective(best, 4, noise=0.0) == 1.0 + 3.0 / 2.0
    assert math.isclose(objective(off, 4, noise=0.0), 1.0 + 0.2 * 2**2 + 1.5)
    assert objective(best, 400, 0.1) == objective(best.retry(), 400, 0.1)  # of the seed alone


def test_a_rehearsal_reports_as_a_training_does(make_spec: Any, tmp_path: Path) -> None:
    data = write(tmp_path / "r.toml", step_seconds=0.0)
    points = list(run(make_spec(horizon=10), data, tmp_path))
    assert [p.step for p in points] == [2, 5, 8, 10]
    assert points[-1].metrics["objective"] == objective(make_spec(), 10, 0.02)


def test_a_later_attempt_goes_on_from_the_checkpoint_to_the_same_value(
    make_spec: Any, tmp_path: Path
) -> None:
    data = write(
        tmp_path / "r.toml",
        step_seconds=0.0,
        faults=[{"trial": 0, "kind": "raise", "at": 0.8, "attempts": 1}],
    )
    spec = make_spec(horizon=10)
    with pytest.raises(RuntimeError, match="t0000: the rehearsal lets this trial fail at step 8"):
        list(run(spec, data, tmp_path, seconds=0.0))
    *_, last = run(spec.retry(), data, tmp_path, seconds=0.0)
    assert last.metrics == {"objective": objective(spec, 10, 0.02), "own_steps": 3.0}
    assert list((tmp_path / "t").iterdir()) == []  # the checkpoint is gone


def test_a_checkpoint_of_another_specification_is_not_gone_on_from(
    make_spec: Any, tmp_path: Path
) -> None:
    data = write(tmp_path / "r.toml", step_seconds=0.0)
    half = itertools.islice(run(make_spec(horizon=10), data, tmp_path, seconds=0.0), 2)
    assert len(list(half)) == 2
    *_, last = run(make_spec(horizon=10, seed=2), data, tmp_path, seconds=0.0)
    assert last.metrics["own_steps"] == 10.0


def test_a_divergence_is_one(make_spec: Any, tmp_path: Path) -> None:
    data = write(tmp_path / "r.toml", faults=[{"trial": 0, "kind": "diverge"}])
    with pytest.raises(TrialDivergedError):
        list(run(make_spec(), data, tmp_path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"step_second": 1}, "key must be one of step_seconds, noise, faults, got 'step_second'"),
        ({"step_seconds": -1}, "step_seconds must be from 0 to 3600, got -1"),
        ({"faults": [{"trial": 0, "kind": "explode"}]}, "faults.kind must be one of raise, "),
        ({"faults": [{"kind": "raise"}]}, "faults: missing trial"),
        ({"faults": [{"trial": 1.5, "kind": "raise"}]}, "faults.trial must be a whole number"),
        ({"faults": 3}, "faults must be tables"),
    ],
)
def test_a_rehearsal_with_a_mistake_is_refused(
    content: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(RequestError, match=r"r\.toml: ") as caught:
        read_rehearsal(write(tmp_path / "r.toml", **content))
    assert message in str(caught.value)


def test_rehearsals_that_differ_have_other_fingerprints(tmp_path: Path) -> None:
    other = read_rehearsal(write(tmp_path / "r.toml", noise=0.5))
    assert other.fingerprint() != read_rehearsal("embedded").fingerprint()
