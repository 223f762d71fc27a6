"""Who may import whom, read from the sources."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "prior_search"
BANNED_NAMES = {"utils", "util", "helpers", "common", "misc", "core"}

# a room, and the rooms that it may import besides itself; in the order of the house, bottom first
GROUND = {"errors", "weights", "trial", "redaction", "whole_file"}
DATA_SIDE = GROUND | {"tokens", "bottlenecks", "objectives", "models", "data"}
RECORD_SIDE = GROUND | {
    "search", "event_log", "toml_input", "space_tables", "request", "retries", "study_search",
    "study", "report",
}  # fmt: skip
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "redaction": set(),
    "whole_file": set(),
    "weights": {"errors"},
    "trial": {"errors", "weights"},
    "data_parallel": set(),
    "tokens": GROUND | {"data_parallel"},
    "bottlenecks": GROUND | {"data_parallel", "tokens"},
    "objectives": GROUND | {"data_parallel", "bottlenecks"},
    "models": GROUND | {"data_parallel", "tokens", "bottlenecks"},
    "data": GROUND | {"data_parallel", "toml_input", "storage"},
    "tasks": DATA_SIDE | {"evaluation"},
    "device": set(),
    "model_file": DATA_SIDE | {"tasks", "device"},
    "optimization": {"models"},
    "training": DATA_SIDE
    | {"data_parallel", "tasks", "storage", "device", "model_file", "optimization"},
    "evaluation": DATA_SIDE,
    "search": {"errors"},
    "storage": {"errors", "whole_file"},
    "event_log": {"errors", "redaction", "storage"},
    "toml_input": {"errors"},
    "space_tables": GROUND | {"search", "toml_input"},
    "request": GROUND | {"search", "toml_input", "space_tables"},
    "default_weights": {"weights", "trial"},
    "steering": set(),
    "study_search": GROUND | {"search", "request", "steering"},
    "retries": set(),
    "study_runs": GROUND | {"retries", "study_search"},
    "study": GROUND
    | {"search", "event_log", "request", "steering", "study_search", "study_runs", "storage"},
    "environment": {"errors", "redaction"},
    "study_folder": {"environment", "errors", "event_log", "request", "study"},
    "report": RECORD_SIDE | {"evaluation", "remaining_time"},
    "final_training": RECORD_SIDE,
    "mlflow_log": GROUND | {"event_log"},
    "remaining_time": GROUND,
    "progress": GROUND | {"event_log", "remaining_time"},
    "synthetic": GROUND | {"toml_input", "storage"},
    "runner": GROUND
    | {"data", "training", "device", "model_file", "synthetic", "storage", "model_evaluation"},
    "shipped": set(),
    "past_searches": RECORD_SIDE,
    "model_evaluation": DATA_SIDE | {"tasks", "device", "model_file", "evaluation"},
    "evaluation_runs": GROUND | {"retries", "model_file", "model_evaluation"},
    "campaign": RECORD_SIDE
    | DATA_SIDE
    | {"evaluation", "tasks", "model_file", "runner", "shipped", "past_searches", "study_folder"}
    | {"storage"}
    | {"model_evaluation", "evaluation_runs", "final_training"},
    "step_timing": DATA_SIDE | {"tasks", "optimization", "device", "request"},
}
COMMANDS = (
    "campaign_view",
    "best",
    "control",
    "data",
    "doctor",
    "dry_run",
    "evaluate",
    "evaluation_tables",
    "final",
    "params",
    "training_data",
    "report",
    "search",
    "shell",
    "status",
    "study",
    "tables",
)
LIBRARY_OWNERS = {
    "ray": {"runner/tune.py", "runner/tune_trials.py", "runner/ray_cluster.py"},
    "mlflow": {
        f"mlflow_log/{name}.py"
        for name in ("dataset", "driver_metrics", "mirror", "registry", "runs", "store")
    },
    "botorch": {"search/botorch_model.py"},
    "gpytorch": {"search/botorch_model.py"},
    "jinja2": {"report/page.py"},
    "rich": {"progress.py", *(f"commands/{name}.py" for name in COMMANDS)},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def imported_modules(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} line {node.lineno}: no relative imports"
            module = node.module or ""
            found.add(module)
            if module == "prior_search":
                found |= {f"{module}.{alias.name}" for alias in node.names}
    return found


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_file_imports_only_what_its_room_may(path: Path) -> None:
    own = room(path)
    if own in ("__init__", "cli", "commands"):
        return  # the entrance sees every room
    rooms = {m.split(".")[1] for m in imported_modules(path) if m.startswith("prior_search.")}
    rooms -= {own, "__version__"}
    assert rooms <= ALLOWED[own], f"{own} may not import {sorted(rooms - ALLOWED[own])}"


@pytest.mark.parametrize("library", LIBRARY_OWNERS)
def test_a_large_library_is_imported_by_its_owners_only(library: str) -> None:
    users = {
        str(path.relative_to(PACKAGE))
        for path in FILES
        if any(m.split(".")[0] == library for m in imported_modules(path))
    }
    assert users == LIBRARY_OWNERS[library]


def test_parsers_import_what_is_small() -> None:
    own = {path for path in FILES if path.parent.name == "parsers"} | {PACKAGE / "cli.py"}
    modules = {m for path in own for m in imported_modules(path)}
    rooms = {m.split(".")[1] for m in modules if m.startswith("prior_search.")}
    assert rooms - {"__version__", "commands"} <= GROUND | {"storage"}
    others = {m.split(".")[0] for m in modules} - {"prior_search"}
    assert others <= sys.stdlib_module_names


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert not {path.stem for path in FILES} & BANNED_NAMES


def test_every_room_is_in_the_table() -> None:
    rooms = {room(path) for path in FILES} - {"__init__", "cli", "commands"}
    assert rooms == ALLOWED.keys()
