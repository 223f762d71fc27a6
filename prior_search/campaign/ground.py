"""What the parts of a campaign share, and what a part is."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from prior_search.campaign.plan import CampaignPlan
from prior_search.errors import RequestError
from prior_search.event_log import Event
from prior_search.runner import TrialSource
from prior_search.trial import Task

LOCK_NAME = ".lock"


@contextmanager
def only_driver(root: Path) -> Iterator[None]:
    """Hold a campaign's folder against other drivers, which might move what this one writes.

    Raises:
        RequestError: another process holds it.
    """
    with (root / LOCK_NAME).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RequestError(f"another process is running the campaign in {root}") from error
        yield


class Mirror(Protocol):
    """Who is shown the events of one log: first those that it has, then every new one."""

    def put(self, event: Event) -> None:
        """Take one event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What all parts of a campaign share.

    Attributes:
        root: folder of the campaign.
        data: by task, where the workers find the set, and its fingerprint.
        versions: of the packages.
        mirror: makes what follows the log in a folder.
        say: shows a line to the user.
    """

    plan: CampaignPlan
    root: Path
    data: Mapping[Task, tuple[str, str]]
    versions: Mapping[str, str]
    mirror: Callable[[Path], Mirror]
    say: Callable[[str], None]

    def supersede(self, folder: Path) -> None:
        """Move a folder of other inputs out of the way; nothing is deleted."""
        number, place = 0, self.root / "superseded"
        name = str(folder.relative_to(self.root)).replace("/", "--")
        while (target := place / f"{name}-{number}").exists():
            number += 1
        place.mkdir(exist_ok=True)
        folder.rename(target)
        self.say(f"the inputs of {name} have changed; its results are now in {target}")


class Part(Protocol):
    """A part that is open.

    Attributes:
        name: as it is shown.
        owns: (study, search) of its trials; no other open part has them.
        data: where the workers find the set.
        trials_folder: for checkpoints and models.
        source: of its trials.
    """

    name: str
    owns: list[tuple[str, str]]
    data: str
    trials_folder: Path

    @property
    def source(self) -> TrialSource:
        """Of its trials."""

    @property
    def num_ended(self) -> int:
        """Runs that have ended, earlier drivers' included."""

    def finish(self) -> list[Part]:
        """Write what is left of a finished part, close it, and open those that follow."""

    def close(self) -> None:
        """Release what it holds."""


class Relay:
    """A listener that is handed to a log before what follows that log can be."""

    def __init__(self, ground: Ground, folder: Path) -> None:
        self._ground, self._folder = ground, folder
        self._mirror: Mirror | None = None

    def begin(self, events: Iterable[Event]) -> None:
        """All that the log holds by now goes first."""
        self._mirror = self._ground.mirror(self._folder)
        for event in events:
            self._mirror.put(event)

    def __call__(self, event: Event) -> None:
        """Pass a new event on; before ``begin`` the log itself keeps it."""
        if self._mirror is not None:
            self._mirror.put(event)
