from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from prior_search.data import conversion_plan as planning
from prior_search.data import open_tracks, write_tracks
from prior_search.data.manifest import Manifest
from prior_search.data.shards import read_shard
from prior_search.data.verification import verify_file, verify_set
from prior_search.errors import RequestError
from prior_search.storage.file_store import FileStore


@pytest.fixture
def folder(
    tmp_path: Path,
    make_mvimgnet: Callable[..., Path],
    convert: Callable[..., Manifest],
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A converted set of three shards."""
    split = planning._shards
    monkeypatch.setattr(planning, "_shards", lambda instances, _: split(instances, 24))
    convert(make_mvimgnet(tmp_path / "mv", own_masks=True), tmp_path / "set")
    return tmp_path / "set"


def problems(folder: Path) -> dict[str, list[str]]:
    return {name: found for name, found in verify_set(FileStore(folder)) if found}


def rewrite(path: Path, **changes: Any) -> None:
    """The shard with other columns, sound in itself."""
    shard = read_shard(path)
    columns = {
        name: np.array(getattr(shard, name))
        for name in ("images", "fovea", "instance", "labels", "is_validation")
    }
    facts = {name: getattr(shard, name) for name in ("level_names", "class_names", "source")}
    write_tracks(path, **(columns | facts | {"names": shard.names} | changes))


def test_a_sound_set_has_no_problem(folder: Path) -> None:
    assert [name for name, _ in verify_set(FileStore(folder))] == [
        f"shards/{k:05d}.arrow" for k in range(3)
    ]
    assert problems(folder) == {}
    assert verify_file(folder / "shards" / "00001.arrow") == []


def test_a_flipped_bit_is_traced_to_its_frame(folder: Path) -> None:
    path = folder / "shards" / "00001.arrow"
    content = bytearray(path.read_bytes())
    pixels = read_shard(path).images[5].tobytes()
    content[content.index(pixels) + 100] ^= 1
    path.write_bytes(content)
    (name, found), *others = problems(folder).items()
    assert not others
    assert name == "shards/00001.arrow"
    assert found[0].startswith("SHA-256 must be")
    assert found[1] == "row 5 (0/00000009/images/003.jpg) differs from its checksum"
    assert found[2].startswith("fingerprint must be")
    assert [line.split(" ")[0] for line in verify_file(path)] == ["row", "fingerprint"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: p.write_bytes(p.read_bytes()[:-100]), "bytes, got"),
        (lambda p: p.write_bytes(b""), "cannot be parsed"),
        (lambda p: p.unlink(), "cannot be read"),
        (lambda p: p.write_bytes(b"x" * 5000), "cannot be parsed"),
    ],
)
def test_a_damaged_file_is_named_and_refused_for_training(
    folder: Path, damage: Callable[[Path], Any], message: str
) -> None:
    damage(folder / "shards" / "00002.arrow")
    found = problems(folder)
    assert list(found) == ["shards/00002.arrow"]
    assert any(message in line for line in found["shards/00002.arrow"])
    refusal = rf"00002\.arrow .*{message}" if message == "bytes, got" else r"00002\.arrow"
    with pytest.raises(RequestError, match=refusal):
        open_tracks(folder)


def test_a_shard_of_another_set_is_noticed_though_sound_in_itself(folder: Path) -> None:
    path = folder / "shards" / "00000.arrow"
    images = np.array(read_shard(path).images)
    images[0] = 0
    rewrite(path, images=images)
    assert verify_file(path) == []
    found = problems(folder)["shards/00000.arrow"]
    assert any(line.startswith("fingerprint must be") for line in found)
    with pytest.raises(RequestError, match=r"is not the shard that .*manifest\.json lists"):
        open_tracks(folder)


@pytest.mark.parametrize(
    ("column", "row", "value", "message"),
    [
        ("is_validation", 4, True, "row 4 .* is on the other side of the split than instance 1"),
        ("labels", 7, -1, r"row 7 .* has labels \[-1\]: the classes are 0 to 1"),
        ("labels", 7, 2, r"row 7 .* has labels \[2\]: the classes are 0 to 1"),
        ("labels", 7, 1, r"row 7 .* has labels \[1\]: its instance has others"),
        ("fovea", 2, np.nan, "row 2 .* has no valid fovea"),
        ("fovea", 2, 0, "row 2 .* has no valid fovea"),
    ],
)
def test_contradictions_are_named_with_their_row(
    folder: Path, column: str, row: int, value: Any, message: str
) -> None:
    path = folder / "shards" / "00000.arrow"
    values = np.array(getattr(read_shard(path), column))
    values[row] = value
    rewrite(path, **{column: values})
    assert any(re.search(message, line) for line in problems(folder)["shards/00000.arrow"])


def test_instances_that_are_not_contiguous_are_damage(folder: Path) -> None:
    path = folder / "shards" / "00000.arrow"
    instance = np.array(read_shard(path).instance)
    instance[[0, 10]] = instance[[10, 0]]
    rewrite(path, instance=instance)
    assert "instances must be numbered 0, 1" in problems(folder)["shards/00000.arrow"][-1]


def test_another_schema_is_damage(folder: Path) -> None:
    path = folder / "shards" / "00000.arrow"
    table = pa.ipc.open_file(path.read_bytes()).read_all()
    wide = table["instance"].cast(pa.int64())
    for changed, message in (
        (table.drop_columns(["fovea"]), "fovea"),
        (table.set_column(table.schema.names.index("instance"), "instance", wide), "int32"),
        (table.replace_schema_metadata({}), "format must be"),
    ):
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, changed.schema) as writer:
            writer.write_table(changed)
        assert message in problems(folder)["shards/00000.arrow"][-1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["shards"].pop(), "was changed: its fingerprint is"),
        (lambda m: m["label_names"][0].reverse(), "was changed: its fingerprint is"),
        (lambda m: m["shards"][0].pop("sha256"), "is damaged"),
        (lambda m: m.pop("image_size"), "is damaged"),
        (lambda m: m.update(extra=1), "is damaged"),
        (lambda m: m.update(format="prior-search shard set 9"), "format must be"),
    ],
)
def test_a_manifest_that_was_changed_is_refused(
    folder: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    data = json.loads((folder / "manifest.json").read_text())
    change(data)
    (folder / "manifest.json").write_text(json.dumps(data))
    with pytest.raises(RequestError, match=message):
        open_tracks(folder)


def test_a_manifest_that_is_no_json_is_refused(folder: Path) -> None:
    (folder / "manifest.json").write_text("{")
    with pytest.raises(RequestError, match=r"manifest\.json is damaged"):
        open_tracks(folder)
    (folder / "manifest.json").write_text("[]")
    with pytest.raises(RequestError, match=r"manifest\.json is damaged"):
        open_tracks(folder)
