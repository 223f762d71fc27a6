"""The folder of this machine that stands for a place in a bucket: brought here, sent there.

Event logs are kept equal by ``log_replica`` while they are written. All other files of a study
(request, exports, report, metrics) are copied as a whole, when they differ in size or time. What
trials leave goes to the bucket from the workers (``checkpoint``), and the tracking store stays
here, since it can be made again from the log.
"""

from __future__ import annotations

import os
from pathlib import Path

from prior_search.errors import RequestError, StorageError
from prior_search.storage.file_store import Entry, FileStore, cache_folder
from prior_search.storage.log_replica import refresh_log
from prior_search.storage.origin import Origin, above, find_origin, make_copy, name_of
from prior_search.storage.segments import NAME
from prior_search.whole_file import whole_file

TRIALS = "trials"
NOT_SENT = (".origin.json", "events.jsonl", "events.superseded", "mlflow.db")
NOT_SENT_FOLDERS = (TRIALS, "mlartifacts")


def open_storage(address: str, flag: str) -> Path:
    """The folder of this machine for the studies at an address that can be read and written.

    Raises:
        RequestError: it cannot; the message names the flag, the address and the reason.
    """
    store, probe = FileStore(address), f".writable-{os.getpid()}"
    try:
        store.write(probe, b"")
        store.remove(probe)
    except OSError as error:
        reason = " ".join(str(error).split())
        raise RequestError(f"{flag} {address} cannot be written: {reason}") from error
    return make_copy(address, cache_folder())


def working_folder(address: str) -> Path:
    """The folder of this machine for a study at an address, as it is."""
    return make_copy(above(address), cache_folder()) / name_of(address)


def refresh(folder: Path) -> None:
    """Bring all files of a study here that the bucket has otherwise; nothing on an ordinary disk.

    Raises:
        StorageError: the bucket does not answer.
    """
    origin = find_origin(folder)
    if origin is None:
        return
    store = FileStore(origin.of(folder))
    try:
        for entry in store.entries():
            if not _is_outside(entry.name):
                _bring(store, entry, folder)
        for log in sorted(_logs(store)):
            refresh_log(FileStore(origin.of(folder / log)), folder / log / "events.jsonl")
    except OSError as error:
        raise StorageError(f"cannot read {store.location}: {error}") from error


def publish(folder: Path) -> None:
    """Send all files of a study that the bucket has otherwise; nothing on an ordinary disk.

    Raises:
        StorageError: the bucket does not answer.
    """
    origin = find_origin(folder)
    if origin is None:
        return
    store = FileStore(origin.of(folder))
    try:
        there = {entry.name: entry for entry in store.entries()}
        sent = [name for name in _own_files(folder) if _differs(folder / name, there.get(name))]
        for name in sent:
            store.write(name, (folder / name).read_bytes())
        if sent:
            for entry in store.entries():
                if entry.name in sent:
                    os.utime(folder / entry.name, (entry.written, entry.written))
    except OSError as error:
        raise StorageError(
            f"cannot write to {store.location}: {error}; all of it is in {folder}"
        ) from error


def local_file(address: str) -> Path:
    """The copy on this machine of one file in a bucket, in the working copy of its study.

    Raises:
        RequestError: there is no such file.
    """
    root = address
    while "/" in root.split("://", 1)[1].split("?", 1)[0]:
        root = above(root)
        if FileStore(root).size("study.toml") is not None:
            root = above(root)  # of the storage that the study is in
            break
    else:
        root = above(address)
    origin = find_origin(make_copy(root, cache_folder()))
    assert origin is not None  # it has just been made
    name = _name_below(origin, address)
    for entry in FileStore(root).entries(str(Path(name).parent) if "/" in name else ""):
        if entry.name == name:
            _bring(FileStore(root), entry, origin.root)
            return origin.root / name
    raise RequestError(f"no file at {address}")


def _name_below(origin: Origin, address: str) -> str:
    parts: list[str] = []
    while address.rstrip("/") != origin.address.rstrip("/"):
        parts.insert(0, name_of(address))
        address = above(address)
    return "/".join(parts)


def _is_outside(name: str) -> bool:
    """Whether a name in the bucket is not for ``refresh``: parts of logs, leases, trials."""
    parts = name.split("/")
    is_log = len(parts) > 1 and NAME.fullmatch("/".join(parts[-2:])) is not None
    return is_log or TRIALS in parts or "lease" in parts or ".." in parts


def _logs(store: FileStore) -> set[str]:
    """Folders, relative to the store, that have an event log."""
    parts = (entry.name.split("/") for entry in store.entries())
    return {"/".join(p[:-2]) or "." for p in parts if NAME.fullmatch("/".join(p[-2:]))}


def _bring(store: FileStore, entry: Entry, folder: Path) -> None:
    target = folder / entry.name
    if not _differs(target, entry):
        return
    with whole_file(target) as partial:
        store.fetch(entry.name, partial)
        os.utime(partial, (entry.written, entry.written))


def _differs(path: Path, entry: Entry | None) -> bool:
    if entry is None or not path.exists():
        return True
    found = path.stat()
    return found.st_size != entry.size or int(found.st_mtime) != int(entry.written)


def _own_files(folder: Path) -> list[str]:
    names = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    return [
        name.as_posix()
        for name in names
        if not set(NOT_SENT_FOLDERS) & set(name.parts)
        and not name.name.startswith(NOT_SENT)
        and not name.name.endswith(".partial")
    ]
