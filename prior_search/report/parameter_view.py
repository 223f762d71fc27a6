"""Table 2: parameters by component, ours beside the published ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prior_search.report.published_tables import Entry, Line, ResultTable

NAME_COLUMNS = ("architecture", "family")
PUBLISHED = "_published"


def parameter_view(rows: Sequence[Mapping[str, object]], preset: str) -> ResultTable:
    """Table 2.

    Args:
        rows: of ``models.parameter_table``: counts in millions, published ones if it has them.
        preset: that they were counted for.
    """
    columns = [n for n in rows[0] if n not in NAME_COLUMNS and not n.endswith(PUBLISHED)]
    return ResultTable(
        name="table-2",
        title=f"Parameters in millions, preset {preset} (Table 2)",
        note="Counted on built models. EMA codebooks count without the fixed null state.",
        name_columns=NAME_COLUMNS,
        columns=tuple(columns),
        lines=tuple(
            Line(
                names=tuple(str(row[name]) for name in NAME_COLUMNS),
                entries=tuple(_entry(row, column) for column in columns),
            )
            for row in rows
        ),
        digits=(3, 3),
    )


def _entry(row: Mapping[str, object], column: str) -> Entry:
    """A component that a model does not have is empty."""
    ours, theirs = row[column], row.get(column + PUBLISHED)
    return Entry(
        mean=float(ours) if isinstance(ours, int | float) and ours > 0 else None,
        half_width=None,
        published=float(theirs) if isinstance(theirs, int | float) else None,
    )
