"""A study's report on disk: the page, and beside it its tables and figures as files."""

from __future__ import annotations

from pathlib import Path

import pyarrow.csv
import pyarrow.parquet

from prior_search.report.page import render
from prior_search.report.png import write_png
from prior_search.report.report_tables import report_tables
from prior_search.report.study_view import study_view
from prior_search.report.svg import to_svg_file
from prior_search.study import Study

PAGE = "index.html"


def write_report(study: Study, folder: Path) -> Path:
    """Write everything; returns the page, which alone is enough to look at or to send.

    Args:
        study: finished or not.
        folder: gets ``index.html``, ``tables/*.csv``, ``tables/*.parquet``, ``figures/*.svg`` and
            ``figures/*.png``; made if it is missing.
    """
    view = study_view(study)
    tables, figures = folder / "tables", folder / "figures"
    for made in (folder, tables, figures):
        made.mkdir(parents=True, exist_ok=True)
    for name, table in report_tables(study, view).items():
        pyarrow.csv.write_csv(table, tables / f"{name}.csv")
        pyarrow.parquet.write_table(table, tables / f"{name}.parquet")
    for chart in view.charts:
        (figures / f"{chart.name}.svg").write_text(to_svg_file(chart), "utf-8")
        write_png(chart, figures / f"{chart.name}.png")
    page, partial = folder / PAGE, folder / f"{PAGE}.partial"
    partial.write_text(render("study.html", view.as_dict()), "utf-8")
    return partial.replace(page)
