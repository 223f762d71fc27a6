"""``prior-search ui``: MLflow on a study or a campaign."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from prior_search.commands.places import find_campaign, study_folder
from prior_search.errors import RequestError
from prior_search.event_log import Event, EventLog, at_rest
from prior_search.mlflow_log import MlflowMirror, ui_command
from prior_search.redaction import redact

# of a study and its final trainings, or of those of a campaign
LOGS = ("events.jsonl", "final/*/events.jsonl", "*/events.jsonl", "*/final/*/events.jsonl")
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOOK_SECONDS = 0.2  # between two looks at whether it is to end
GRACE_SECONDS = 10.0  # for requests that the server is answering


def run(options: argparse.Namespace) -> int:
    """Bring the mirror up to date and run MLflow's server on it.

    Returns 0 after Ctrl-C, 128 + n after another signal n, or the server's own code.
    """
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
    return _serve(command)


def _serve(command: Sequence[str]) -> int:
    """Run a server until it ends or a signal asks for it; all of its processes end with it.

    They are a group of their own, whose number cannot be anybody else's while its first process
    is not waited for. The signals only leave a note: whenever one comes, the server is known.
    """
    asked: list[int] = []
    # what nohup or a shell's & made us ignore stays ignored
    taken = [number for number in ENDS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, lambda n, _: asked.append(n)) for number in taken}
    server = subprocess.Popen(command, process_group=0)
    try:
        while not asked and not _has_ended(server):
            time.sleep(LOOK_SECONDS)
        os.killpg(server.pid, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        while not _has_ended(server) and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        code = server.wait()
        for number, handler in before.items():
            signal.signal(number, handler)
    if not asked:
        return code if code >= 0 else 128 - code
    return 0 if asked[0] == signal.SIGINT else 128 + asked[0]


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has; it is not waited for."""
    state = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return state is not None


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
