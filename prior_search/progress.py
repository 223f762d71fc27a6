"""What a person sees while trials run: a live table on a terminal, lines elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from prior_search.event_log import Event
from prior_search.remaining_time import RemainingTime, format_duration
from prior_search.trial import OBJECTIVES, TrialSpec

RECENT = 6  # ended trials that the table keeps in view


def format_belief(mean: float, sd: float | None) -> str:
    """A posterior mean with its deviation, of which None says that a single run tells nothing."""
    return f"{mean:.4f} ± {'unknown' if sd is None else f'{sd:.4f}'}"


def format_weights(weights: Mapping[str, float], between: str = "  ") -> str:
    """The weights that are not zero, as ``kl_weight=3.2e-04 ...``."""
    return (
        between.join(f"{name}={value:.2g}" for name, value in weights.items() if value) or "none"
    )


class ProgressView:
    """Shows a study's events; pass ``on_event`` as the study's listener.

    Args:
        console: where to show.
        total_runs: training runs that the whole study plans, for the share done.
        total_steps: optimization steps of these runs, for the time remaining.
    """

    def __init__(self, console: Console, total_runs: int, total_steps: int) -> None:
        self._console = console
        self._total = total_runs
        self._remaining = RemainingTime(total_steps)
        self._started = time.monotonic()
        self._specs: dict[tuple[int, int], TrialSpec] = {}
        self._running: dict[tuple[int, int], str] = {}
        self._ended: list[tuple[TrialSpec, str, float | None]] = []
        self._best: dict[str, tuple[float, TrialSpec]] = {}
        self._live: Live | None = None

    def __enter__(self) -> ProgressView:
        if self._console.is_terminal:
            self._live = Live(
                console=self._console, get_renderable=self._render, refresh_per_second=2
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def replay(self, events: list[Event]) -> None:
        """Take over what happened before this driver, without showing each event."""
        for event in events:
            self._apply(event)
        self._running.clear()
        self._remaining.restart()

    def on_event(self, event: Event) -> None:
        """Take one new event and show it."""
        line = self._apply(event)
        if line is not None and self._live is None:
            self._console.print(line, highlight=False, soft_wrap=True, markup=False)

    def _apply(self, event: Event) -> str | None:
        match event["event"]:
            case "trial_suggested" | "trial_retried":
                spec = TrialSpec.from_dict(event["spec"])
                self._specs[spec.key[:2]] = spec
                if spec.attempt:
                    self._remaining.retry(spec)
                    return f"{spec.arm_name:5s} {spec.label} again: {event['reason']}"
            case "trial_started":
                key = _run_key(event["key"])
                self._running[key] = ""
                self._remaining.start(self._specs[key], event["time"])
            case "metric_point":
                if _run_key(event["key"]) in self._running:
                    spec = self._specs[_run_key(event["key"])]
                    value = event["metrics"].get("objective", math.nan)
                    self._running[spec.key[:2]] = f"{event['step']}/{spec.horizon}  {value:.3f}"
                    self._remaining.reach(spec, event["step"], event["time"])
            case "trial_ended":
                return self._end(event["result"], event.get("reused"), event["time"])
        return None

    def _end(self, result: dict[str, Any], reused: str | None, now: float) -> str:
        spec = self._specs[(result["trial"], result["replicate"])]
        self._running.pop(spec.key[:2], None)
        self._remaining.end(spec, now)
        value = result["objective"]
        self._ended.append((spec, result["status"], value))
        if value is not None and spec.stage != "stage1":
            best = self._best.get(spec.arm_name)
            if best is None or value < best[0]:
                self._best[spec.arm_name] = (value, spec)
        shown = "" if value is None else f"  {OBJECTIVES[spec.task]} {value:.4f}"
        error = f"  {result['error']}" if result["error"] else ""
        took = f"{result['wall_seconds']:.0f}s" if reused is None else f"as {reused}"
        counted = f"[{len(self._ended)}/{self._total}]"
        return (
            f"{counted} {spec.arm_name:5s} {spec.label} {result['status']}"
            f"  {spec.stage} {spec.role}{shown}  {format_weights(spec.weights.as_dict())}"
            f"  {took}{self._best_text(spec.arm_name)}{self._left_text('  ')}{error}"
        )

    def _objective(self) -> str:
        """What the study minimizes; all its trials have one task."""
        return next((OBJECTIVES[s.task] for s in self._specs.values()), "objective")

    def _best_text(self, arm: str) -> str:
        best = self._best.get(arm)
        return "" if best is None else f"  best measured {best[0]:.4f} ({best[1].label})"

    def _left_text(self, before: str) -> str:
        """What is left if all planned runs are made; a search may need fewer."""
        seconds = self._remaining.seconds
        return "" if not seconds else f"{before}about {format_duration(seconds)} left"

    def _render(self) -> Group:
        table = Table(box=None, pad_edge=False)
        for column in ("search", "trial", "stage", "role", "state", self._objective(), "weights"):
            table.add_column(column)
        for spec, status, value in self._ended[-RECENT:]:
            shown = "" if value is None else f"{value:.4f}"
            self._add_row(table, spec, status, shown)
        for key, progress in self._running.items():
            self._add_row(table, self._specs[key], "running", progress)
        elapsed = time.monotonic() - self._started
        done = f"{len(self._ended)} of {self._total} runs ended, {format_duration(elapsed)}"
        done += self._left_text(", ")
        best = [
            f"{search}: {value:.4f} ({spec.label})" for search, (value, spec) in self._best.items()
        ]
        return Group(table, Text(done + ("; best measured  " + "  ".join(best) if best else "")))

    @staticmethod
    def _add_row(table: Table, spec: TrialSpec, state: str, value: str) -> None:
        weights = format_weights(spec.weights.as_dict())
        table.add_row(spec.arm_name, spec.label, spec.stage, spec.role, state, value, weights)


def _run_key(key: list[int]) -> tuple[int, int]:
    return (key[0], key[1])
