from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from prior_search import request as requests
from prior_search import toml_input
from prior_search.errors import RequestError
from prior_search.request import StudyRequest
from prior_search.trial import BOTTLENECKS, FAMILIES

SPACES = Path(__file__).parent.parent / "search_spaces"


def resolve(space: dict[str, Any], family: Any = "gaussian") -> StudyRequest:
    return requests.resolve(
        space,
        where="here.toml",
        family=family,
        bottlenecks=BOTTLENECKS,
        name="study",
        task="contrastive",
        preset="tiny",
        steps=240,
        seed=0,
        data="embedded",
    )


def gaussian() -> dict[str, Any]:
    return copy.deepcopy(toml_input.read_space(SPACES / "gaussian.toml", []))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_shipped_space_resolves_and_both_mbop_variants_share_one_space(family: Any) -> None:
    request = resolve(toml_input.read_space(SPACES / f"{family}.toml", []), family)
    assert request.space("td") == request.space("itd")
    prior = [p.name for p in request.space("prior").parameters]
    assert prior == [p.name for p in request.space("td").parameters] + ["prediction_weight"]
    for bottleneck in BOTTLENECKS:
        space = request.space(bottleneck)
        point = tuple(0.1 + 0.2 * k for k in range(space.dimension))
        assert space.encode(space.decode(point)) == pytest.approx(point)


@pytest.mark.parametrize("family", FAMILIES)
def test_reconstruction_has_a_space_of_its_own_over_the_same_weights(family: Any) -> None:
    own = toml_input.read_space(SPACES / f"{family}-reconstruction.toml", [])
    other = toml_input.read_space(SPACES / f"{family}.toml", [])
    assert list(own["weights"]) == list(other["weights"])
    assert resolve(own, family).space("prior").dimension == len(own["weights"])
    assert own["weights"] != other["weights"]  # a loss of 0.1 needs smaller weights than one of 3


def test_a_request_survives_its_file(tmp_path: Path) -> None:
    request = resolve(gaussian())
    request.write(tmp_path / "study.toml")
    assert StudyRequest.read(tmp_path / "study.toml") == request


def test_differences_name_the_key_and_both_values() -> None:
    space = gaussian()
    space["weights"]["kl_weight"]["high"] = 0.5
    ours, theirs = resolve(gaussian()), resolve(space)
    high = gaussian()["weights"]["kl_weight"]["high"]
    assert ours.differences(theirs) == [f"weights.kl_weight.high: {high}, 0.5"]
    assert ours.differences(ours) == []


def test_overrides_reach_nested_values_with_their_toml_types() -> None:
    space = toml_input.read_space(
        SPACES / "gaussian.toml",
        ["budget.anchors=1", "weights.kl_weight.low=1e-6", "weights.kl_weight.scale=log"],
    )
    assert space["budget"]["anchors"] == 1
    assert space["weights"]["kl_weight"]["low"] == 1e-6
    assert space["weights"]["kl_weight"]["scale"] == "log"
    with pytest.raises(RequestError, match="--set must be key=value, got 'anchors'"):
        toml_input.read_space(SPACES / "gaussian.toml", ["anchors"])


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("weights.kl_weight.low", 0, "a log range needs low > 0, got 0"),
        ("weights.kl_weight.low", 1e9, "needs 0 <= low < high"),
        ("weights.kl_weight.low", "small", "low must be a finite number, got 'small'"),
        ("weights.kl_weight.low", float("nan"), "low must be a finite number, got nan"),
        ("weights.kl_weight.high", True, "high must be a finite number, got True"),
        (
            "weights.kl_weight.scale",
            "logg",
            "scale must be one of log, linear, got 'logg'; did you",
        ),
        (
            "weights.kl_weight.only",
            ["prio"],
            "only must be one of prior, td, itd, got 'prio'; did",
        ),
        ("weights.kl_weight.only", [], "only must be a list of bottlenecks"),
        ("weights.kl_weight.step", 3, "key must be one of low, high, scale, only, got 'step'"),
        ("weights.kl_weight", 3, "kl_weight must be a table, got 3"),
        ("weights.kl_wieght", {}, "'kl_wieght'; did you mean 'kl_weight'?"),
        ("weights.commitment_weight", {}, "commitment_weight has no term in family 'gaussian'"),
        ("weights.prediction_weight.only", ["td"], "only PRIOR has a prediction term"),
        ("settings.temperature", 1.0, "key must be one of kappa, got 'temperature'"),
        ("settings.kappa", "x", "settings.kappa must be a finite number"),
        ("budget.stage1_trials", 1, "budget.stage1_trials must be a whole number from 2"),
        ("budget.stage2_trials", 0, "budget.stage2_trials must be a whole number from 1"),
        ("budget.stage2_trials", 2.5, "must be a whole number from 1 to 100000, got 2.5"),
        ("budget.anchors", 99, "budget.anchors must be <= stage2_trials"),
        ("budget.short_horizon", 1.5, r"budget.short_horizon must be in \(0, 1\], got 1.5"),
        ("family", "ema_vq", "family must be 'gaussian', got 'ema_vq'"),
        ("famly", "gaussian", "key must be one of family, weights, settings, budget, got 'famly'"),
        ("budget", [], "budget must be a table"),
    ],
)
def test_a_contradiction_is_named_with_file_rule_and_value(
    path: str, value: Any, message: str
) -> None:
    space = gaussian()
    *tables, key = path.split(".")
    table = space
    for name in tables:
        table = table[name]
    table[key] = value
    with pytest.raises(RequestError, match=message) as raised:
        resolve(space)
    assert str(raised.value).startswith("here.toml")


@pytest.mark.parametrize("table", ["weights", "settings", "budget", "family"])
def test_a_missing_table_is_named(table: str) -> None:
    space = gaussian()
    del space[table]
    with pytest.raises(RequestError, match=f"missing {table}"):
        resolve(space)


def test_a_search_without_a_weight_is_refused() -> None:
    space = gaussian()
    space["weights"]["kl_weight"]["only"] = ["prior"]
    with pytest.raises(RequestError, match="no weight is searched for bottleneck 'td'"):
        resolve(space)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"cannot read .*absent\.toml"):
        toml_input.read_toml(tmp_path / "absent.toml")
    (tmp_path / "bad.toml").write_text("[weights\n")
    with pytest.raises(RequestError, match=r"bad\.toml is not valid TOML"):
        toml_input.read_toml(tmp_path / "bad.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RequestError, match=r"cannot read .*bytes\.toml"):
        toml_input.read_toml(tmp_path / "bytes.toml")
