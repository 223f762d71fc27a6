"""Files that a user can write, damaged in every way: refused with a message, or taken whole.

Never another exception than ``RequestError``, so never a traceback; the message names the file. By
default a few hundred cases, under the marker ``faults`` FUZZ_CASES of every kind, 1,000 if unset.
"""

from __future__ import annotations

import copy
import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from prior_search import cli
from prior_search.campaign import CampaignPlan
from prior_search.errors import RequestError
from prior_search.report import Export, read_export
from prior_search.request import StudyRequest, resolve
from prior_search.study import Study
from prior_search.synthetic import read_rehearsal
from prior_search.toml_input import read_space

ROOT = Path(__file__).parent.parent.parent
SPACE = ROOT / "search_spaces" / "gaussian.toml"
PLAN = ROOT / "study_plans" / "tiny.toml"

VALUES = st.recursive(
    st.none().map(lambda _: "")
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.sampled_from(["prior", "td", "log", "gaussian", "embedded", "../../etc", "1e-5"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc_", max_size=4), inner)
    ),
    max_leaves=6,
)


def read_space_file(path: Path) -> object:
    return resolve(
        read_space(path, []), where=str(path), family="gaussian", bottlenecks=("prior", "td"),
        name="s", task="contrastive", preset="tiny", steps=10, seed=0, data="embedded",
    )  # fmt: skip


def study_content() -> dict[str, Any]:
    request = read_space_file(SPACE)
    assert isinstance(request, StudyRequest)
    return request.as_dict()


EXPORT: dict[str, Any] = {
    "format": 1, "study": "s", "trial": 3, "task": "contrastive", "family": "gaussian",
    "bottleneck": "td", "preset": "tiny", "steps": 10, "weights": {"kl_weight": 1e-3},
    "settings": {"kappa": 0.5}, "data": "embedded", "data_fingerprint": "abc", "study_seed": 0,
    "seeds_used": [1, 2], "versions": {"python": "3"},
    "evidence": {"predicted_mean": 1.0, "predicted_sd": 0.1, "measured": [1.0]},
}  # fmt: skip
REHEARSAL: dict[str, Any] = {
    "step_seconds": 0.1,
    "noise": 0.1,
    "faults": [{"trial": 3, "kind": "kill", "at": 0.5, "attempts": 1}],
}
FILES: dict[str, tuple[dict[str, Any], Callable[[Path], object]]] = {
    "space": (tomllib.loads(SPACE.read_text()), read_space_file),
    "study": (study_content(), StudyRequest.read),
    "plan": (tomllib.loads(PLAN.read_text()), CampaignPlan.read),
    "export": (EXPORT, read_export),
    "rehearsal": (REHEARSAL, lambda path: read_rehearsal(str(path))),
}


def tables(value: Any) -> list[Any]:
    """Every table and array in a file's content, itself included."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    own = [value] if isinstance(value, dict | list) and value else []
    return own + [found for entry in inner for found in tables(entry)]


@st.composite
def damaged(draw: Any, content: dict[str, Any]) -> dict[str, Any]:
    """The content with one to three entries removed, renamed, replaced or added."""
    content = copy.deepcopy(content)
    for _ in range(draw(st.integers(1, 3))):
        places = tables(content)
        if not places:
            return content
        place = draw(st.sampled_from(places))
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        match draw(st.sampled_from(["remove", "replace", "rename", "add"])):
            case "remove":
                del place[key]
            case "replace":
                place[key] = draw(VALUES)
            case "rename" if isinstance(place, dict):
                place[key[:-1] + draw(st.sampled_from("xyz"))] = place.pop(key)
            case "add" if isinstance(place, dict):
                place[draw(st.text("abc_-", min_size=1, max_size=8))] = draw(VALUES)
    return content


def read_or_refuse(read: Callable[[Path], object], path: Path) -> None:
    try:
        taken = read(path)
        if isinstance(taken, StudyRequest):
            for bottleneck in taken.bottlenecks:  # all that a search makes of it
                Study.create(path.parent / "study", taken, {"versions": {}})
                shutil.rmtree(path.parent / "study")
                assert taken.horizon("short") <= taken.horizon("long")
                assert taken.space(bottleneck).parameters
        elif isinstance(taken, CampaignPlan):
            taken.write(path)
            assert CampaignPlan.read(path) == taken
        elif isinstance(taken, Export):
            taken.write(path)
            assert read_export(path) == taken
    except RequestError as error:
        message = str(error)
        assert path.name in message
        assert "\n" not in message.replace(str(path), "") or "TOML" in message
        assert len(message) < 2000
        assert not re.search(r"object at 0x|Traceback", message)


def fuzz_damaged(name: str, folder: Path, bounds: Any) -> None:
    content, read = FILES[name]
    path = folder / f"{name}.toml"

    @bounds
    @given(damaged(content))
    def check(changed: dict[str, Any]) -> None:
        path.write_text(tomli_w.dumps(changed))
        read_or_refuse(read, path)

    check()


def fuzz_bytes(name: str, folder: Path, bounds: Any) -> None:
    content, read = FILES[name]
    path, whole = folder / f"{name}.toml", tomli_w.dumps(content).encode()

    @bounds
    @given(st.integers(0, len(whole)), st.integers(0, len(whole)), st.binary(max_size=20))
    def check(start: int, end: int, inserted: bytes) -> None:
        path.write_bytes(whole[:start] + inserted + whole[end:])
        read_or_refuse(read, path)

    check()


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_refused_by_name_or_taken(
    name: str, cases: int, many: Any, tmp_path: Path
) -> None:
    fuzz_damaged(name, tmp_path, many(cases))


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_any_bytes_is_refused_by_name_or_taken(
    name: str, cases: int, many: Any, tmp_path: Path
) -> None:
    fuzz_bytes(name, tmp_path, many(cases))


FLAGS = [
    "--family", "--bottleneck", "--task", "--preset", "--data", "--name", "--seed", "--steps",
    "--spaces", "--set", "--stage1-trials", "--stage2-trials", "--resume", "--executor",
    "--device", "--max-concurrent-trials", "--cpus-per-trial", "--gpus-per-trial",
    "--trial-timeout",
]  # fmt: skip
WORDS = st.sampled_from(
    ["gaussian", "prior", "all", "tiny", "0", "-1", "1e400", "nan", "budget.anchors=9", "a=b=c",
     "weights.kl_weight.low=[", "settings={}", "family.x=1", "", "../..", "/dev/null", "\udc80"]
)  # fmt: skip
WORDS |= st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


def test_flags_of_any_kind_are_refused_with_two_and_leave_no_study(
    cases: int, many: Any, tmp_path: Path, capsys: Any
) -> None:
    storage = tmp_path / "studies"

    @many(cases)
    @given(st.lists(st.tuples(st.sampled_from(FLAGS), WORDS), max_size=4))
    def check(pairs: list[tuple[str, str]]) -> None:
        given_flags = [text for pair in pairs for text in pair]
        # the device that no test machine has ends every request that is not refused before
        flags = ["--family", "gaussian", "--data", "/nowhere.arrow", *given_flags]
        code = cli.main(
            ["search", *flags, "--data", "/nowhere.arrow", "--storage-path", str(storage)]
        )
        shown = capsys.readouterr().err
        assert code == 2
        assert shown.startswith("prior-search: ")
        assert "Traceback" not in shown
        assert not list(storage.glob("*/*"))

    check()
