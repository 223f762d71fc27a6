"""What a person sees while a campaign runs."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from prior_search.campaign import Ended
from prior_search.progress import format_weights
from prior_search.trial import OBJECTIVES


class CampaignView:
    """A line per run that has ended; on a terminal also how much of the whole is done."""

    def __init__(self, console: Console, total: int) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._bar = self._progress.add_task("runs ended", total=total)
        self._console, self._total = console, total

    def __enter__(self) -> None:
        self._progress.start()

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, num_ended: int) -> None:
        """Say where a campaign stands that is continued."""
        self._progress.update(self._bar, completed=num_ended)
        self.say(f"{num_ended} of {self._total} runs have ended")

    def say(self, text: str) -> None:
        """Show a line."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def show(self, ended: Ended) -> None:
        """Show a run that has ended."""
        self._progress.update(self._bar, completed=ended.num_ended)
        spec, result = ended.spec, ended.result
        value = (
            "" if result.objective is None else f"  {OBJECTIVES[spec.task]} {result.objective:.4f}"
        )
        error = f"  {result.error}" if result.error else ""
        self.say(
            f"[{ended.num_ended}/{self._total}] {ended.part}: {spec.bottleneck} {spec.label} "
            f"{result.status}  {spec.stage} {spec.role}{value}  "
            f"{format_weights(spec.weights.as_dict())}  {result.wall_seconds:.0f}s{error}"
        )
