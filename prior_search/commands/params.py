"""``prior-search params``: parameter counts of a preset."""

from __future__ import annotations

import argparse
import json

from rich.console import Console
from rich.table import Table

from prior_search.commands.tables import print_whole
from prior_search.models import parameter_table, reconstruction_parameter_table
from prior_search.tasks import PRESETS_OF
from prior_search.toml_input import choice


def run(options: argparse.Namespace) -> int:
    """Print parameter counts by component."""
    preset = choice("preset", options.preset, tuple(PRESETS_OF[options.task]), "--preset")
    is_contrastive = options.task == "contrastive"
    rows = (parameter_table if is_contrastive else reconstruction_parameter_table)(preset)
    source = "Table 2" if is_contrastive else "section 2.5"
    if options.json:
        print(json.dumps(rows, indent=2))
        return 0
    title = f"parameters of preset {preset!r}, in millions; in parentheses as published ({source})"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    columns = [column for column in rows[0] if not column.endswith("_published")]
    for column in columns:
        table.add_column(column.replace("_", " "))
    for row in rows:
        published = [row.get(f"{column}_published") for column in columns]
        table.add_row(
            *(
                str(row[column]) + ("" if known is None else f" ({known})")
                for column, known in zip(columns, published, strict=True)
            )
        )
    print_whole(Console(), table)
    return 0
