"""The command line: flags in, exit codes out. The commands themselves are in ``commands``."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from prior_search import __version__
from prior_search.commands.parsers.data import add_data
from prior_search.commands.parsers.doctor import add_doctor
from prior_search.commands.parsers.flags import add_study
from prior_search.commands.parsers.models import add_evaluate, add_final, add_params
from prior_search.commands.parsers.search import add_campaign, add_control, add_search
from prior_search.commands.parsers.views import add_export, add_report, add_ui
from prior_search.errors import PriorSearchError, RequestError
from prior_search.redaction import RedactingFormatter, redact

# name, which is also that of the module in ``commands``: (what it does, what gives it its flags)
COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "search": ("tune the regularizer weights of one token family", add_search),
    "control": ("tune common weights of ITD and TD: a matched control", add_control),
    "study": ("the whole comparison: searches, controls, finals, evaluations", add_campaign),
    "status": ("how far a study is, and its trials", add_study),
    "best": ("the recommended weights of a study", add_study),
    "export": ("write the recommended configurations as TOML files", add_export),
    "report": ("write a study as one HTML page, with its tables and figures", add_report),
    "ui": ("open MLflow on a study, on loopback", add_ui),
    "doctor": ("check nodes, versions, storage, tracking and disks beforehand", add_doctor),
    "final": ("train exported configurations at the full horizon with new seeds", add_final),
    "evaluate": ("probes and effective information by budget of trained models", add_evaluate),
    "data": ("convert, look at and check data sets", add_data),
    "params": ("parameter counts of a preset, beside the published ones", add_params),
}

DESCRIPTION = "Find the regularizer weights of ordered-bottleneck models, and compare the models."
EXIT_CODES = """\
exit codes: 0 done; 1 a machine, disk or service failed; 2 the request is wrong, and one message
says how; 3 no trial succeeded; 130 interrupted, and the command that goes on is told.
start with: prior-search search --family gaussian"""


class _Parser(argparse.ArgumentParser):
    """argparse, but a wrong flag is the same one-line message as any other wrong request."""

    def error(self, message: str) -> NoReturn:
        raise RequestError(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="prior-search",
        description=DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=__version__)
    actions = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (text, add_arguments) in COMMANDS.items():
        add_arguments(actions.add_parser(name, help=text, description=text, allow_abbrev=False))
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    try:
        options = _parser().parse_args(arguments)
        command = importlib.import_module(f"prior_search.commands.{options.command}")
        for name in ("mlflow", "alembic"):  # say at INFO how they make their tables
            logging.getLogger(name).setLevel(logging.WARNING)  # MLflow's is set by its import
        return int(command.run(options))
    except RequestError as error:
        told = redact(f"prior-search: {error}")  # a path may have bytes that are no text
        print(told.encode(errors="backslashreplace").decode(), file=sys.stderr)
        return 2
    except PriorSearchError as error:
        print(redact(f"prior-search: {type(error).__name__}: {error}"), file=sys.stderr)
        return 1
    except OSError as error:  # of a disk or a network: nothing that a traceback would explain
        print(redact(f"prior-search: {type(error).__name__}: {error}"), file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
