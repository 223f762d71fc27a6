"""``prior-search ui``: MLflow on a study."""

from __future__ import annotations

import argparse
import subprocess

from prior_search.commands.places import study_folder
from prior_search.event_log import read_events
from prior_search.mlflow_log import MlflowMirror, ui_command
from prior_search.redaction import redact


def run(options: argparse.Namespace) -> int:
    """Bring the mirror up to date and run MLflow's server on it until interrupted."""
    folder = study_folder(options)
    MlflowMirror(folder, options.tracking_uri).apply(read_events(folder / "events.jsonl"))
    if options.tracking_uri is not None and options.tracking_uri.startswith("http"):
        print(redact(f"the study is on the server at {options.tracking_uri}"))
        return 0
    command = ui_command(folder, options.port, options.tracking_uri)
    print(f"MLflow on http://127.0.0.1:{options.port} (Ctrl-C ends it)")
    try:
        return subprocess.run(command, check=False).returncode
    except KeyboardInterrupt:
        return 0
