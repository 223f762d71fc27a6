from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from prior_search.errors import RecordError, RequestError
from prior_search.event_log import EventLog, read_events


def test_events_come_back_in_order_with_their_data(tmp_path: Path) -> None:
    with EventLog(tmp_path / "events.jsonl") as log:
        for value in (0.1, 1e-300, 1 / 3):
            log.append("metric_point", {"value": value})
    events = read_events(tmp_path / "events.jsonl")
    assert [event["seq"] for event in events] == [0, 1, 2]
    assert [event["value"] for event in events] == [0.1, 1e-300, 1 / 3]


@pytest.mark.parametrize("cut", range(1, 30, 4))
def test_a_last_line_cut_by_a_crash_never_counted(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "events.jsonl"
    with EventLog(path) as log:
        log.append("first", {})
        log.append("second", {"text": "x" * 40})
    path.write_bytes(path.read_bytes()[:-cut])
    assert [event["event"] for event in read_events(path)] == ["first"]
    with EventLog(path) as log:
        log.append("third", {})
    assert [event["event"] for event in read_events(path)] == ["first", "third"]


@pytest.mark.parametrize(("last", "is_lost"), [("metric_point", True), ("trial_ended", False)])
def test_a_hole_that_a_power_loss_left_is_removed_unless_a_result_is_behind_it(
    tmp_path: Path, last: str, *, is_lost: bool
) -> None:
    path = tmp_path / "events.jsonl"
    with EventLog(path) as log:
        for kind in ("trial_ended", "trial_suggested", "trial_started", last):
            log.append(kind, {})
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1][:9] + b"\0" * (len(lines[1]) - 9)
    lines[2] = b"\0" * 12 + lines[2][12:]
    path.write_bytes(b"".join(lines))
    if not is_lost:
        with pytest.raises(RecordError, match="line 2 is not JSON"):
            EventLog(path)
        return
    assert [event["event"] for event in read_events(path)] == ["trial_ended"]
    with EventLog(path) as log:
        log.append("trial_started", {})
    assert [event["event"] for event in read_events(path)] == ["trial_ended", "trial_started"]


def test_a_damaged_line_in_the_middle_is_refused_by_number(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    lines = [json.dumps({"seq": k, "event": "e", "time": 0.0}) for k in range(3)]
    lines[1] = lines[1][:-4]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(RecordError, match="line 2 is not JSON"):
        read_events(path)


def test_a_missing_line_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text("".join(json.dumps({"seq": k, "event": "e"}) + "\n" for k in (0, 2)))
    with pytest.raises(RecordError, match="line 2 must be an event with seq 1"):
        read_events(path)


def test_a_second_writer_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventLog(path), pytest.raises(RequestError, match="another process is running"):
        EventLog(path)
    with EventLog(path) as log:
        log.append("free again", {})


def test_a_number_that_json_cannot_carry_is_refused_and_leaves_the_log_whole(
    tmp_path: Path,
) -> None:
    path = tmp_path / "events.jsonl"
    with EventLog(path) as log:
        log.append("first", {})
        with pytest.raises(ValueError, match="not JSON compliant"):
            log.append("bad", {"value": math.nan})
        log.append("second", {})
    assert [event["event"] for event in read_events(path)] == ["first", "second"]


def test_a_result_takes_all_before_it_to_the_disk_and_the_rest_waits_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_disk: list[int] = []  # bytes
    sync = os.fsync

    def note(file: int) -> None:
        sync(file)
        on_disk.append(os.fstat(file).st_size)

    monkeypatch.setattr(os, "fsync", note)
    path = tmp_path / "events.jsonl"
    with EventLog(path) as log:
        for kind in ("study_created", "driver_started", "trial_ended", "late_result"):
            log.append(kind, {})
            assert on_disk[-1] == path.stat().st_size
        count = len(on_disk)
        for kind in ("trial_suggested", "trial_started", "metric_point", "trial_retried"):
            log.append(kind, {})
            assert path.read_bytes().endswith(b"\n")  # handed to the system
        assert len(on_disk) == count
        log.append("trial_ended", {})
        assert on_disk[count:] == [path.stat().st_size]
