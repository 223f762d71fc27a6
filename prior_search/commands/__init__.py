"""The commands of ``prior-search``: each takes the parsed flags and returns an exit code."""

from prior_search.commands.control import control
from prior_search.commands.data import data
from prior_search.commands.doctor import doctor
from prior_search.commands.evaluate import evaluate
from prior_search.commands.final import final
from prior_search.commands.inspect_study import best, export, params, status, ui
from prior_search.commands.places import default_storage
from prior_search.commands.report import report
from prior_search.commands.search import search
from prior_search.commands.study import study

__all__ = [
    "best",
    "control",
    "data",
    "default_storage",
    "doctor",
    "evaluate",
    "export",
    "final",
    "params",
    "report",
    "search",
    "status",
    "study",
    "ui",
]
