"""``prior-search ui``: MLflow on a study or a campaign."""

from __future__ import annotations

import argparse
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prior_search.commands.places import find_campaign, study_folder
from prior_search.errors import RequestError
from prior_search.event_log import Event, EventLog, at_rest
from prior_search.mlflow_log import MlflowMirror, ui_command
from prior_search.redaction import redact

# of a study and its final trainings, or of those of a campaign
LOGS = ("events.jsonl", "final/*/events.jsonl", "*/events.jsonl", "*/final/*/events.jsonl")


def run(options: argparse.Namespace) -> int:
    """Bring the mirror up to date and run MLflow's server on it until interrupted."""
    is_served = (options.tracking_uri or "").startswith("http")
    if not is_served:
        _check_free(options.port)
    folder = find_campaign(options.study, options.storage_path) or study_folder(options)
    pages = [
        _send(log, options.tracking_uri)
        for pattern in LOGS
        for log in sorted(folder.glob(pattern))
    ]
    page = pages[0]  # of the study, or of the first of a campaign
    if is_served:
        print(redact(f"the study is on the server: {options.tracking_uri.rstrip('/')}{page}"))
        return 0
    command = ui_command(folder, options.port, options.tracking_uri)
    print(f"MLflow on http://127.0.0.1:{options.port}{page} (Ctrl-C ends it)", flush=True)
    try:
        return subprocess.run(command, check=False).returncode
    except KeyboardInterrupt:
        return 0


def _check_free(port: int) -> None:
    """Refuse a port that MLflow cannot have: it would say so in a traceback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise RequestError(f"--port {port}: {error}; give another") from error


def _send(path: Path, tracking_uri: str | None) -> str:
    """Send what the store misses of a log, unless its driver runs and does; returns its page.

    A driver that starts now would send the same, so it has to wait. One on another machine works
    on a bucket and sends to a store of its own, unless both were given one: only then the lease
    is needed, which can be had only by who may write to the bucket.
    """
    mirror = MlflowMirror(path.parent, tracking_uri)
    try:
        with at_rest(path) if tracking_uri is None else _leased(path) as events:
            mirror.apply(events)
            mirror.log_artifacts()
    except RequestError as error:
        print(f"{error}; it sends what happens")
    return mirror.page


@contextmanager
def _leased(path: Path) -> Iterator[list[Event]]:
    with EventLog(path) as log:
        yield log.events
