"""Types of values, and groups of flags that several commands share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from prior_search.storage.origin import is_remote
from prior_search.trial import FAMILIES, TASKS


def place(text: str) -> Path | str:
    """A type of flag: a path, or an address in a bucket."""
    return text if is_remote(text) else Path(text)


def default_storage() -> Path | str:
    """``$PRIOR_SEARCH_STORAGE``, or a folder in the user's home: never the working directory."""
    given = os.environ.get("PRIOR_SEARCH_STORAGE")
    return Path.home() / "prior-search-studies" if given is None else place(given)


def count(least: int) -> Callable[[str], int]:
    """A type of flag: whole numbers from ``least``."""

    def whole_number(text: str) -> int:
        try:
            value = int(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"must be a whole number, got {text!r}") from error
        if value < least:
            raise argparse.ArgumentTypeError(f"must be >= {least}, got {value}")
        return value

    return whole_number


def share(text: str) -> float:
    """A type of flag: finite positive numbers."""
    try:
        value = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}") from error
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be finite and > 0, got {text}")
    return value


def add_storage(parser: argparse.ArgumentParser) -> None:
    """The flag that says where studies are."""
    parser.add_argument(
        "--storage-path",
        type=place,
        default=default_storage(),
        metavar="DIR|s3://…",
        help="holds the folders of studies (default: %(default)s)",
    )


def add_executor(parser: argparse._ActionsContainer) -> None:
    """The flag that says what starts processes."""
    parser.add_argument(
        "--executor",
        choices=("ray", "local"),
        default="ray",
        help="Ray, here or on the cluster that is up, or plain processes (default: %(default)s)",
    )


def add_device(parser: argparse._ActionsContainer) -> None:
    """The flag that says what computes."""
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="auto: CUDA where there is a device (default: %(default)s)",
    )


def add_where(parser: argparse.ArgumentParser) -> None:
    """Flags that say where trials run and how much of a machine each takes."""
    where = parser.add_argument_group("where it runs")
    add_executor(where)
    add_device(where)
    where.add_argument(
        "--max-concurrent-trials", type=count(1), metavar="N", help="default: as many as fit"
    )
    where.add_argument(
        "--cpus-per-trial",
        type=share,
        default=1.0,
        metavar="X",
        help="cores of each trial (default: 1)",
    )
    where.add_argument(
        "--gpus-per-trial",
        type=share,
        metavar="X",
        help="GPUs of each, or a share: 0.25 (default: one, shared once measured; 0 on CPUs)",
    )
    where.add_argument(
        "--trial-timeout",
        type=share,
        metavar="SECONDS",
        help="end an attempt that takes longer (default: ten times the slowest pace so far)",
    )
    where.add_argument(
        "--tracking-uri", metavar="URI", help="MLflow store; default: sqlite in the study"
    )


def add_steering(parser: argparse.ArgumentParser) -> None:
    """Flags that change a search, new or half done; each can be given again, and counts once."""
    for flag, metavar, text in (
        ("--enqueue", "NAME=VALUE,…|FILE", "run these weights, or those of a file, next"),
        ("--fix", "NAME=VALUE|NAME=free", "hold a weight in all trials to come, or let it go"),
        ("--warm-start", "STUDY", "learn from the trials of another study of the same task"),
    ):
        parser.add_argument(flag, action="append", default=[], metavar=metavar, help=text)


def add_overrides(parser: argparse.ArgumentParser, text: str) -> None:
    """``--set KEY=VALUE`` with its help."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help=text
    )


def add_request(parser: argparse.ArgumentParser) -> None:
    """Flags that say what is searched, for how long and where."""
    parser.add_argument(
        "--family", required=True, choices=FAMILIES, help="of tokens, whose weights are tuned"
    )
    parser.add_argument(
        "--task",
        choices=TASKS,
        default="contrastive",
        help="what is trained; synthetic rehearses without training (default: %(default)s)",
    )
    parser.add_argument(
        "--preset",
        default="tiny",
        help="tiny, small or paper, or with SimCLR views tiny-simclr, … (default: tiny)",
    )
    parser.add_argument(
        "--data",
        default="embedded",
        metavar="embedded|PATH|s3://…",
        help="set that `data convert` made; embedded: images generated here (default)",
    )
    parser.add_argument("--name", help="of the study (default: FAMILY-TASK-PRESET[-control])")
    parser.add_argument(
        "--seed",
        type=count(0),
        default=0,
        metavar="N",
        help="of suggestions and trainings (default: %(default)s)",
    )
    parser.add_argument(
        "--steps", type=count(1), metavar="N", help="full horizon (default: the preset's)"
    )
    parser.add_argument(
        "--spaces",
        type=Path,
        metavar="DIR",
        help="holds FAMILY.toml and FAMILY-reconstruction.toml: ranges and budgets of your own",
    )
    add_overrides(parser, "override a value of the space file, e.g. budget.anchors=4")
    for stage, horizon in (("stage1", "short"), ("stage2", "full")):
        parser.add_argument(
            f"--{stage}-trials",
            type=count(1),
            metavar="N",
            help=f"at the {horizon} horizon, per search (default: the space file's)",
        )
    add_steering(parser)
    parser.add_argument(
        "--resume",
        choices=("auto", "never", "must"),
        default="auto",
        help="a study of this name: go on with it if there is one, refuse it, or need it",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print trials and compute, start nothing"
    )
    add_storage(parser)
    add_where(parser)


def add_study(parser: argparse.ArgumentParser) -> None:
    """Flags that name a study."""
    parser.add_argument("study", help="name of a study, its folder or its s3:// address")
    add_storage(parser)
