"""Flags of the commands about models: ``final``, ``evaluate``, ``params``."""

from __future__ import annotations

import argparse

from prior_search.commands.parsers.flags import add_device, add_where, count, place
from prior_search.trial import BOTTLENECKS, FAMILIES, TRAINED_TASKS


def add_final(parser: argparse.ArgumentParser) -> None:
    """What to train, how often and where."""
    parser.add_argument(
        "exports",
        nargs="*",
        type=place,
        metavar="EXPORT.toml",
        help="files that a search or `prior-search export` wrote: STUDY/best/*.toml",
    )
    default = parser.add_argument_group("without a search")
    default.add_argument(
        "--defaults", action="store_true", help="train default weights instead of exports"
    )
    default.add_argument("--family", choices=FAMILIES, help="of tokens")
    default.add_argument("--bottleneck", choices=(*BOTTLENECKS, "all"), help="default: all")
    default.add_argument("--task", choices=TRAINED_TASKS, help="default: contrastive")
    default.add_argument("--preset", help="default: tiny")
    default.add_argument("--seed", type=count(0), metavar="N", help="default: 0")
    parser.add_argument(
        "--seeds",
        type=count(1),
        default=3,
        metavar="K",
        help="trainings of each configuration (default: %(default)s)",
    )
    parser.add_argument("--steps", type=count(1), metavar="N", help="default: the export's")
    parser.add_argument(
        "--num-workers",
        type=count(1),
        default=1,
        metavar="K",
        help="processes that share every batch of a training (default: 1)",
    )
    parser.add_argument("--data", metavar="embedded|PATH|s3://…", help="default: the export's")
    parser.add_argument(
        "--out", type=place, metavar="DIR", help="default: final/ beside the export's folder"
    )
    add_where(parser)


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    """What to evaluate, and on which data."""
    parser.add_argument(
        "checkpoints",
        nargs="+",
        type=place,
        metavar="CHECKPOINT",
        help="model.safetensors of a final training, or its folder",
    )
    parser.add_argument(
        "--data", metavar="embedded|PATH|s3://…", help="what the models were trained on (embedded)"
    )
    add_device(parser)
    parser.add_argument("--json", action="store_true", help="print evaluation.json, no tables")
    parser.add_argument(
        "--out",
        type=place,
        metavar="DIR",
        help="default: evaluation/ in the folder that the models share",
    )


def add_params(parser: argparse.ArgumentParser) -> None:
    """A preset."""
    parser.add_argument(
        "--task",
        choices=TRAINED_TASKS,
        default="contrastive",
        help="whose model (default: %(default)s)",
    )
    parser.add_argument(
        "--preset", default="paper", help="tiny, small or paper (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, no table")
