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

from prior_search.storage.file_store import FileStore
from prior_search.storage.origin import is_remote


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
        storage: folder or s3:// address that is to be shared.
        probe: name of a file in it that holds its own name.
    """
    import tempfile

    return NodeFacts(
        host=socket.gethostname(),
        gpus=_gpus(),
        versions={"python": platform.python_version()} | {p: _version(p) for p in packages},
        sees_probe=_reads(storage, probe),
        can_write=_why_not_written(storage),
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


def _reads(storage: str, probe: str) -> bool:
    try:
        return FileStore(storage).read(probe) == probe.encode()
    except OSError:
        return False


def _why_not_written(storage: str) -> str:
    probe = f".doctor-{socket.gethostname()}-{os.getpid()}"
    try:
        if is_remote(storage):
            FileStore(storage).write(probe, b"")
            FileStore(storage).remove(probe)
        else:
            (Path(storage) / probe).write_text("")
            (Path(storage) / probe).unlink()
    except OSError as error:
        return str(error.strerror or error)
    return ""
