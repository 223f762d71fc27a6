"""Views of a study's record: tables, the files of the best configurations, summaries."""

from prior_search.report.export import Export, export_best, read_export
from prior_search.report.figures import draw_weights
from prior_search.report.tables import TrialRow, trial_rows, write_parquet

__all__ = [
    "Export",
    "TrialRow",
    "draw_weights",
    "export_best",
    "read_export",
    "trial_rows",
    "write_parquet",
]
