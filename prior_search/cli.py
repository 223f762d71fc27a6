"""The command line: flags in, exit codes out. The commands themselves are in ``commands``.

Exit codes: 0 done; 2 the request is wrong (one message, no traceback); 3 no trial succeeded;
130 interrupted, with the command that resumes.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from prior_search import __version__, commands
from prior_search.errors import PriorSearchError, RequestError
from prior_search.redaction import RedactingFormatter, redact
from prior_search.trial import BOTTLENECKS, FAMILIES, TASKS, TRAINED_TASKS


class _Parser(argparse.ArgumentParser):
    """argparse, but a wrong flag is the same one-line message as any other wrong request."""

    def error(self, message: str) -> NoReturn:
        raise RequestError(message)


def _count(least: int) -> Callable[[str], int]:
    def whole_number(text: str) -> int:
        try:
            value = int(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"must be a whole number, got {text!r}") from error
        if value < least:
            raise argparse.ArgumentTypeError(f"must be >= {least}, got {value}")
        return value

    return whole_number


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}") from error
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be finite and > 0, got {text}")
    return value


def _add_where(parser: argparse.ArgumentParser) -> None:
    """Flags that say where trials run and how much of a machine each takes."""
    where = parser.add_argument_group("where it runs")
    where.add_argument("--executor", choices=("ray", "local"), default="ray")
    where.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    where.add_argument(
        "--max-concurrent-trials", type=_count(1), metavar="N", help="default: as many as fit"
    )
    where.add_argument("--cpus-per-trial", type=_share, default=1.0, metavar="X")
    where.add_argument(
        "--gpus-per-trial", type=_share, metavar="X", help="default: 1 on CUDA workers, else 0"
    )
    where.add_argument(
        "--trial-timeout",
        type=_share,
        metavar="SECONDS",
        help="end an attempt that takes longer (default: ten times the slowest pace so far)",
    )
    where.add_argument(
        "--tracking-uri", metavar="URI", help="MLflow store; default: sqlite in the study"
    )


def _add_storage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--storage-path",
        type=Path,
        default=commands.default_storage(),
        metavar="DIR",
        help="holds the folders of studies (default: %(default)s)",
    )


def _add_search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bottleneck", choices=(*BOTTLENECKS, "all"), default="all")
    _add_request(parser)


def _add_control(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from",
        action="append",
        default=[],
        metavar="STUDY",
        dest="sources",
        help="finished search of ITD and TD to compare with and to take stage 1 over from",
    )
    _add_request(parser)


def _add_request(parser: argparse.ArgumentParser) -> None:
    """Flags that say what is searched and for how long."""
    parser.add_argument("--family", required=True, choices=FAMILIES)
    parser.add_argument("--task", choices=TASKS, default="contrastive")
    parser.add_argument(
        "--preset",
        default="tiny",
        help="tiny, small or paper, or with SimCLR views tiny-simclr, … (default: tiny)",
    )
    parser.add_argument("--data", default="embedded", metavar="embedded|PATH|s3://…")
    parser.add_argument("--name", help="of the study (default: FAMILY-TASK-PRESET[-control])")
    parser.add_argument("--seed", type=_count(0), default=0)
    parser.add_argument(
        "--steps", type=_count(1), metavar="N", help="full horizon (default: the preset's)"
    )
    parser.add_argument(
        "--spaces",
        type=Path,
        metavar="DIR",
        help="holds FAMILY.toml and FAMILY-reconstruction.toml",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="override a value of the space file, e.g. budget.anchors=4",
    )
    parser.add_argument("--stage1-trials", type=_count(1), metavar="N")
    parser.add_argument("--stage2-trials", type=_count(1), metavar="N")
    parser.add_argument("--resume", choices=("auto", "never", "must"), default="auto")
    parser.add_argument(
        "--dry-run", action="store_true", help="print trials and compute, start nothing"
    )
    _add_storage(parser)
    _add_where(parser)


def _add_study(parser: argparse.ArgumentParser) -> None:
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
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="override a value of the plan, e.g. contrastive.final_seeds=5",
    )
    parser.add_argument("--spaces", type=Path, metavar="DIR", help="holds FAMILY.toml files")
    parser.add_argument(
        "--dry-run", action="store_true", help="print runs and compute, start nothing"
    )
    _add_storage(parser)
    _add_where(parser)


def _add_final(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("exports", nargs="*", type=Path, metavar="EXPORT.toml")
    default = parser.add_argument_group("without a search")
    default.add_argument(
        "--defaults", action="store_true", help="train default weights instead of exports"
    )
    default.add_argument("--family", choices=FAMILIES)
    default.add_argument("--bottleneck", choices=(*BOTTLENECKS, "all"), help="default: all")
    default.add_argument("--task", choices=TRAINED_TASKS, help="default: contrastive")
    default.add_argument("--preset", help="default: tiny")
    default.add_argument("--seed", type=_count(0), metavar="N", help="default: 0")
    parser.add_argument("--seeds", type=_count(1), default=3, metavar="K")
    parser.add_argument("--steps", type=_count(1), metavar="N", help="default: the export's")
    parser.add_argument(
        "--num-workers",
        type=_count(1),
        default=1,
        metavar="K",
        help="processes that share every batch of a training (default: 1)",
    )
    parser.add_argument("--data", metavar="embedded|PATH|s3://…", help="default: the export's")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="default: final/ beside the export's folder"
    )
    _add_where(parser)


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoints",
        nargs="+",
        type=Path,
        metavar="CHECKPOINT",
        help="model.safetensors of a final training, or its folder",
    )
    parser.add_argument(
        "--data", metavar="embedded|PATH|s3://…", help="what the models were trained on (embedded)"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--json", action="store_true", help="print evaluation.json, no tables")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="default: evaluation/ beside the models"
    )


def _add_data(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, parser_class=_Parser)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return actions.add_parser(name, help=text, description=text, allow_abbrev=False)

    convert = add("convert", "make a set of a download of MVImgNet, MVImgNet2 or FFHQ")
    convert.add_argument("source", type=Path, metavar="SOURCE", help="folder of the download")
    convert.add_argument("dest", metavar="DEST", help="new folder, or s3://bucket/folder")
    convert.add_argument(
        "--layout", choices=("auto", "mvimgnet", "mvimgnet2", "ffhq"), default="auto"
    )
    convert.add_argument(
        "--size", type=_count(1), default=224, metavar="N", help="pixels (default: %(default)s)"
    )
    convert.add_argument(
        "--taxonomy", type=Path, metavar="FILE", help="classes: .csv, .toml, .txt or .json"
    )
    convert.add_argument("--masks", type=Path, metavar="DIR", help="a separate tree of masks")
    convert.add_argument(
        "--validation-share",
        type=_share,
        default=0.1,
        metavar="X",
        help="held-out instances (default: %(default)s; FFHQ has its own split)",
    )
    convert.add_argument(
        "--max-frames", type=_count(2), metavar="N", help="of an instance (default: all)"
    )
    convert.add_argument(
        "--max-broken-share",
        type=_share,
        default=0.01,
        metavar="X",
        help="of all frames; more broken files are an error (default: %(default)s)",
    )
    convert.add_argument(
        "--shard-mib", type=_count(1), default=128, metavar="N", help="(default: %(default)s)"
    )
    convert.add_argument("--workers", type=_count(1), metavar="K", help="default: all cores")
    for name, text in (
        ("info", "what is in a set"),
        ("verify", "read a whole set and name what is damaged; 2 if anything is"),
    ):
        add(name, text).add_argument("path", metavar="PATH", help="folder, .arrow file or s3://")


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    _add_storage(parser)
    parser.add_argument("--executor", choices=("ray", "local"), default="ray")
    parser.add_argument(
        "--expect-nodes", type=_count(1), metavar="N", help="at least so many, with the head"
    )
    parser.add_argument("--expect-gpus", type=_count(0), metavar="N", help="at least so many")
    parser.add_argument("--tracking-uri", metavar="URI", help="MLflow store to ask")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="prior-search", description=(__doc__ or "").split("\n")[0], allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=__version__)
    actions = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return actions.add_parser(name, help=text, description=text, allow_abbrev=False)

    _add_search(add("search", "tune the regularizer weights of one token family"))
    _add_control(add("control", "tune common weights of ITD and TD: a matched control"))
    for name, text in (
        ("status", "how far a study is, and its trials"),
        ("best", "the recommended weights of a study"),
        ("export", "write the recommended configurations as TOML files"),
        ("report", "write a study as one HTML page, with its tables and figures"),
        ("ui", "open MLflow on a study, on loopback"),
    ):
        action = add(name, text)
        action.add_argument("study", help="name of a study, or its folder")
        _add_storage(action)
        if name in ("export", "report"):
            usual = {"export": "best", "report": "report"}[name]
            action.add_argument(
                "--out", type=Path, metavar="DIR", help=f"default: {usual}/ in the study"
            )
        if name == "ui":
            action.add_argument("--port", type=_count(1), default=5000)
            action.add_argument("--tracking-uri", metavar="URI")
    _add_doctor(add("doctor", "check nodes, versions, storage, tracking and disks beforehand"))
    _add_study(add("study", "the whole comparison: searches, controls, finals, evaluations"))
    _add_final(add("final", "train exported configurations at the full horizon with new seeds"))
    _add_evaluate(add("evaluate", "probes and effective information by budget of trained models"))
    _add_data(add("data", "convert, look at and check data sets"))
    params = add("params", "parameter counts of a preset, beside the published ones")
    params.add_argument("--task", choices=TRAINED_TASKS, default="contrastive")
    params.add_argument("--preset", default="paper")
    params.add_argument("--json", action="store_true")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for name in ("mlflow", "alembic"):  # say at INFO how they make their tables
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        options = _parser().parse_args(arguments)
        command = getattr(commands, options.command)
        return int(command(options))
    except RequestError as error:
        print(redact(f"prior-search: {error}"), file=sys.stderr)
        return 2
    except PriorSearchError as error:
        print(redact(f"prior-search: {type(error).__name__}: {error}"), file=sys.stderr)
        return 1
    except OSError as error:  # of a disk or a network: nothing that a traceback would explain
        print(redact(f"prior-search: {type(error).__name__}: {error}"), file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
