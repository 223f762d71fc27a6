"""Views of a study's record: tables, the files of the best configurations, summaries."""

from prior_search.report.bundle import write_report
from prior_search.report.evaluation_figures import (
    draw_accuracy_by_budget,
    draw_accuracy_by_information,
)
from prior_search.report.export import Export, export_best, read_export
from prior_search.report.figures import draw_weights
from prior_search.report.reconstruction_figures import draw_reconstructions
from prior_search.report.tables import TrialRow, by_suggestion, trial_rows, write_parquet

__all__ = [
    "Export",
    "TrialRow",
    "by_suggestion",
    "draw_accuracy_by_budget",
    "draw_accuracy_by_information",
    "draw_reconstructions",
    "draw_weights",
    "export_best",
    "read_export",
    "trial_rows",
    "write_parquet",
    "write_report",
]
