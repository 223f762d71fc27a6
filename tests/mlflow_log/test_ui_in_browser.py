"""MLflow's pages on a study in a real browser, served by ``prior-search ui`` on loopback."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions as shown
from selenium.webdriver.support.wait import WebDriverWait

from prior_search.event_log import Event
from tests.processes import free_port, kill_family

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore")]
PLOT = (By.CSS_SELECTOR, ".js-plotly-plot .main-svg")
PATIENCE = 300  # seconds; the server takes ten on an idle machine
# errors in the console that are MLflow's own: its pages ask whether users sign in here and take
# 404 for no, and the layout of its table takes more than one frame, which a browser only mentions
EXPECTED = (
    "/ajax-api/2.0/mlflow/users/current",
    "ResizeObserver loop completed with undelivered notifications",
)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, study_events: list[Event]) -> Path:
    folder = tmp_path_factory.mktemp("ui")
    lines = (json.dumps(event) + "\n" for event in study_events)
    (folder / "events.jsonl").write_text("".join(lines))
    return folder


@pytest.fixture(scope="module")
def page(study: Path) -> Iterator[str]:
    """The address that ``prior-search ui`` prints, once the server answers."""
    port = free_port()
    command = [sys.executable, "-m", "prior_search.cli", "ui", str(study), "--port", str(port)]
    log = (study / "ui.log").open("w+")
    ui = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert ui.stdout is not None
        line = ui.stdout.readline()
        assert line.startswith("MLflow on http://127.0.0.1:"), (study / "ui.log").read_text()
        WebDriverWait(None, PATIENCE, 1).until(lambda _: is_open(port))
        yield line.split()[2]
    finally:
        kill_family(ui)
        log.close()


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def runs(chromium: Any, page: str) -> Any:
    """The table of runs, whatever was logged before."""
    chromium.get("about:blank")
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chromium.set_window_size(1600, 1000)
    for kind in ("performance", "browser"):
        chromium.get_log(kind)
    chromium.get(page)
    see(chromium, "td")
    return chromium


def see(driver: Any, text: str) -> Any:
    """Wait for a link."""
    link = shown.presence_of_element_located((By.LINK_TEXT, text))
    return WebDriverWait(driver, PATIENCE).until(link)


def see_text(driver: Any, text: str) -> None:
    """Wait for words anywhere."""
    body = shown.text_to_be_present_in_element((By.TAG_NAME, "body"), text)
    WebDriverWait(driver, PATIENCE).until(body)


def check_quiet(driver: Any, page: str) -> None:
    """Nothing was asked of anybody but the server, and nothing went wrong."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    server = page.split("/#")[0]
    assert any(url.startswith(server) for url in asked)
    assert [url for url in asked if not url.startswith((f"{server}/", "data:", "blob:"))] == []
    console = [e["message"] for e in driver.get_log("browser") if e["level"] == "SEVERE"]
    assert [text for text in console if not any(known in text for known in EXPECTED)] == []


def expand(driver: Any, name: str) -> None:
    """Show the children of a run: the only button of its row."""
    row = see(driver, name).find_element(By.XPATH, "./ancestor::*[@role='row'][1]")
    (button,) = row.find_elements(By.TAG_NAME, "button")
    button.click()


def test_searches_trials_and_replicates_are_one_below_the_other(runs: Any, page: str) -> None:
    expand(runs, "td")
    for name in ("t0000", "t0001", "t0002"):
        see(runs, name)
    assert not runs.find_elements(By.LINK_TEXT, "t0000-r1")
    expand(runs, "t0000")
    see(runs, "t0000-r1")
    check_quiet(runs, page)


def test_charts_and_the_comparison_of_trials_show_the_objective(
    runs: Any, page: str, study: Path
) -> None:
    runs.get(f"{page}&compareRunsMode=CHART")
    see_text(runs, "best_objective")
    WebDriverWait(runs, PATIENCE).until(shown.presence_of_element_located(PLOT))

    client = MlflowClient(f"sqlite:///{study / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("study")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], "metrics.objective > 0")
    ids = json.dumps([run.info.run_id for run in found])
    runs.get("about:blank")
    runs.get(
        f"{page.split('/#')[0]}/#/compare-runs?runs={ids}"
        f"&experiments={json.dumps([experiment.experiment_id])}"
    )
    for text in ("t0000-r1", "objective", "4.7"):
        see_text(runs, text)
    WebDriverWait(runs, PATIENCE).until(shown.presence_of_element_located(PLOT))
    check_quiet(runs, page)
