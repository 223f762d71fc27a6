"""``prior-search export``: recommended configurations as files."""

from __future__ import annotations

import argparse

from prior_search.commands.places import check_writable, study_folder
from prior_search.report import export_best
from prior_search.storage.origin import address_of
from prior_search.storage.working_copy import publish
from prior_search.study import Study


def run(options: argparse.Namespace) -> int:
    """Write one TOML file per search."""
    folder = study_folder(options)
    study = Study(folder, read_only=True)
    try:
        out = check_writable(options.out or folder / "best", "--out")
        paths = export_best(study, out)
        publish(out)
        for path in paths:
            print(address_of(path))
    finally:
        study.close()
    return 0
