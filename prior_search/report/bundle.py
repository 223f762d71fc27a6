"""A report on disk: the page, and beside it its tables and figures as files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from prior_search.report.charts import Chart
from prior_search.report.page import render
from prior_search.report.png import write_png
from prior_search.report.report_tables import report_tables
from prior_search.report.study_view import study_view
from prior_search.report.svg import to_svg_file
from prior_search.study import Study
from prior_search.whole_file import write_whole

PAGE = "index.html"


def write_report(study: Study, folder: Path) -> Path:
    """Write the report of one study; returns the page, which alone is enough to look at or send.

    Args:
        study: finished or not.
        folder: as of ``write_bundle``.
    """
    view = study_view(study)
    tables = report_tables(study, view)
    return write_bundle(folder, "study.html", view.as_dict(), tables=tables, charts=view.charts)


def write_bundle(
    folder: Path,
    template: str,
    view: Mapping[str, Any],
    *,
    tables: Mapping[str, pa.Table],
    charts: Iterable[Chart],
) -> Path:
    """Write everything; returns the page.

    Args:
        folder: gets ``index.html``, ``tables/*.csv``, ``tables/*.parquet``, ``figures/*.svg`` and
            ``figures/*.png``; made if it is missing.
        template: of the page.
        view: the template's variables.
        tables: by name of the file.
        charts: with names that differ.
    """
    for made in (folder / "tables", folder / "figures"):
        made.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        pyarrow.csv.write_csv(table, folder / "tables" / f"{name}.csv")
        pyarrow.parquet.write_table(table, folder / "tables" / f"{name}.parquet")
    for chart in charts:
        (folder / "figures" / f"{chart.name}.svg").write_text(to_svg_file(chart), "utf-8")
        write_png(chart, folder / "figures" / f"{chart.name}.png")
    write_whole(folder / PAGE, render(template, view))
    return folder / PAGE
