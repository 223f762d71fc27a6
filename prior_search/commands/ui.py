"""``prior-search ui``: MLflow on a study or a campaign."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

from prior_search.commands.places import find_campaign, study_folder
from prior_search.errors import RequestError
from prior_search.event_log import EventLog
from prior_search.mlflow_log import MlflowMirror, ui_command
from prior_search.redaction import redact

# of a study and its final trainings, or of those of a campaign
LOGS = ("events.jsonl", "final/*/events.jsonl", "*/events.jsonl", "*/final/*/events.jsonl")


def run(options: argparse.Namespace) -> int:
    """Bring the mirror up to date and run MLflow's server on it until interrupted."""
    folder = find_campaign(options.study, options.storage_path) or study_folder(options)
    for pattern in LOGS:
        for log in sorted(folder.glob(pattern)):
            _send(log, options.tracking_uri)
    if options.tracking_uri is not None and options.tracking_uri.startswith("http"):
        print(redact(f"the study is on the server at {options.tracking_uri}"))
        return 0
    command = ui_command(folder, options.port, options.tracking_uri)
    print(f"MLflow on http://127.0.0.1:{options.port} (Ctrl-C ends it)")
    try:
        return subprocess.run(command, check=False).returncode
    except KeyboardInterrupt:
        return 0


def _send(path: Path, tracking_uri: str | None) -> None:
    """What the store misses of a log, unless its driver runs and sends it."""
    try:
        log = EventLog(path)
    except RequestError as error:
        print(f"{error}; it sends what happens")
        return
    with log:  # a driver that starts now would send the same
        mirror = MlflowMirror(path.parent, tracking_uri)
        mirror.apply(log.events)
        mirror.log_artifacts()
