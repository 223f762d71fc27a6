"""Small real things that several tests share."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy and torch: tests run beside each other
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# no test joins a Ray of this machine, and nobody joins a test's
os.environ["RAY_TMPDIR"] = tempfile.mkdtemp(prefix="ps-")  # short: sockets are in there
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # stay on loopback
# one for all of them: else those started before Ray makes one, in the home, let no later one in
os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
os.environ |= {"RAY_worker_niceness": "0"}  # 15 by default: starved beside other work

import numpy as np
import pytest

from prior_search.data import write_tracks
from prior_search.trial import MetricPoint, TrialResult, TrialSpec
from prior_search.weights import RegularizerWeights
from tests.processes import free_port

pytest_plugins = ["tests.recovery_times"]

# a background job of a shell ignores Ctrl-C, and so would every process that a test starts
signal.signal(signal.SIGINT, signal.default_int_handler)
atexit.register(shutil.rmtree, os.environ["RAY_TMPDIR"], ignore_errors=True)


@pytest.fixture(scope="session")
def tracks_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty instances of two noisy views each, in the images' size of the tiny preset."""
    rng = np.random.default_rng(0)
    base = rng.integers(0, 200, (60, 1, 3, 4, 4))
    views = base + rng.integers(0, 56, (60, 2, 3, 4, 4))
    instance = np.repeat(np.arange(60, dtype=np.int32), 2)
    path = tmp_path_factory.mktemp("data") / "small.arrow"
    write_tracks(
        path,
        images=views.reshape(120, 3, 4, 4).repeat(8, 2).repeat(8, 3).astype(np.uint8),
        fovea=np.tile(np.float32([0.5, 0.5, 0.2, 0.2]), (120, 1)),
        instance=instance,
        labels=np.stack([instance % k for k in (2, 4, 8, 16)], 1).astype(np.int16),
        is_validation=instance < 8,
        level_names=("coarse", "mid", "fine", "class"),
        class_names=[str(k) for k in range(16)],
        source="noise",
    )
    return path


@pytest.fixture(scope="session")
def make_spec() -> Callable[..., TrialSpec]:
    """A specification with defaults for what a test does not care about."""

    def make(**changes: Any) -> TrialSpec:
        fields: dict[str, Any] = {
            "study": "study",
            "search": "td",
            "trial": 0,
            "stage": "stage2",
            "role": "sobol",
            "bottleneck": "td",
            "family": "gaussian",
            "preset": "tiny",
            "weights": RegularizerWeights(kl_weight=1e-3),
            "horizon": 4,
            "seed": 1,
        }
        return TrialSpec(**(fields | changes))

    return make


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless browser of Selenium's, with what it asks for and what its console says."""
    browser, driver_path = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver_path is None:
        pytest.skip("chromium and chromedriver are not installed")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (
        "headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "disable-quic",
        "no-first-run", "disable-background-networking", "disable-component-update",
        "disable-sync",
    ):  # fmt: skip
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(driver_path))
    yield driver
    driver.quit()


class ListSource:
    """A source of given trials that notes all it is told, in order."""

    def __init__(self, specs: list[TrialSpec]) -> None:
        self.waiting = deque(specs)
        self.left = len(specs)
        self.notes: list[tuple[str, int]] = []
        self.results: list[TrialResult] = []
        self.points: list[MetricPoint] = []
        self.workers: dict[int, str] = {}
        self.on_point: Callable[[TrialSpec], None] = lambda spec: None

    def next_trial(self) -> TrialSpec | None:
        """The next of the list; lost ones come again at its end."""
        return self.waiting.popleft() if self.waiting else None

    def record_start(self, spec: TrialSpec, worker: str) -> None:
        """Note a start."""
        self.notes.append(("start", spec.trial))
        self.workers[spec.trial] = worker
        self.specs = {**getattr(self, "specs", {}), spec.trial: spec}

    def record_point(self, spec: TrialSpec, point: MetricPoint) -> None:
        """Note a point."""
        self.points.append(point)
        self.on_point(spec)

    def record(self, result: TrialResult) -> None:
        """Note an end."""
        self.notes.append(("end", result.trial))
        self.results.append(result)
        if result.status == "lost":
            self.waiting.append(self.specs[result.trial].retry())
        else:
            self.left -= 1

    @property
    def is_finished(self) -> bool:
        """Whether all have ended, and not by being lost."""
        return self.left == 0


@pytest.fixture(scope="session")
def list_source() -> type[ListSource]:
    """The class, for tests that run executors."""
    return ListSource


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Host and port of an s3 store on loopback."""
    pytest.importorskip("moto")
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            assert process.poll() is None
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def make_bucket(s3_server: str, folder: Path, patch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Addresses of folders in a new bucket; the cache is in a folder, each of which has one."""
    patch.setenv("AWS_ACCESS_KEY_ID", "test")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    patch.setenv("PRIOR_SEARCH_CACHE", str(folder / "cache"))
    from pyarrow import fs

    name = f"b{abs(hash(str(folder))) % 10**9}"
    store = fs.S3FileSystem(
        endpoint_override=s3_server, scheme="http", region="us-east-1", allow_bucket_creation=True
    )
    store.create_dir(name)
    query = f"endpoint_override={s3_server}&scheme=http&region=us-east-1"
    return lambda folder: f"s3://{name}/{folder}?{query}"


@pytest.fixture
def bucket(
    s3_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], str]:
    """Addresses of folders in an own bucket; the cache is in the test's folder."""
    return make_bucket(s3_server, tmp_path, monkeypatch)
