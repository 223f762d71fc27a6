"""Folders of files that come with the package: search spaces and plans of studies."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parent


def shipped_folder(name: str) -> Path:
    """Inside an installed package; beside the package in a checkout."""
    inside = PACKAGE / name
    return inside if inside.is_dir() else PACKAGE.parent / name


def space_file(family: str, task: str, folder: Path | None = None) -> Path:
    """The space of a family and task, in ``folder`` or among the shipped ones."""
    variant = "-reconstruction" if task == "reconstruction" else ""
    return (folder or shipped_folder("search_spaces")) / f"{family}{variant}.toml"
