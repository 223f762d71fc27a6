"""Tables that are printed whole."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

WIDEST = 1000  # characters; no table of ours comes near


def print_whole(console: Console, table: Table) -> None:
    """Print a table in which no cell is cut, also where a terminal or a file has 80 columns.

    Rich shortens cells to what fits, and takes 80 columns for a pipe; a number that ends in a dot
    dot dot is of no use to anyone. Lines that are too long are left to the terminal to wrap.
    """
    options = console.options.update(max_width=WIDEST)
    needed = console.measure(table, options=options).maximum
    if needed <= console.width:
        console.print(table)
        return
    wide = Console(file=console.file, width=needed, force_terminal=console.is_terminal)
    wide.print(table, crop=False)
