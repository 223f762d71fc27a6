"""Load of the driver's machine, by way of the mirror's queue."""

from __future__ import annotations

import queue
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from prior_search.event_log import Event
from prior_search.mlflow_log import MlflowMirror
from prior_search.mlflow_log.driver_metrics import DriverMonitor, DriverSample

pytestmark = pytest.mark.filterwarnings("ignore")


def test_samples_have_the_names_that_mlflow_shows_and_end_when_stopped() -> None:
    points: queue.SimpleQueue[DriverSample] = queue.SimpleQueue()
    monitor = DriverMonitor(points.put, seconds=0.01)
    point = points.get(timeout=30)
    monitor.stop()
    monitor._thread.join(30)
    assert abs(point.time - time.time()) < 60
    assert 0 <= point.metrics["system/cpu_utilization_percentage"] <= 100
    assert 0 < point.metrics["system/system_memory_usage_percentage"] <= 100
    assert all(name.startswith("system/") for name in point.metrics)


def test_points_go_to_searches_that_go_on(tmp_path: Path, study_events: list[Event]) -> None:
    mirror = MlflowMirror(tmp_path)
    sample = DriverSample(time=1060.0, metrics={"system/cpu_utilization_percentage": 50.0})
    mirror.log_driver(sample)  # before the first event there is no run for it
    mirror.apply(study_events[:3])
    mirror.log_driver(sample)
    mirror.log_driver(sample)  # as after an answer that was lost
    mirror.apply(study_events)
    mirror.log_driver(DriverSample(time=1090.0, metrics=sample.metrics))
    client = MlflowClient(mirror.tracking_uri)
    (run,) = client.search_runs(["1"], "tags.level = 'search'")
    history = client.get_metric_history(run.info.run_id, "system/cpu_utilization_percentage")
    assert [(m.step, m.value, m.timestamp) for m in history] == [(60, 50.0, 1060000)]
