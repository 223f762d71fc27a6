"""Names and taxonomy of the classes, from the user's table.

The table says of every class folder which class it is and where that stands, from coarse to class:
CSV with the columns ``folder, coarse, mid, fine, class``, or TOML with a table per folder. The
published lists of MVImgNet (``0,bag`` per line) and MVImgNet2 (JSON, folder to name) are read as
they are and give the level ``class`` alone. Two folders may be of one class.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prior_search.data.source_tree import printable
from prior_search.errors import RequestError
from prior_search.toml_input import check_keys, read_toml, shown

LEVELS = ("coarse", "mid", "fine", "class")
MAX_LABELS = int(np.iinfo(np.int16).max)
SHOWN = 5  # offenders named in a message
LONGEST_NAME = 200  # characters of a class or a folder


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxonomyTable:
    """Labels of class folders.

    Attributes:
        level_names: from coarse to class; empty for a set without classes.
        label_names: of every level, in the order of the labels.
        labels: class folder to its label at every level.
    """

    level_names: tuple[str, ...] = ()
    label_names: tuple[tuple[str, ...], ...] = ()
    labels: Mapping[str, tuple[int, ...]]

    @property
    def digest(self) -> str:
        """SHA-256 of all that labels depend on."""
        content = [self.level_names, self.label_names, dict(self.labels)]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def check_folders(self, folders: Iterable[str], where: str) -> None:
        """Refuse class folders that the table does not know.

        Raises:
            RequestError: some are missing; the message names them and the nearest known one.
        """
        unknown = sorted(set(folders) - self.labels.keys())
        if unknown:
            near = difflib.get_close_matches(unknown[0], self.labels, n=1)
            hint = f"; did you mean {near[0]!r} for {unknown[0]!r}?" if near else ""
            more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
            named = ", ".join(repr(name) for name in unknown[:SHOWN])
            raise RequestError(f"{where} does not know the class folders {named}{more}{hint}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One line of a table: class folder, names at the levels, and where it stands."""

    folder: str
    names: Mapping[str, str]
    where: str


def folder_taxonomy(folders: Iterable[str]) -> TaxonomyTable:
    """Without a table, every class folder is a class of its own name."""
    names = sorted(set(folders))
    rows = [_Row(folder=name, names={"class": printable(name)}, where=name) for name in names]
    return _table(rows, ("class",), "SOURCE")


def read_taxonomy(path: Path) -> TaxonomyTable:
    """The table of a file, checked.

    Raises:
        RequestError: not readable; an unknown, missing or empty column; a folder twice; a label
            with two parents; no line at all. The message names the file and the line.
    """
    readers = {".csv": _csv_rows, ".toml": _toml_rows, ".txt": _list_rows, ".json": _json_rows}
    if path.suffix.lower() not in readers:
        raise RequestError(f"{path}: a taxonomy must be {', '.join(readers)}, got {path.suffix!r}")
    try:
        rows = readers[path.suffix.lower()](path)
    except (OSError, csv.Error, ValueError) as error:
        if isinstance(error, RequestError):
            raise
        raise RequestError(f"cannot read {path}: {error}") from error
    except RecursionError as error:
        raise RequestError(f"{path} is nested too deeply") from error
    for row in rows:
        for name in (row.folder, *row.names.values()):
            if len(name) > LONGEST_NAME:
                raise RequestError(
                    f"{row.where}: a name has at most {LONGEST_NAME} characters, got {shown(name)}"
                )
    levels = LEVELS if path.suffix.lower() in (".csv", ".toml") else ("class",)
    return _table(rows, levels, str(path))


def _csv_rows(path: Path) -> list[_Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:  # -sig: spreadsheets write a mark
        reader = csv.DictReader(file, skipinitialspace=True)
        header = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = header
        if len(set(header)) != len(header):
            raise RequestError(f"{path}: a column is there twice: {shown(header)}")
        check_keys(dict.fromkeys(header), ("folder", *LEVELS), str(path))
        rows = []
        for fields in reader:
            where = f"{path} line {reader.line_num}"
            if None in fields or None in fields.values():
                raise RequestError(f"{where} must have {len(header)} fields")
            folder = fields.pop("folder").strip()
            rows.append(_Row(folder=folder, names=fields, where=where))
    return rows


def _toml_rows(path: Path) -> list[_Row]:
    rows = []
    for folder, names in read_toml(path).items():
        where = f"{path} table [{shown(folder)}]"
        if not isinstance(names, dict):
            raise RequestError(f"{where} must be a table with {', '.join(LEVELS)}")
        check_keys(names, LEVELS, where)
        for level, name in names.items():
            if not isinstance(name, str):
                raise RequestError(f"{where}: {level} must be a text, got {shown(name)}")
        rows.append(_Row(folder=folder, names=names, where=where))
    return rows


def _list_rows(path: Path) -> list[_Row]:
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        folder, comma, name = line.partition(",")
        if not line.strip():
            continue
        if not comma:
            raise RequestError(f"{path} line {number} must be FOLDER,NAME, got {shown(line)}")
        rows.append(
            _Row(folder=folder.strip(), names={"class": name}, where=f"{path} line {number}")
        )
    return rows


def _json_rows(path: Path) -> list[_Row]:
    def refuse_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
        for folder, name in pairs:
            if not isinstance(name, str):
                raise RequestError(
                    f"{path}: {shown(folder)} must be a class name, got {shown(name)}"
                )
        if len(dict(pairs)) != len(pairs):
            raise RequestError(f"{path}: a folder is there twice")
        return dict(pairs)

    found = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=refuse_twice)
    if not isinstance(found, dict):
        raise RequestError(f"{path} must be an object of class folders and names")
    return [
        _Row(folder=folder, names={"class": name}, where=f"{path} {shown(folder)}")
        for folder, name in found.items()
    ]


def _table(rows: list[_Row], levels: tuple[str, ...], where: str) -> TaxonomyTable:
    """Number the names of every level in the order in which the table brings them."""
    if not rows:
        raise RequestError(f"{where} has no class")
    first: dict[str, _Row] = {}
    parents: dict[tuple[str, str], tuple[str, str]] = {}  # (level, name) to (parent's name, where)
    numbers: dict[str, dict[str, int]] = {level: {} for level in levels}
    labels = {}
    for row in rows:
        names = {level: row.names[level].strip() for level in levels}
        empty = [key for key, value in {"folder": row.folder, **names}.items() if not value]
        if empty:
            raise RequestError(f"{row.where}: {', '.join(empty)} must not be empty")
        if row.folder in first:
            raise RequestError(
                f"{row.where}: folder {row.folder!r} is also in {first[row.folder].where}"
            )
        first[row.folder] = row
        _check_parents(names, levels, parents, row.where)
        labels[row.folder] = tuple(
            numbers[level].setdefault(names[level], len(numbers[level])) for level in levels
        )
    if len(numbers[levels[-1]]) > MAX_LABELS:
        raise RequestError(f"{where} has more than {MAX_LABELS} classes")
    return TaxonomyTable(
        level_names=levels,
        label_names=tuple(tuple(numbers[level]) for level in levels),
        labels=labels,
    )


def _check_parents(
    names: Mapping[str, str],
    levels: tuple[str, ...],
    parents: dict[tuple[str, str], tuple[str, str]],
    where: str,
) -> None:
    """Refuse a name that stands under two parents: a label must decide all coarser ones."""
    for parent, level in itertools.pairwise(levels):
        known, there = parents.setdefault((level, names[level]), (names[parent], where))
        if known != names[parent]:
            near = difflib.get_close_matches(names[parent], [known], n=1)
            hint = f"; did you mean {known!r}?" if near else ""
            raise RequestError(
                f"{where}: {level} {names[level]!r} is under {parent} {names[parent]!r}, "
                f"but {there} puts it under {known!r}{hint}"
            )
