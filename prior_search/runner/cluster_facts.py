"""What a cluster is like right now, asked of every node; for ``prior-search doctor``."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """One machine, as a process on it sees it.

    Attributes:
        gpus: names of the CUDA devices.
        versions: of Python and the packages that were asked for; absent ones are ``missing``.
        sees_probe: whether a file that the driver wrote to the storage is there, with its content.
        can_write: why the storage cannot be written, or an empty text.
        free_bytes: on the disk of the temporary folder.
    """

    host: str
    gpus: Sequence[str]
    versions: Mapping[str, str]
    sees_probe: bool
    can_write: str
    free_bytes: int


def look_around(packages: Sequence[str], storage: str, probe: str) -> NodeFacts:
    """The facts of the machine that this runs on.

    Args:
        packages: whose versions matter.
        storage: folder that is to be shared.
        probe: name of a file in it that holds its own name.
    """
    import tempfile

    return NodeFacts(
        host=socket.gethostname(),
        gpus=_gpus(),
        versions={"python": platform.python_version()} | {p: _version(p) for p in packages},
        sees_probe=_reads(Path(storage) / probe, probe),
        can_write=_why_not_written(Path(storage)),
        free_bytes=shutil.disk_usage(tempfile.gettempdir()).free,
    )


def _gpus() -> list[str]:
    import torch

    return [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _reads(path: Path, content: str) -> bool:
    try:
        return path.read_text() == content
    except OSError:
        return False


def _why_not_written(folder: Path) -> str:
    probe = folder / f".doctor-{socket.gethostname()}-{os.getpid()}"
    try:
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        return str(error.strerror)
    return ""
