"""Files that come from somebody else, taxonomies and models: data, and refused as such."""

from __future__ import annotations

import copy
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prior_search.data.taxonomy_table import read_taxonomy
from prior_search.errors import RequestError
from prior_search.model_file import load_model, save_model
from prior_search.tasks import make_task
from prior_search.trial import TrialSpec

TAXONOMIES = {
    "csv": "folder,coarse,mid,fine,class\n0,thing,bag,soft,backpack\n1,thing,bag,hard,case\n",
    "toml": '[0]\ncoarse = "a"\nmid = "b"\nfine = "c"\nclass = "d"\n[1]\ncoarse = "a"\n'
    'mid = "b"\nfine = "c"\nclass = "e"\n',
    "txt": "0,bag\n1,bottle\n2,cup\n",
    "json": '{"0": "bag", "1": "bottle", "deep": "cup"}',
}
PIECES = st.binary(max_size=12) | st.sampled_from(
    [
        b"\x00",
        b"\xef\xbb\xbf",
        b",",
        b'"',
        b"\r",
        b"\n\n",
        b"[" * 3000,
        b"9" * 5000,
        b"NaN",
        b"../..",
    ]
)


@pytest.mark.parametrize("kind", TAXONOMIES)
def test_a_taxonomy_of_any_bytes_is_refused_by_name_or_taken_whole(
    kind: str, cases: int, many: Callable[[int], Any], tmp_path: Path
) -> None:
    path, whole = tmp_path / f"taxonomy.{kind}", TAXONOMIES[kind].encode()

    @many(cases)
    @given(st.integers(0, len(whole)), st.integers(0, len(whole)), PIECES)
    def check(start: int, end: int, inserted: bytes) -> None:
        path.write_bytes(whole[:start] + inserted + whole[end:])
        try:
            table = read_taxonomy(path)
        except RequestError as error:
            refused = str(error)
            assert path.name in refused
            assert len(refused) < 2000
        else:
            assert table.labels
            for labels in table.labels.values():
                for label, names in zip(labels, table.label_names, strict=True):
                    assert 0 <= label < len(names)

    check()


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory, make_spec: Any) -> bytes:
    """The bytes of a saved model of the tiny preset."""
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    spec: TrialSpec = make_spec(stage="final")
    torch.manual_seed(0)
    model = make_task(spec.task, spec.preset).build_model(
        family=spec.family, bottleneck=spec.bottleneck, settings=spec.settings
    )
    save_model(model, path, spec, "abc")
    return path.read_bytes()


def with_header(file: bytes, header: dict[str, Any], size: int | None = None) -> bytes:
    """The file with another header, whose length may be a lie."""
    (length,) = struct.unpack("<Q", file[:8])
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + file[8 + length :]


def header_of(file: bytes) -> dict[str, Any]:
    (length,) = struct.unpack("<Q", file[:8])
    content = json.loads(file[8 : 8 + length])
    assert isinstance(content, dict)
    return content


@pytest.mark.parametrize(
    "lie",
    [
        lambda tensor: tensor | {"shape": [10**15], "data_offsets": [0, 4 * 10**15]},
        lambda tensor: tensor | {"shape": [10**15]},
        lambda tensor: tensor | {"data_offsets": [tensor["data_offsets"][0], 2**63]},
        lambda tensor: tensor | {"data_offsets": [-1, 4]},
        lambda tensor: tensor | {"shape": [2**40, 2**40]},
        lambda tensor: tensor | {"dtype": "F65536"},
    ],
)
def test_a_header_that_claims_more_than_the_file_has_is_refused_before_memory_is_taken(
    lie: Callable[[dict[str, Any]], dict[str, Any]], model_file: bytes, tmp_path: Path
) -> None:
    header, path = header_of(model_file), tmp_path / "model.safetensors"
    name = next(name for name in header if name != "__metadata__")
    path.write_bytes(with_header(model_file, header | {name: lie(header[name])}))
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        load_model(path, device="cpu")


@pytest.mark.parametrize("length", [0, 1, 10**15, 2**64 - 1])
def test_a_header_of_a_false_length_is_refused(
    length: int, model_file: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(with_header(model_file, header_of(model_file), length))
    with pytest.raises(ValueError, match=r"model\.safetensors must be a readable"):
        load_model(path, device="cpu")


NUMBERS = st.integers(-(2**63), 2**64) | st.sampled_from([0, 1, 10**15])
JSON = st.none() | st.booleans() | NUMBERS | st.text(max_size=8) | st.lists(NUMBERS, max_size=3)


def test_a_model_with_a_damaged_header_is_refused_by_name_or_taken(
    cases: int, many: Callable[[int], Any], model_file: bytes, tmp_path: Path
) -> None:
    header, path = header_of(model_file), tmp_path / "model.safetensors"
    spec = json.loads(header["__metadata__"]["spec"])
    names = sorted(header)

    @many(cases)
    @given(st.data())
    def check(data: Any) -> None:
        changed = copy.deepcopy(header)
        if data.draw(st.booleans()):
            other = spec | {data.draw(st.sampled_from(sorted(spec))): data.draw(JSON)}
            changed["__metadata__"]["spec"] = json.dumps(other)
        else:
            tensor = changed[data.draw(st.sampled_from(names))]
            tensor[data.draw(st.sampled_from(sorted(tensor)))] = data.draw(JSON)
        path.write_bytes(with_header(model_file, changed))
        try:
            load_model(path, device="cpu")
        except ValueError as error:
            refused = str(error)
            assert path.name in refused

    check()
