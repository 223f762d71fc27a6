"""Load of the driver's machine, sampled by MLflow's own monitors on a thread of its own.

MLflow's ``SystemMetricsMonitor`` writes to the store itself and ends for good when the store does
not answer once; here samples go the way of the events, through the mirror, which tries again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mlflow.system_metrics.metrics.base_metrics_monitor import BaseMetricsMonitor
from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

SAMPLE_SECONDS = 10.0
SAMPLES_PER_POINT = 3  # which is their mean
PREFIX = "system/"  # by which MLflow's pages know them


@dataclass(frozen=True, slots=True)
class DriverSample:
    """Metrics of the driver's machine; ``time`` in Unix seconds."""

    time: float
    metrics: Mapping[str, float]


class DriverMonitor:
    """Samples until it is stopped.

    Args:
        deliver: takes every point; called on the monitor's thread.
        seconds: between samples.
    """

    def __init__(
        self, deliver: Callable[[DriverSample], None], seconds: float = SAMPLE_SECONDS
    ) -> None:
        self._deliver, self._seconds = deliver, seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="driver metrics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End without another point."""
        self._stopped.set()

    def _work(self) -> None:
        monitors = _monitors()
        while True:
            for _ in range(SAMPLES_PER_POINT):
                if self._stopped.wait(self._seconds):
                    return
                for monitor in monitors:
                    monitor.collect_metrics()
            metrics: dict[str, float] = {}
            for monitor in monitors:
                metrics |= monitor.aggregate_metrics()
                monitor.clear_metrics()
            named = {PREFIX + name: float(value) for name, value in metrics.items()}
            self._deliver(DriverSample(time.time(), named))


def _monitors() -> list[BaseMetricsMonitor]:
    monitors = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
    try:
        monitors.append(GPUMonitor())
    except (ImportError, RuntimeError):  # no nvidia-ml-py, or no such GPU: nothing to sample
        return monitors
    return monitors
