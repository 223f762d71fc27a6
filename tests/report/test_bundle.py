from __future__ import annotations

import base64
import csv
import html.parser
from pathlib import Path
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest

from prior_search.report import trial_rows, write_report
from prior_search.report.study_view import study_view
from prior_search.study import Study


class Page(html.parser.HTMLParser):
    """Tags with their attributes, and the text outside of scripts and styles."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside = ""
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style"):
            self.text += data


def test_the_page_needs_no_other_file(report_folder: Path) -> None:
    for tag, attributes in Page(report_folder / "index.html").tags:
        for name in ("src", "srcset", "data", "action", "poster"):
            assert name not in attributes, tag
        target = attributes.get("href")
        assert target is None or target.startswith(("#", "data:")), (tag, target)


def test_text_of_users_and_files_is_shown_as_text(report_folder: Path, hostile: str) -> None:
    page = Page(report_folder / "index.html")
    assert page.text.count(hostile) >= 5  # name, title, data, versions, packages, error
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not any(tag == "img" or "onerror" in attributes for tag, attributes in page.tags)
    for figure in (report_folder / "figures").glob("*.svg"):
        tree = ElementTree.parse(figure)  # well-formed, and no script in it
        assert not [e for e in tree.iter() if e.tag.endswith("script")]


def test_the_policy_allows_the_own_script_and_style_only(report_folder: Path) -> None:
    policies = [
        attributes["content"] or ""
        for tag, attributes in Page(report_folder / "index.html").tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert len(policies) == 1
    assert "default-src 'none'" in policies[0]
    assert "unsafe" not in policies[0]
    assert "http" not in policies[0]


def test_no_element_has_a_style_or_handler_that_the_policy_would_block(
    report_folder: Path,
) -> None:
    for tag, attributes in Page(report_folder / "index.html").tags:
        assert not [n for n in attributes if n == "style" or n.startswith("on")], tag


def test_tables_hold_every_run_in_both_formats(report_folder: Path, finished_study: Study) -> None:
    rows = trial_rows(finished_study.events)
    table = pq.read_table(report_folder / "tables" / "trials.parquet")
    with (report_folder / "tables" / "trials.csv").open() as file:
        records = list(csv.DictReader(file))
    assert [r.spec.label for r in rows] == table["label"].to_pylist()
    assert [r.spec.label for r in rows] == [record["label"] for record in records]
    assert table["objective"].to_pylist() == [r.objective for r in rows]
    assert {p.stem for p in (report_folder / "tables").glob("*.csv")} == {
        "trials", "recommendations", "compute", "incidents",
    }  # fmt: skip


def test_every_figure_is_there_as_svg_and_as_png(report_folder: Path) -> None:
    names = {p.stem for p in (report_folder / "figures").glob("*.svg")}
    assert names == {p.stem for p in (report_folder / "figures").glob("*.png")}
    for ending in (
        "best-so-far", "slice-kl-weight", "slice-prediction-weight", "importance", "calibration",
        "predictions", "parallel-coordinates", "roles", "horizons",
    ):  # fmt: skip
        assert f"prior-{ending}" in names
    assert "td-importance" not in names  # one weight has all of it


def test_each_search_is_summed_up_with_its_evidence(finished_study: Study) -> None:
    view = study_view(finished_study)
    assert [s.name for s in view.searches] == ["prior", "td"]
    for search in view.searches:
        assert search.best is not None
        assert search.best.values == finished_study.recommend(search.name).values
        assert search.measured
        parameters = finished_study.optimizer(search.name).space.parameters
        for weight, searched in zip(search.weights, parameters, strict=True):
            assert weight.low is not None
            assert weight.high is not None
            assert searched.low <= weight.low <= weight.value <= weight.high
    horizon = next(c for c in view.searches[0].charts if c.name == "prior-horizons")
    assert "Spearman" in horizon.note


@pytest.mark.parametrize("unfinished_study", [0, 5, 15], indirect=True)
def test_a_study_is_shown_as_far_as_it_is(unfinished_study: Study, tmp_path: Path) -> None:
    page = write_report(unfinished_study, tmp_path / "report")
    text = Page(page).text
    assert "a study so far" in text
    assert "Not decided yet." in text
    if not any(r.objective for r in trial_rows(unfinished_study.events) if r.spec.horizon == 100):
        assert "nothing to recommend" in text


@pytest.mark.parametrize("unfinished_study", [5], indirect=True)
def test_a_run_that_a_worker_has_is_under_way(
    unfinished_study: Study, report_folder: Path, tmp_path: Path
) -> None:
    spec = unfinished_study.next_trial()
    assert spec is not None
    unfinished_study.record_start(spec, "worker")
    text = Page(write_report(unfinished_study, tmp_path / "report")).text
    assert "under way" in text
    assert "without outcome" not in text
    assert "Runs under way have begun" in text
    assert "Runs under way" not in Page(report_folder / "index.html").text, "all have ended"


@pytest.mark.parametrize("unfinished_study", [5], indirect=True)
def test_pictures_of_evaluated_models_are_inside_the_page(
    unfinished_study: Study, tmp_path: Path
) -> None:
    assert 'id="trained"' not in write_report(unfinished_study, tmp_path / "report").read_text()
    content = b"\x89PNG\r\n\x1a\n and so on"
    alone = unfinished_study.folder / "final" / "td-t0011" / "evaluation"  # of one configuration
    alone.mkdir(parents=True)
    (alone / "accuracy_by_budget.png").write_bytes(content)
    page = write_report(unfinished_study, tmp_path / "report").read_text()
    assert "td-t0011: accuracy by budget" in page
    folder = unfinished_study.folder / "final" / "evaluation"
    folder.mkdir()
    (folder / "accuracy_by_budget.png").write_bytes(content)
    (folder / "other.png").write_bytes(b"<svg onload='alert(1)'>")
    page = write_report(unfinished_study, tmp_path / "report").read_text()
    assert f"data:image/png;base64,{base64.b64encode(content).decode()}" in page
    assert page.count('class="trained"') == 1
    assert "td-t0011: " not in page, "models evaluated together are not shown alone as well"
    assert "accuracy by budget" in page
