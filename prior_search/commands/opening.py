"""The folder of a study: made for a request, or taken up again if it is of the same one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prior_search.environment import write_environment
from prior_search.errors import RequestError
from prior_search.event_log import holds_study, read_events
from prior_search.request import StudyRequest
from prior_search.storage.working_copy import refresh
from prior_search.study import Study


def open_or_create(
    folder: Path, request: StudyRequest, resume: str, facts: dict[str, Any]
) -> None:
    """Make the study, or see that the one in the folder is of this request and on this data."""
    refresh(folder)
    if not holds_study(folder):
        if resume == "must":
            raise RequestError(f"--resume must: there is no study in {folder}")
        _create(folder, request, facts)
        return
    if resume == "never":
        raise RequestError(f"--resume never: {folder} holds a study; give another --name")
    differences = StudyRequest.read(folder / "study.toml").differences(request)
    if differences:
        raise RequestError(
            f"{folder} holds a study of another request ({'; '.join(differences)}); "
            "give another --name, or the same flags to resume it"
        )
    made_with = read_events(folder / "events.jsonl")[0]["data_fingerprint"]
    if made_with != facts["data_fingerprint"]:
        raise RequestError(
            f"{folder} was started on data with fingerprint {made_with}, "
            f"but {request.data} has {facts['data_fingerprint']}"
        )


def _create(folder: Path, request: StudyRequest, facts: dict[str, Any]) -> None:
    """Make a study; its first event comes last, so a folder that has it is complete."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_environment(folder)
    except OSError as error:
        raise RequestError(f"cannot write the study to {folder}: {error}") from error
    Study.create(folder, request, facts)
