"""The folder of a study: made for a request, or taken up again if it is of the same one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prior_search.errors import RequestError
from prior_search.event_log import holds_study
from prior_search.request import StudyRequest
from prior_search.storage.working_copy import refresh
from prior_search.study_folder import create_study, made_on


def open_or_create(
    folder: Path, request: StudyRequest, resume: str, facts: dict[str, Any]
) -> None:
    """Make the study, or see that the one in the folder is of this request and on this data."""
    refresh(folder)
    if not holds_study(folder):
        if resume == "must":
            raise RequestError(f"--resume must: there is no study in {folder}")
        create_study(folder, request, facts)
        return
    if resume == "never":
        raise RequestError(f"--resume never: {folder} holds a study; give another --name")
    known, fingerprint = made_on(folder)
    if differences := known.differences(request):
        raise RequestError(
            f"{folder} holds a study of another request ({'; '.join(differences)}); "
            "give another --name, or the same flags to resume it"
        )
    if fingerprint != facts["data_fingerprint"]:
        raise RequestError(
            f"{folder} was started on data with fingerprint {fingerprint}, "
            f"but {request.data} has {facts['data_fingerprint']}"
        )
