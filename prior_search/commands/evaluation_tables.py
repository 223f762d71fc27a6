"""What models can do by budget, as tables on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from prior_search.commands.tables import print_whole
from prior_search.evaluation import METRICS, Evaluation
from prior_search.trial import OBJECTIVES


def print_evaluations(console: Console, evaluations: Sequence[Evaluation]) -> None:
    """A table of objective and information, and one per taxonomy level; a row per model."""
    budgets = sorted({budget for entry in evaluations for budget in entry.budgets})

    tasks = dict.fromkeys(entry.spec.task for entry in evaluations)
    objective = OBJECTIVES[next(iter(tasks))] if len(tasks) == 1 else "objective"

    def table(title: str, first: str, cell: Callable[[Evaluation, int], str]) -> None:
        made = Table(title=title, title_justify="left")
        for column in ("model", *([first] if first else []), *map(str, budgets)):
            made.add_column(column, justify="left" if column == "model" else "right")
        for entry in evaluations:
            cells = [cell(entry, budget) if budget in entry.budgets else "" for budget in budgets]
            made.add_row(entry.label, *([f"{entry.objective:.4f}"] if first else []), *cells)
        print_whole(console, made)

    table(
        f"{objective} at full budget, and effective information by budget, bits",
        objective.removeprefix("validation "),
        lambda entry, budget: f"{entry.information_bits[budget]:.1f}",
    )
    for metric in METRICS if any(entry.image_quality for entry in evaluations) else ():

        def quality(entry: Evaluation, budget: int, metric: str = metric) -> str:
            value = entry.image_quality.get(budget, {}).get(metric)
            return "" if value is None else f"{value.mean:.4f}"

        table(f"{metric} by budget, mean over the held-out images", "", quality)
    for level in dict.fromkeys(level for entry in evaluations for level in entry.levels):

        def accuracy(entry: Evaluation, budget: int, level: str = level) -> str:
            probe = entry.probe(level, budget)
            return f"{100 * probe.accuracy:.1f} ± {50 * (probe.high - probe.low):.1f}"

        chance = 100 * evaluations[0].probe(level, evaluations[0].budgets[0]).chance
        title = f"{level}: probe accuracy by budget, % (chance {chance:.1f}; ± half the interval)"
        table(title, "", accuracy)
