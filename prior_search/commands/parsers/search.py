"""Flags of ``prior-search search`` and ``control``."""

from __future__ import annotations

import argparse

from prior_search.commands.parsers.flags import add_request
from prior_search.trial import BOTTLENECKS


def add_search(parser: argparse.ArgumentParser) -> None:
    """One search per bottleneck."""
    parser.add_argument("--bottleneck", choices=(*BOTTLENECKS, "all"), default="all")
    add_request(parser)


def add_control(parser: argparse.ArgumentParser) -> None:
    """One search over two bottlenecks."""
    parser.add_argument(
        "--from",
        action="append",
        default=[],
        metavar="STUDY",
        dest="sources",
        help="finished search of ITD and TD to compare with and to take stage 1 over from",
    )
    add_request(parser)
