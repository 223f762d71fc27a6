"""The report in a real browser, offline. Needs Debian's chromium and chromium-driver."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from prior_search.report.comparison import ComparisonInput, compare, write_comparison
from prior_search.report.pictures import picture_table
from prior_search.report.results import Results

pytestmark = pytest.mark.browser
PHONE, DESK = 390, 1280


@pytest.fixture
def browser(chromium: webdriver.Chrome, report_folder: Path) -> webdriver.Chrome:
    """The report, freshly loaded, on a desk, in the light."""
    show(chromium, DESK, "light")
    chromium.get((report_folder / "index.html").as_uri())
    return chromium


def show(driver: webdriver.Chrome, width: int, scheme: str) -> None:
    scale = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", scale)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def column(driver: webdriver.Chrome, label: str) -> list[str]:
    """Texts of the visible cells under a heading of the table of runs."""
    script = """
    const table = document.querySelector("table.sortable");
    const heads = Array.from(table.tHead.rows[0].cells, (c) => c.textContent.trim());
    const rows = Array.from(table.tBodies[0].rows).filter((r) => !r.hidden);
    return rows.map((r) => r.cells[heads.indexOf(arguments[0])].textContent);
    """
    found: list[str] = driver.execute_script(script, label)
    return found


def heading(driver: webdriver.Chrome, label: str):  # type: ignore[no-untyped-def]
    buttons = driver.find_elements(By.CSS_SELECTOR, "table.sortable th button")
    return next(b for b in buttons if b.text.strip().startswith(label))


def test_nothing_is_fetched_and_the_console_is_silent(
    browser: webdriver.Chrome, report_folder: Path
) -> None:
    browser.get_log("performance")
    browser.refresh()
    asked = [
        entry["message"].split('"url":"')[1].split('"')[0]
        for entry in browser.get_log("performance")
        if "Network.requestWillBeSent" in entry["message"]
    ]
    page = (report_folder / "index.html").as_uri()
    assert page in asked
    assert all(url == page or url.startswith("data:") for url in asked), asked
    assert browser.get_log("browser") == []


def test_hostile_text_is_seen_and_does_not_run(browser: webdriver.Chrome, hostile: str) -> None:
    assert hostile in browser.find_element(By.TAG_NAME, "h1").text
    assert browser.title.startswith(f"study {hostile}")


def test_a_heading_sorts_by_number_and_turns_around(browser: webdriver.Chrome) -> None:
    button = heading(browser, "objective")
    button.click()
    shown = column(browser, "objective")
    numbers = [float(v) for v in shown if v]
    assert numbers == sorted(numbers)
    assert shown[-1] == ""  # a diverged run has none and stays last
    header = button.find_element(By.XPATH, "..")
    assert header.get_attribute("aria-sort") == "ascending"
    button.click()
    turned = column(browser, "objective")
    assert [float(v) for v in turned if v] == numbers[::-1]
    assert turned[-1] == ""
    assert header.get_attribute("aria-sort") == "descending"


def test_sorting_works_from_the_keyboard(browser: webdriver.Chrome) -> None:
    button = heading(browser, "seconds")
    browser.execute_script("arguments[0].focus()", heading(browser, "steps"))
    browser.switch_to.active_element.send_keys(Keys.TAB)
    assert browser.switch_to.active_element == button
    button.send_keys(Keys.ENTER)
    header = button.find_element(By.XPATH, "..")
    assert header.get_attribute("aria-sort") == "ascending"


def test_filters_combine_and_are_cleared(browser: webdriver.Chrome) -> None:
    count = browser.find_element(By.CSS_SELECTOR, ".filters output")
    everything = len(column(browser, "run"))
    assert count.text == f"{everything} of {everything} runs"
    selects = {
        label.text.split("\n")[0]: label.find_element(By.TAG_NAME, "select")
        for label in browser.find_elements(By.CSS_SELECTOR, ".filters label")
        if label.find_elements(By.TAG_NAME, "select")
    }
    assert list(selects) == ["search", "stage", "role", "state"]
    Select(selects["search"]).select_by_value("td")
    assert set(column(browser, "search")) == {"td"}
    text = browser.find_element(By.CSS_SELECTOR, ".filters input")
    text.send_keys("DIVERGED")
    assert column(browser, "run") == ["t0001"]
    assert count.text == f"1 of {everything} runs"
    browser.find_element(By.CSS_SELECTOR, ".filters button").click()
    assert len(column(browser, "run")) == everything


def test_the_dark_scheme_reaches_paper_text_and_charts(browser: webdriver.Chrome) -> None:
    script = """
    const style = (s, p) => getComputedStyle(document.querySelector(s))[p];
    return [style("body", "backgroundColor"), style("body", "color"),
            style("svg.chart", "fill"), style("svg.chart .f-blue", "fill")];
    """
    light = browser.execute_script(script)
    show(browser, DESK, "dark")
    dark = browser.execute_script(script)
    assert light[0] == "rgb(255, 255, 255)"
    assert all(a != b for a, b in zip(light, dark, strict=True))


@pytest.mark.parametrize("width", [PHONE, 320, DESK])
def test_no_width_makes_the_page_scroll_sideways(browser: webdriver.Chrome, width: int) -> None:
    show(browser, width, "light")
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    assert wide <= width
    assert len(browser.find_elements(By.CSS_SELECTOR, "svg.chart")) > 10


def test_without_its_script_the_page_is_a_plain_table(
    browser: webdriver.Chrome, report_folder: Path
) -> None:
    everything = len(column(browser, "run"))
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get((report_folder / "index.html").as_uri())
        assert len(browser.find_elements(By.CSS_SELECTOR, "table.sortable tbody tr")) == everything
        assert not browser.find_elements(By.CSS_SELECTOR, "th button, .filters")
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_a_comparison_fits_a_phone_and_its_pictures_pass_the_policy(
    chromium: webdriver.Chrome, tmp_path: Path
) -> None:
    given = ComparisonInput(
        title="comparison",
        results=Results([]),
        pictures=picture_table(np.zeros((1, 3, 8, 8)), {"td": np.ones((1, 2, 3, 8, 8))}, (1, 3)),
    )
    chromium.get_log("browser")
    show(chromium, PHONE, "dark")
    chromium.get(write_comparison(compare(given), tmp_path).as_uri())
    assert chromium.execute_script("return document.documentElement.scrollWidth") <= PHONE
    widths = "return Array.from(document.images, (image) => image.naturalWidth)"
    assert chromium.execute_script(widths) == [8, 8, 8]
    assert chromium.find_elements(By.CSS_SELECTOR, ".badge")
    assert chromium.get_log("browser") == []
