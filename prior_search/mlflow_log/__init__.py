"""MLflow as a view of the event log; the only room that imports mlflow.

Experiment = study, parent run = search, child = trial, third level = replicates. Only the driver
writes, in batches, and everything sent can be sent again from the log. Final trainings are in
their study's experiment, and their models in the model registry.
"""

import os

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # ours come on top, for ever
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")  # nothing of ours needs it

from prior_search.mlflow_log.mirror import MlflowMirror
from prior_search.mlflow_log.store import MirrorError, check_tracking, ui_command
from prior_search.mlflow_log.thread import MirrorThread

__all__ = ["MirrorError", "MirrorThread", "MlflowMirror", "check_tracking", "ui_command"]
