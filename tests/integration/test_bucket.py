"""A search on a bucket whose machine goes away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prior_search.commands.places import find_study
from prior_search.storage.file_store import FileStore
from prior_search.storage.segments import read_log
from tests.recovery_times import until_next

ROOT = Path(__file__).parent.parent.parent

pytestmark = [pytest.mark.faults, pytest.mark.filterwarnings("ignore")]


DRIVER = """
import sys
from pathlib import Path
from prior_search.commands.places import check_writable
from prior_search.commands.opening import open_or_create
from prior_search.request import StudyRequest
from prior_search.runner import LocalExecutor, WorkerSettings
from prior_search.study import Study

if __name__ == "__main__":
    storage, request, data = sys.argv[1:]
    facts = {"versions": {"python": "3"}, "data_fingerprint": "rehearsal"}
    folder = check_writable(storage, "--storage-path") / "study"
    open_or_create(folder, StudyRequest.read(Path(request)), "auto", facts)
    settings = WorkerSettings(
        data=data, trials_folder=sys.argv[1].replace("/st?", "/st/study/trials?"),
        device="cpu", checkpoint_seconds=0.0,
    )
    study = Study(folder)
    study.begin(facts)
    LocalExecutor(settings, num_workers=1).run(study)
    study.close()
"""


def wait_until(is_so: Callable[[], bool], driver: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 300  # on a busy machine
    while not is_so():
        assert time.monotonic() < deadline
        assert driver.poll() is None
        time.sleep(0.5)


def test_a_search_whose_machine_is_gone_goes_on_elsewhere_from_its_checkpoints(
    tmp_path: Path,
    bucket: Callable[[str], str],
    check_record: Any,
    make_study: Any,
    rehearsal: Any,
    recovered: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # its machine goes away while it is there, with a checkpoint behind it
    data = rehearsal({"trial": 1, "kind": "hang"})
    request = make_study(tmp_path / "request", data) / "study.toml"
    (tmp_path / "driver.py").write_text(DRIVER)
    command = [sys.executable, str(tmp_path / "driver.py"), bucket("st"), str(request), str(data)]
    where = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    driver = subprocess.Popen(command, env=where | {"PRIOR_SEARCH_CACHE": str(tmp_path / "gone")})
    store = FileStore(bucket("st/study"))
    wait_until(lambda: read_log(store).count(b'"trial_ended"') >= 1, driver)
    wait_until(lambda: len(store.entries("trials")) == 1, driver)  # of the next one
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    before = read_log(store)
    rehearsal()  # the same trial does not hang again

    monkeypatch.setenv("PRIOR_SEARCH_CACHE", str(tmp_path / "elsewhere"))
    where["PRIOR_SEARCH_CACHE"] = str(tmp_path / "elsewhere")
    refused = subprocess.run(command, env=where, capture_output=True, text=True, check=False)
    assert "another driver runs the study" in refused.stderr
    (lease,) = (entry.name for entry in store.entries("lease"))
    store.remove(lease)  # as if it had lapsed
    again = time.time()
    done = subprocess.run(command, env=where, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert read_log(store).startswith(before)
    events = check_record(find_study(bucket("st/study"), "studies"))
    recovered("machine of the driver gone, its lease lapsed", until_next(events, again))
    results = [e["result"] for e in events if e["event"] == "trial_ended"]
    assert [r["status"] for r in results] == ["completed"] * 7
    assert results[1]["metrics"]["own_steps"] < results[1]["steps"]  # from the bucket
    assert store.entries("trials") == []
