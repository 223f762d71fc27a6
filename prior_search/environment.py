"""What a result was made with: versions of packages, of the machine and of the code."""

from __future__ import annotations

import logging
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from prior_search import __version__
from prior_search.redaction import redact

logger = logging.getLogger(__name__)

RECORDED = ("torch", "ray", "botorch", "gpytorch", "mlflow", "numpy", "pyarrow", "scipy")


def versions() -> dict[str, str]:
    """Versions of Python, of this package and of those that can change a result."""
    found = {"python": platform.python_version(), "prior-search": __version__}
    return found | {name: metadata.version(name) for name in RECORDED}


def write_environment(folder: Path) -> None:
    """Write ``env.lock`` (every installed package) and, in a checkout, ``code.patch``."""
    installed = {f"{d.metadata['Name']}=={d.version}" for d in metadata.distributions()}
    (folder / "env.lock").write_text("\n".join(sorted(installed, key=str.lower)) + "\n")
    patch = uncommitted_changes(Path(__file__).parent)
    if patch is not None:
        (folder / "code.patch").write_text(redact(patch))


def uncommitted_changes(checkout: Path) -> str | None:
    """``# commit <id>`` and the difference of the package's sources to it; None outside of git."""
    try:
        commit = _git(checkout, "rev-parse", "HEAD")
        return f"# commit {commit}" + _git(checkout, "diff", "HEAD", "--", ".")
    except (OSError, subprocess.CalledProcessError) as error:
        logger.debug("no git checkout at %s: %s", checkout, error)
        return None


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout
