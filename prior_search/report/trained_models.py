"""What ``prior-search evaluate`` drew of a study's final models, for the study's page."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture inside the page: what it shows, and its bytes as a data address."""

    title: str
    source: str


def evaluation_pictures(study: Path) -> list[Picture]:
    """PNG files that ``evaluate`` drew of a study's models, by name; what is no PNG is left out.

    They lie in the folder that all models evaluated at once have in common: ``final/`` if these
    were of several configurations, else further below, and then the title says of which.
    """
    final = study / "final"
    found = _pictures(final / "evaluation", "")
    if found:
        return found
    below = [*final.glob("*/evaluation"), *final.glob("*/trials/*/evaluation")]
    return [
        picture
        for folder in sorted(below)
        for picture in _pictures(folder, f"{folder.parent.relative_to(final)}: ")
    ]


def _pictures(folder: Path, of_what: str) -> list[Picture]:
    found = []
    for path in sorted(folder.glob("*.png")):
        content = path.read_bytes()
        if content.startswith(PNG_SIGNATURE):
            source = f"data:image/png;base64,{base64.b64encode(content).decode()}"
            title = path.stem.replace("_", " ").replace("-", " ")
            found.append(Picture(title=of_what + title, source=source))
    return found
