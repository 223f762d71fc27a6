"""``prior-search doctor``: whether everything is as asked, before a search starts."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from prior_search.commands.places import check_writable
from prior_search.environment import RECORDED, versions
from prior_search.errors import RequestError
from prior_search.mlflow_log import MirrorError, check_tracking
from prior_search.redaction import redact
from prior_search.runner import NodeFacts, look_around
from prior_search.storage.file_store import FileStore
from prior_search.storage.origin import address_of, is_remote

LOW_DISK_BYTES = 5 << 30  # checkpoints of a few trials, Ray's logs and objects
PACKAGES = ("prior-search", *RECORDED)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    is_good: bool
    what: str
    text: str


def run(options: argparse.Namespace) -> int:
    """Look at nodes, GPUs, versions, storage, tracking and disks; 2 if one is not as asked."""
    console = Console()
    findings = list(_examine(options))
    for finding in findings:
        mark = "ok " if finding.is_good else "BAD"
        line = redact(f"{mark}  {finding.what}: {finding.text}")
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    wrong = [finding.what for finding in findings if not finding.is_good]
    if wrong:
        console.print(f"not as asked: {', '.join(wrong)}", soft_wrap=True)
        return 2
    console.print("all is as asked")
    return 0


def _examine(options: argparse.Namespace) -> Iterator[Finding]:
    try:
        storage = check_writable(options.storage_path, "--storage-path")
    except RequestError as error:
        yield Finding(False, "storage", str(error))
        return
    yield _disk("free disk of the storage on this machine", shutil.disk_usage(storage).free)
    nodes = _nodes(options, storage)
    gpus = sum(len(node.gpus) for node in nodes)
    yield _number("nodes", len(nodes), options.expect_nodes)
    yield _number("GPUs", gpus, options.expect_gpus)
    yield from _versions(nodes)
    yield from _storage(nodes, storage)
    for node in nodes:
        yield _disk(f"free disk of {node.host}", node.free_bytes)
    yield _tracking(options.tracking_uri)


def _nodes(options: argparse.Namespace, storage: Path) -> list[NodeFacts]:
    """Facts of every node that trials may run on, each asked in a process of its own there."""
    probe, location = f".doctor-probe-{os.getpid()}", address_of(storage)
    store = FileStore(location)
    store.write(probe, probe.encode())
    try:
        if options.executor == "local":
            return [look_around(PACKAGES, location, probe)]
        from prior_search.runner.ray_cluster import ask_every_node

        return ask_every_node(PACKAGES, location, probe)
    finally:
        store.remove(probe)


def _number(what: str, found: int, expected: int | None) -> Finding:
    if expected is None:
        return Finding(True, what, str(found))
    return Finding(found >= expected, what, f"{found}, expected {expected}")


def _disk(what: str, free: int) -> Finding:
    text = f"{free / (1 << 30):.1f} GiB"
    if free < LOW_DISK_BYTES:
        text += f", which is less than {LOW_DISK_BYTES >> 30} GiB"
    return Finding(free >= LOW_DISK_BYTES, what, text)


def _versions(nodes: Sequence[NodeFacts]) -> Iterator[Finding]:
    """Differences to the driver: the same weights could give other numbers."""
    ours = versions()
    for node in nodes:
        different = [
            f"{name} {found} instead of {ours[name]}"
            for name, found in node.versions.items()
            if found != ours[name]
        ]
        text = ", ".join(different) or f"python {ours['python']}, torch {ours['torch']}"
        yield Finding(not different, f"versions on {node.host}", text)


def _storage(nodes: Sequence[NodeFacts], storage: Path) -> Iterator[Finding]:
    location = address_of(storage)
    remedy = "give it credentials" if is_remote(location) else "mount a shared folder there"
    for node in nodes:
        what = f"storage on {node.host}"
        if not node.sees_probe:
            yield Finding(False, what, f"{location} is not the driver's: {remedy}")
        elif node.can_write:
            yield Finding(False, what, f"{location} cannot be written: {node.can_write}")
        else:
            yield Finding(True, what, f"{location} is shared")


def _tracking(uri: str | None) -> Finding:
    if uri is None:
        return Finding(True, "tracking", "sqlite in the study's folder")
    try:
        check_tracking(uri)
    except MirrorError as error:
        return Finding(False, "tracking", str(error))
    return Finding(True, "tracking", "the server answers")
