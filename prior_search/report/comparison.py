"""The report of a whole study over families and bottlenecks: claims, tables, figures, one page."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prior_search.report.bundle import write_bundle
from prior_search.report.charts import Chart
from prior_search.report.claims import JudgedClaim
from prior_search.report.comparison_charts import WeightMove, comparison_charts
from prior_search.report.compute import EqualTuning
from prior_search.report.paper_claims import claim_table
from prior_search.report.parameter_view import parameter_view
from prior_search.report.pictures import PictureTable
from prior_search.report.published_tables import (
    ResultTable,
    accuracy_table,
    loss_table,
    reconstruction_table,
)
from prior_search.report.report_tables import as_table
from prior_search.report.results import ACCURACY, Results


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonInput:
    """Plain data that a comparison is made from.

    Attributes:
        tuning: by name of a search's study, whether its bottlenecks had equal budgets.
        moves: weights, tuned and in the matched control.
        parameters: rows of ``models.parameter_table(preset)`` (Table 2).
        facts: what made the numbers, in words by name: command, versions, seeds, data, commit.
        pages: addresses of the searches' own pages, relative to this one, by name.
    """

    title: str
    results: Results
    tuning: Mapping[str, EqualTuning] = field(default_factory=dict)
    moves: Sequence[WeightMove] = ()
    preset: str = "paper"
    parameters: Sequence[Mapping[str, object]] = ()
    pictures: PictureTable | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    pages: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonView:
    """What the page shows."""

    given: ComparisonInput
    claims: tuple[JudgedClaim, ...]
    verdicts: dict[str, int]
    tables: tuple[ResultTable, ...]
    charts: tuple[Chart, ...]


def compare(given: ComparisonInput) -> ComparisonView:
    """Judge the claims, fill the tables, draw the figures."""
    claims = claim_table(given.results)
    verdicts = dict.fromkeys(("holds", "does not hold", "not decidable"), 0)
    for claim in claims:
        verdicts[claim.verdict] += 1
    return ComparisonView(
        given=given,
        claims=tuple(claims),
        verdicts=verdicts,
        tables=tuple(_tables(given)),
        charts=tuple(comparison_charts(given.results, given.moves)),
    )


def write_comparison(view: ComparisonView, folder: Path) -> Path:
    """Write the page, and its tables and figures as files beside it; returns the page."""
    given = view.given
    tables: dict[str, Sequence[Mapping[str, object]]] = {
        "results": [dataclasses.asdict(row) for row in given.results.rows],
        "claims": [
            dataclasses.asdict(claim) | {"evidence": "; ".join(claim.evidence)}
            for claim in view.claims
        ],
        "weights": [dataclasses.asdict(move) for move in given.moves],
    }
    tables |= {table.name: table.records() for table in view.tables}
    return write_bundle(
        folder,
        "comparison.html",
        {f.name: getattr(view, f.name) for f in dataclasses.fields(view)},
        tables={name: as_table(records) for name, records in tables.items() if records},
        charts=view.charts,
    )


def _tables(given: ComparisonInput) -> list[ResultTable]:
    """Tables 2 to 5, as far as there are numbers."""
    results = given.results
    tables = [parameter_view(given.parameters, given.preset)] if given.parameters else []
    if results.budgets("nt_xent"):
        tables.append(loss_table(results))
    if results.budgets(f"{ACCURACY}class"):
        tables += [accuracy_table(results, family) for family in results.families]
    if results.budgets("ssim"):
        tables.append(reconstruction_table(results))
    return tables
