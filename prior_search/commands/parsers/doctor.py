"""Flags of ``prior-search doctor``."""

from __future__ import annotations

import argparse

from prior_search.commands.parsers.flags import add_executor, add_storage, count


def add_doctor(parser: argparse.ArgumentParser) -> None:
    """Where to look, and what is expected there."""
    add_storage(parser)
    add_executor(parser)
    parser.add_argument(
        "--expect-nodes", type=count(1), metavar="N", help="at least so many, with the head"
    )
    parser.add_argument("--expect-gpus", type=count(0), metavar="N", help="at least so many")
    parser.add_argument("--tracking-uri", metavar="URI", help="MLflow store to ask")
