"""The event log of a study in a bucket, on an S3 server of the test's own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from prior_search.errors import RequestError, StorageError
from prior_search.event_log import EventLog, read_events
from prior_search.storage import lease, log_replica, patience, segments
from prior_search.storage.file_store import FileStore
from prior_search.storage.lease import Lease, LeaseLostError
from prior_search.storage.origin import make_copy
from prior_search.storage.segments import Segment, chain, read_log
from prior_search.storage.working_copy import refresh

Bucket = Callable[[str], str]


def machine(tmp_path: Path, name: str, address: str) -> Path:
    """The folder of study ``s`` on a machine with a cache of its own."""
    folder = make_copy(address, tmp_path / name) / "s"
    folder.mkdir(exist_ok=True)
    return folder


def kinds(path: Path) -> list[str]:
    return [event["event"] for event in read_events(path)]


def test_what_one_machine_wrote_another_reads_and_goes_on_with(
    tmp_path: Path, bucket: Bucket
) -> None:
    here, there = (machine(tmp_path, name, bucket("st")) for name in ("here", "there"))
    with EventLog(here / "events.jsonl") as log:
        log.append("study_created", {"x": 1 / 3})
        log.append("trial_suggested", {})
        log.append("trial_ended", {"result": {}})
    refresh(there)
    assert (there / "events.jsonl").read_bytes() == (here / "events.jsonl").read_bytes()
    with EventLog(there / "events.jsonl") as log:
        log.append("driver_started", {})
    with EventLog(here / "events.jsonl") as log:
        assert [event["seq"] for event in log.events] == [0, 1, 2, 3]
    names = FileStore(bucket("st/s")).names()
    assert len(names) == 1  # put together at the end, and the lease is given back
    assert names[0].endswith("-000000000-000000004.jsonl")


def test_a_result_is_in_the_bucket_before_anyone_hears_of_it(
    tmp_path: Path, bucket: Bucket
) -> None:
    folder, store = machine(tmp_path, "here", bucket("st")), FileStore(bucket("st/s"))
    with EventLog(folder / "events.jsonl") as log:
        log.append("study_created", {})
        assert read_log(store).count(b"\n") == 1
        for kind in ("trial_suggested", "trial_started", "metric_point"):
            log.append(kind, {})
        assert read_log(store).count(b"\n") == 1  # the next driver comes to them again
        log.append("trial_ended", {"result": {}})
        assert read_log(store) == (folder / "events.jsonl").read_bytes()


def test_a_second_driver_on_another_machine_is_refused_and_told_who_runs_the_study(
    tmp_path: Path, bucket: Bucket
) -> None:
    here, there = (machine(tmp_path, name, bucket("st")) for name in ("here", "there"))
    with EventLog(here / "events.jsonl") as log:
        log.append("study_created", {})
        with pytest.raises(RequestError, match=rf"process \d+ on {socket.gethostname()}"):
            EventLog(there / "events.jsonl")
        log.append("trial_ended", {"result": {}})  # the first one still holds it
    with EventLog(there / "events.jsonl") as log:
        assert len(log.events) == 2


def test_of_drivers_that_come_at_once_at_most_one_gets_the_lease(bucket: Bucket) -> None:
    store, taken, refused = FileStore(bucket("st/s")), [], []
    start = threading.Barrier(4)

    def take(name: str) -> None:
        own = Lease(FileStore(bucket("st/s")), name)
        start.wait()
        try:
            own.take()
            taken.append(own)
        except RequestError:
            refused.append(name)

    threads = [threading.Thread(target=take, args=(f"host-{k}",)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) <= 1
    assert len(taken) + len(refused) == 4
    assert len(store.names()) == len(taken)  # those that stood back left nothing


def test_a_driver_that_was_killed_is_followed_at_once_on_its_machine_and_later_elsewhere(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = (machine(tmp_path, name, bucket("st")) for name in ("here", "there"))
    killed = EventLog(here / "events.jsonl")
    killed.append("study_created", {})
    stop_without_a_word(killed)
    with pytest.raises(RequestError, match="last sign of life"):
        EventLog(there / "events.jsonl")
    again = EventLog(here / "events.jsonl")
    assert len(again.events) == 1
    stop_without_a_word(again)
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.5)
    time.sleep(2.0)  # the store counts whole seconds
    with EventLog(there / "events.jsonl") as log:
        assert len(log.events) == 1


def stop_without_a_word(log: EventLog) -> None:
    """As SIGKILL: the lock of this machine is free, the bucket hears nothing."""
    assert log._replica is not None
    log._replica._ends.set()
    log._replica._thread.join()
    log._file.close()


def test_a_driver_that_was_taken_over_stops_and_what_it_wrote_does_not_count(
    tmp_path: Path,
    bucket: Bucket,
    recovered: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    here, there = (machine(tmp_path, name, bucket("st")) for name in ("here", "there"))
    suspended = EventLog(here / "events.jsonl")
    suspended.append("study_created", {})
    suspended.append("trial_suggested", {"by": "suspended"})  # not heard of, so only on its disk
    monkeypatch.setattr(lease, "LEASE_SECONDS", -10.0)  # it counts as gone
    started = time.monotonic()
    with EventLog(there / "events.jsonl") as log:
        recovered("driver suspended, its lease lapsed, taken over", time.monotonic() - started)
        log.append("driver_started", {})
        assert suspended._replica is not None
        # between its look at the lease and its write it was suspended
        late = Segment(suspended._replica._epoch, 1, 2)
        FileStore(bucket("st/s")).write(late.name, b'{"seq":1,"event":"trial_suggested"}\n')
        assert kinds_in(bucket) == ["study_created", "driver_started"]
        with pytest.raises(LeaseLostError, match="another driver has taken over"):
            suspended.append("trial_ended", {"result": {}})
    suspended.close()
    assert kinds_in(bucket) == ["study_created", "driver_started"]
    with EventLog(here / "events.jsonl") as log:  # what counts is brought here
        assert [e["event"] for e in log.events] == ["study_created", "driver_started"]
    assert "what only this machine had is in" in caplog.text
    assert b"suspended" in (here / "events.superseded").read_bytes()


def kinds_in(bucket: Bucket) -> list[str]:
    import json

    return [json.loads(line)["event"] for line in read_log(FileStore(bucket("st/s"))).splitlines()]


class Gate:
    """A door in front of the S3 server that can be shut: then nobody answers there."""

    def __init__(self, server: str) -> None:
        host, port = server.split(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.is_open = True
        self._ends = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                visitor, _ = self._listener.accept()
            except OSError:
                return
            if self._ends or not self.is_open:
                visitor.close()
                continue
            server = socket.create_connection(self._target)
            for source, sink in ((visitor, server), (server, visitor)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while self.is_open and (data := source.recv(65536)):
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            end.close()

    def close(self) -> None:
        self._ends = True
        self._listener.close()


@pytest.fixture
def gate(s3_server: str) -> Iterator[Gate]:
    made = Gate(s3_server)
    yield made
    made.close()


@pytest.mark.faults  # the client library tries a dead server for six seconds a call
def test_an_outage_is_waited_for_and_one_without_end_loses_nothing(
    tmp_path: Path,
    bucket: Bucket,
    s3_server: str,
    gate: Gate,
    recovered: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    address = bucket("st").replace(s3_server, gate.address)
    folder = machine(tmp_path, "here", address)
    log = EventLog(folder / "events.jsonl")
    log.append("study_created", {})
    gate.is_open = False
    back: list[float] = []

    def come_back() -> None:
        back.append(time.monotonic())
        gate.is_open = True

    threading.Timer(1.0, come_back).start()
    log.append("trial_ended", {"result": {"trial": 0}})  # waits, then goes on
    recovered("bucket away for a while", time.monotonic() - back[0])
    assert read_log(FileStore(bucket("st/s"))).count(b"\n") == 2
    gate.is_open = False
    monkeypatch.setattr(patience, "OUTAGE_SECONDS", 0.5)
    caplog.clear()
    with pytest.raises(StorageError, match=r"cannot write to s3://.*has everything") as told:
        log.append("trial_ended", {"result": {"trial": 1}})
    assert "\n" not in str(told.value)
    log.close()
    assert kinds(folder / "events.jsonl") == ["study_created", "trial_ended", "trial_ended"]
    gate.is_open, started = True, time.monotonic()
    with EventLog(folder / "events.jsonl") as log:  # the same command on the same machine
        recovered("bucket away for good, back for the next run", time.monotonic() - started)
        assert read_log(FileStore(bucket("st/s"))).count(b"\n") == 3
    assert len(log.events) == 3


def test_many_segments_are_put_together_on_the_way(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_replica, "MANY_SEGMENTS", 5)
    folder, store = machine(tmp_path, "here", bucket("st")), FileStore(bucket("st/s"))
    with EventLog(folder / "events.jsonl") as log:
        for _ in range(23):
            log.append("trial_ended", {"result": {}})
            assert len(store.entries(segments.FOLDER)) <= 5
        assert read_log(store) == (folder / "events.jsonl").read_bytes()


def test_a_cut_last_line_on_this_machine_is_no_contradiction(
    tmp_path: Path, bucket: Bucket
) -> None:
    folder = machine(tmp_path, "here", bucket("st"))
    with EventLog(folder / "events.jsonl") as log:
        log.append("study_created", {})
        log.append("trial_ended", {"result": {}})
    path = folder / "events.jsonl"
    path.write_bytes(path.read_bytes()[:-7])
    with EventLog(path) as log:
        assert [event["event"] for event in log.events] == ["study_created", "trial_ended"]
    assert not (folder / "events.superseded").exists()


@pytest.mark.parametrize(
    ("found", "used"),
    [
        ([], []),
        ([(1, 0, 3), (1, 3, 4)], [(1, 0, 3), (1, 3, 4)]),
        ([(1, 0, 3), (1, 3, 4), (1, 0, 4), (1, 4, 6)], [(1, 0, 4), (1, 4, 6)]),
        ([(1, 0, 3), (1, 3, 9), (2, 0, 3), (2, 3, 4)], [(2, 0, 3), (2, 3, 4)]),
    ],
)
def test_the_longest_segments_of_the_last_epoch_make_up_the_log(
    found: list[tuple[int, int, int]], used: list[tuple[int, int, int]]
) -> None:
    assert chain(sorted(Segment(*s) for s in found)) == [Segment(*s) for s in used]
