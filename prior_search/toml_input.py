"""Reading what users write in TOML, with messages that name the file, the key and the choices."""

from __future__ import annotations

import difflib
import math
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from prior_search.errors import RequestError


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        RequestError: the file cannot be read or is not TOML; the message names it.
    """
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"cannot read {path}: {error}") from error
    except ValueError as error:  # not TOML, or a number of thousands of digits
        raise RequestError(f"{path} is not valid TOML: {error}") from error
    except RecursionError as error:
        raise RequestError(f"{path} is nested too deeply") from error


def choice(name: str, value: Any, choices: Sequence[Any], where: str) -> Any:
    """``value`` if it is one of ``choices``.

    Raises:
        RequestError: it is not; the message lists the choices and the nearest one.
    """
    if value in choices:
        return value
    near = difflib.get_close_matches(str(value), [str(c) for c in choices], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise RequestError(
        f"{where}: {name} must be one of {', '.join(choices)}, got {shown(value)}{hint}"
    )


def check_keys(table: Mapping[str, Any], expected: Iterable[str], where: str) -> None:
    """Refuse a table with other keys than ``expected``.

    Raises:
        RequestError: a key is unknown or missing.
    """
    expected = list(expected)
    for key in table:
        choice("key", key, expected, where)
    missing = [key for key in expected if key not in table]
    if missing:
        raise RequestError(f"{where}: missing {', '.join(missing)}")


def read_space(path: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """A space file with ``key=value`` overrides applied, not yet checked.

    Raises:
        RequestError: the file or an override cannot be read.
    """
    data = read_toml(path)
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not key.strip():
            raise RequestError(f"--set must be key=value, got {override!r}")
        _assign(data, key.strip().split("."), _toml_value(value.strip()), override)
    return data


def _assign(data: dict[str, Any], keys: list[str], value: Any, override: str) -> None:
    for key in keys[:-1]:
        data = data.setdefault(key, {})
        if not isinstance(data, dict):
            raise RequestError(f"--set {override!r}: {key!r} is a value, not a table")
    data[keys[-1]] = value


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # a bare word such as log


def as_table(value: Any, name: str, where: str) -> dict[str, Any]:
    """``value`` if it is a table.

    Raises:
        RequestError: it is not.
    """
    if not isinstance(value, dict):
        raise RequestError(f"{where}: {name} must be a table, got {shown(value)}")
    return value


def number(
    value: Any, name: str, where: str, *, low: float = -math.inf, high: float = math.inf
) -> float:
    """``value`` if it is a finite number from ``low`` to ``high``.

    Raises:
        RequestError: it is not.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # compared, not converted: a whole number may be too large for a float
    if not is_number or not -sys.float_info.max <= value <= sys.float_info.max:
        raise RequestError(f"{where}: {name} must be a finite number, got {shown(value)}")
    if not low <= value <= high:
        raise RequestError(f"{where}: {name} must be from {low:g} to {high:g}, got {shown(value)}")
    return float(value)


def count(value: Any, name: str, where: str, *, low: int, high: int = 2**63 - 1) -> int:
    """``value`` if it is a whole number from ``low`` to ``high``.

    Raises:
        RequestError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        to = f"from {low} to {high}" if high < 2**63 - 1 else f">= {low}"
        raise RequestError(f"{where}: {name} must be a whole number {to}, got {shown(value)}")
    return value


def shown(value: Any) -> str:
    """A value as a message shows it: in one line, and not longer than one."""
    try:
        found = repr(value)
    except ValueError:  # whole numbers of thousands of digits have no decimal text
        found = f"a whole number of {value.bit_length()} bits"
    return found if len(found) <= 80 else found[:77] + "..."


def text(value: Any, name: str, where: str) -> str:
    """``value`` if it is a text that is not empty.

    Raises:
        RequestError: it is not.
    """
    if not isinstance(value, str) or not value:
        raise RequestError(f"{where}: {name} must be a text, got {shown(value)}")
    return value


def listed(value: Any, name: str, where: str) -> list[Any]:
    """``value`` if it is an array.

    Raises:
        RequestError: it is not.
    """
    if not isinstance(value, list):
        raise RequestError(f"{where}: {name} must be an array, got {shown(value)}")
    return value
