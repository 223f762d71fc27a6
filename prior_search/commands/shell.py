"""Commands as a shell takes them: what comes next, and what goes on."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

from rich.console import Console

from prior_search.redaction import redact
from prior_search.storage.origin import address_of


def shown(path: Path) -> str:
    """Where a path is kept, as a shell takes it."""
    return shlex.quote(address_of(path))


def program(name: str = "prior-search") -> str:
    """A program of this Python's environment as the shell finds it, which may not be active."""
    own = Path(sys.executable).parent / name
    found = shutil.which(name)
    if not own.exists() or (found is not None and Path(found).parent.samefile(own.parent)):
        return name
    return shlex.quote(str(own))


def same_command() -> str:
    """The command line that started this process, to be given again."""
    is_installed = Path(sys.argv[0]).name == "prior-search"
    start = program() if is_installed else f"{program('python')} {sys.argv[0]}"
    return redact(f"{start} {shlex.join(sys.argv[1:])}")


def show_next(console: Console, *commands: str) -> None:
    """Print what of ours comes next, a line for each that can be pasted."""
    console.print("next:")
    for command in commands:
        console.print(f"    {program()} {command}", highlight=False, markup=False, soft_wrap=True)


def interrupted(console: Console, kept: str) -> int:
    """Say what is kept and how to go on, on one line that can be pasted; returns exit code 130."""
    console.print(f"interrupted; finished {kept} are kept. Resume with:", highlight=False)
    console.print(f"    {same_command()}", highlight=False, markup=False, soft_wrap=True)
    return 130
