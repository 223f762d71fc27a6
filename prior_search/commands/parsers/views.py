"""Flags of the commands that show a study: status, best, export, report, ui."""

from __future__ import annotations

import argparse

from prior_search.commands.parsers.flags import add_study, count, place


def add_export(parser: argparse.ArgumentParser) -> None:
    """A study, and where its recommendations go."""
    _add_study_and_out(parser, "best")


def add_report(parser: argparse.ArgumentParser) -> None:
    """A study, and where its page goes."""
    _add_study_and_out(parser, "report")


def _add_study_and_out(parser: argparse.ArgumentParser, usual: str) -> None:
    add_study(parser)
    parser.add_argument("--out", type=place, metavar="DIR", help=f"default: {usual}/ in the study")


def add_ui(parser: argparse.ArgumentParser) -> None:
    """A study, and where MLflow shows it."""
    add_study(parser)
    parser.add_argument(
        "--port", type=count(1), default=5000, metavar="N", help="(default: %(default)s)"
    )
    parser.add_argument(
        "--tracking-uri", metavar="URI", help="MLflow store; default: sqlite in the study"
    )
