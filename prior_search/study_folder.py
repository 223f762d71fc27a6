"""A new folder of a study, and what an earlier one was made on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prior_search.environment import write_environment
from prior_search.errors import RequestError
from prior_search.event_log import read_events
from prior_search.request import StudyRequest
from prior_search.study import Study


def create_study(folder: Path, request: StudyRequest, facts: Mapping[str, Any]) -> None:
    """Make a study; its first event comes last, so a folder that has it is complete.

    Args:
        folder: made if it is missing.
        request: of the study.
        facts: versions, fingerprint of the data and what else its first event is to say.

    Raises:
        RequestError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_environment(folder)
    except OSError as error:
        raise RequestError(f"cannot write the study to {folder}: {error}") from error
    Study.create(folder, request, facts)


def made_on(folder: Path) -> tuple[StudyRequest, str]:
    """The request that a study was made for, and the fingerprint of its data."""
    created = read_events(folder / "events.jsonl")[0]
    return StudyRequest.read(folder / "study.toml"), str(created["data_fingerprint"])
