"""Flags of ``prior-search search``, ``control`` and ``study``."""

from __future__ import annotations

import argparse
from pathlib import Path

from prior_search.commands.parsers.flags import (
    add_overrides,
    add_request,
    add_storage,
    add_where,
)
from prior_search.trial import BOTTLENECKS


def add_search(parser: argparse.ArgumentParser) -> None:
    """One search per bottleneck."""
    parser.add_argument(
        "--bottleneck",
        choices=(*BOTTLENECKS, "all"),
        default="all",
        help="searched, each on its own (default: %(default)s)",
    )
    add_request(parser)


def add_control(parser: argparse.ArgumentParser) -> None:
    """One search over two bottlenecks."""
    parser.add_argument(
        "--from",
        action="append",
        default=[],
        metavar="STUDY",
        dest="sources",
        help="finished search of ITD and TD, to compare with and to take stage 1 from",
    )
    add_request(parser)


def add_campaign(parser: argparse.ArgumentParser) -> None:
    """Several studies, their controls, final trainings and evaluations."""
    parser.add_argument(
        "plan",
        nargs="?",
        type=Path,
        metavar="PLAN.toml",
        help="file, or name of a shipped one: tiny, paper (default: tiny)",
    )
    parser.add_argument(
        "--smoke", action="store_true", help="so little of everything that it ends in minutes"
    )
    add_overrides(parser, "override a value of the plan, e.g. contrastive.final_seeds=5")
    parser.add_argument("--spaces", type=Path, metavar="DIR", help="holds FAMILY.toml files")
    parser.add_argument(
        "--dry-run", action="store_true", help="print runs and compute, start nothing"
    )
    add_storage(parser)
    add_where(parser)
