from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from prior_search.data import conversion_plan as planning
from prior_search.data import open_tracks
from prior_search.data.conversion import ConversionProgress
from prior_search.data.manifest import Manifest
from prior_search.data.remote import local_copy
from prior_search.data.verification import verify_set
from prior_search.errors import RequestError
from prior_search.storage.file_store import FileStore

Make = Callable[..., Path]
Convert = Callable[..., Manifest]


def test_a_set_in_a_bucket_is_converted_resumed_checked_and_trained_on(
    tmp_path: Path, make_mvimgnet: Make, convert: Convert, bucket: Callable[[str], str]
) -> None:
    source = make_mvimgnet(tmp_path / "mv", own_masks=True)
    here = convert(source, tmp_path / "here")
    there = convert(source, bucket("mv"))
    assert there.shards == here.shards
    assert FileStore(bucket("mv")).names() == [
        "broken.csv",
        "manifest.json",
        "shards/00000.arrow",
    ]
    again = convert(source, bucket("mv"), progress=lambda _: pytest.fail("converted twice"))
    assert again == there
    with pytest.raises(RequestError, match="size was 16, now 8"):
        convert(source, bucket("mv"), size=8)
    assert [found for _, found in verify_set(FileStore(bucket("mv")))] == [[]]
    remote, local = open_tracks(bucket("mv")), open_tracks(tmp_path / "here")
    assert remote.fingerprint == local.fingerprint
    frames = np.arange(72)
    np.testing.assert_array_equal(remote.gather(frames), local.gather(frames))
    assert (tmp_path / "cache" / "sets" / local.fingerprint / "manifest.json").exists()


def test_a_conversion_into_a_bucket_goes_on_after_a_stop(
    tmp_path: Path,
    make_mvimgnet: Make,
    convert: Convert,
    bucket: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    split = planning._shards
    monkeypatch.setattr(planning, "_shards", lambda instances, _: split(instances, 24))
    source = make_mvimgnet(tmp_path / "mv")

    def stop(progress: ConversionProgress) -> None:
        if progress.done > 30:
            raise StopAsyncIteration

    with pytest.raises(StopAsyncIteration):
        convert(source, bucket("mv"), progress=stop)
    assert "manifest.json" not in FileStore(bucket("mv")).names()
    with pytest.raises(RequestError, match="is no finished data set"):
        open_tracks(bucket("mv"))
    resumed: list[int] = []
    manifest = convert(source, bucket("mv"), progress=lambda p: resumed.append(p.resumed))
    assert set(resumed) == {24}
    assert manifest.shards == convert(source, tmp_path / "here").shards


def test_the_cache_is_filled_once_and_only_with_what_the_manifest_says(
    tmp_path: Path, make_mvimgnet: Make, convert: Convert, bucket: Callable[[str], str]
) -> None:
    convert(make_mvimgnet(tmp_path / "mv"), bucket("mv"))
    path = local_copy(bucket("mv"))
    shard = path / "shards" / "00000.arrow"
    written = shard.stat().st_mtime_ns
    assert local_copy(bucket("mv")) == path
    assert shard.stat().st_mtime_ns == written
    whole = shard.read_bytes()
    shard.write_bytes(whole[:100])  # a download that was cut off
    (path / "manifest.json").unlink()
    local_copy(bucket("mv"))
    assert shard.read_bytes() == whole
    shard.unlink()
    remote = FileStore(bucket("mv"))
    (tmp_path / "bad").write_bytes(whole[:-1] + b"x")
    remote.put(tmp_path / "bad", "shards/00000.arrow")
    with pytest.raises(RequestError, match=r"shards/00000\.arrow of s3://.* is damaged: SHA-256"):
        local_copy(bucket("mv"))
    assert not shard.exists()
    assert [len(found) > 0 for _, found in verify_set(remote)] == [True]


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("gs://bucket/set", r"must be a path or s3://bucket/folder, got gs://"),
        ("s3:///set", "must be a path or s3://bucket/folder"),
        ("s3://key:secret@bucket/set", "credentials belong in the environment"),
    ],
)
def test_other_addresses_are_refused(location: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        open_tracks(location)


def test_a_bucket_that_is_not_there_is_named(
    tmp_path: Path, make_mvimgnet: Make, convert: Convert, bucket: Callable[[str], str]
) -> None:
    missing = bucket("set").replace(bucket("").split("/")[2], "nowhere")
    with pytest.raises(RequestError, match=r"cannot write into s3://nowhere/set.*NO_SUCH_BUCKET"):
        convert(make_mvimgnet(tmp_path / "mv"), missing)
    with pytest.raises(RequestError, match="s3://nowhere/set"):
        open_tracks(missing)
