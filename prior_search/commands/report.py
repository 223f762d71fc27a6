"""``prior-search report``: a study as one page, and its tables and figures as files."""

from __future__ import annotations

import argparse

from rich.console import Console

from prior_search.commands.places import check_writable, find_campaign, study_folder
from prior_search.report import write_report
from prior_search.storage.working_copy import publish
from prior_search.study import Study


def run(options: argparse.Namespace) -> int:
    """Write the report of a study or of a campaign, also while it runs."""
    campaign = find_campaign(options.study, options.storage_path)
    if campaign is not None:
        from prior_search.commands.study import report_campaign

        out = check_writable(options.out or campaign / "report", "--out")
        return report_campaign(Console(), campaign, out)
    folder = study_folder(options)
    out = check_writable(options.out or folder / "report", "--out")
    study = Study(folder, read_only=True)
    try:
        page = write_report(study, out)
        publish(out)
    finally:
        study.close()
    Console().print(str(page), highlight=False, soft_wrap=True, markup=False)
    return 0
