"""What a user changes about a search on the way, as the event log keeps it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["enqueue", "fix", "warm_start"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Steering:
    """One change to one search.

    Attributes:
        search: its name.
        change: of ``enqueue`` the weights by name; of ``fix`` a name and its value, None to let it
            go; of ``warm_start`` the runs of another study (``PastRun`` as mappings).
    """

    search: str
    kind: Kind
    change: Any

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready data."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Steering:
        """Of an event, which holds more than that."""
        return cls(**{field.name: data[field.name] for field in dataclasses.fields(cls)})

    def concerns(self, other: Steering) -> bool:
        """Whether both change the same thing, so that the later one decides."""
        if (self.search, self.kind) != (other.search, other.kind):
            return False
        if self.kind == "enqueue":
            return bool(self.change == other.change)
        if self.kind == "fix":
            return bool(self.change[0] == other.change[0])
        return bool(self.change[0]["study"] == other.change[0]["study"])

    def repeats(self, other: Steering) -> bool:
        """Whether it adds nothing to an earlier change: the flags of a search that is resumed.

        A study that was learned from may have gone on since; its runs still count once.
        """
        return self.concerns(other) and (self.kind == "warm_start" or self.change == other.change)
