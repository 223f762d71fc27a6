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
    """PNG files in ``final/evaluation`` of a study, by name; what is no PNG is left out."""
    found = []
    for path in sorted((study / "final" / "evaluation").glob("*.png")):
        content = path.read_bytes()
        if content.startswith(PNG_SIGNATURE):
            source = f"data:image/png;base64,{base64.b64encode(content).decode()}"
            title = path.stem.replace("_", " ").replace("-", " ")
            found.append(Picture(title=title, source=source))
    return found
