"""Files of a study that its runs in MLflow carry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

STUDY_FILES = (
    "study.toml",
    "events.jsonl",
    "env.lock",
    "code.patch",
    "trials.parquet",
    "metrics.json",
)
FIGURES = "report/figures"


def artifacts(folder: Path, search: str) -> Iterator[tuple[Path, str | None]]:
    """Files for the run of a search and where they go there; each search has its own figures."""
    yield from ((folder / name, None) for name in STUDY_FILES if (folder / name).exists())
    for pattern in ("best/*.toml", "report/*.png"):
        yield from ((path, None) for path in sorted(folder.glob(pattern)))
    if (folder / "report" / "index.html").exists():
        yield folder / "report" / "index.html", "report"
    for figure in sorted((folder / FIGURES).glob(f"{search}-*.png")):
        yield figure, FIGURES
