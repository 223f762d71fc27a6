"""The four taxonomy levels of the generated objects: coarse 4, mid 10, fine 24, class 72.

A class fixes the body's primitive (coarse) and proportions (mid), what is attached to it (fine)
and its pattern (class). Sizes, colors and the pattern's scale and phase are the instance's own.
"""

from __future__ import annotations

from dataclasses import dataclass

LEVELS = ("coarse", "mid", "fine", "class")
PATTERNS = ("plain", "stripes", "checks")

# body -> proportions: radii in x, y and z
BODIES: dict[str, dict[str, tuple[float, float, float]]] = {
    "ellipsoid": {
        "ball": (0.62, 0.62, 0.62),
        "disc": (0.78, 0.78, 0.32),
        "egg": (0.46, 0.46, 0.80),
    },
    "box": {"cube": (0.52, 0.52, 0.52), "slab": (0.78, 0.52, 0.24), "tower": (0.36, 0.36, 0.80)},
    "cylinder": {"drum": (0.62, 0.62, 0.40), "pillar": (0.34, 0.34, 0.82)},
    "cone": {"tent": (0.76, 0.76, 0.48), "spire": (0.44, 0.44, 0.84)},
}
TWO = ("bare", "knob")
THREE = ("bare", "knob", "arms")
ATTACHMENTS: dict[str, tuple[str, ...]] = {
    "ball": THREE,
    "disc": THREE,
    "egg": TWO,
    "cube": THREE,
    "slab": TWO,
    "tower": TWO,
    "drum": THREE,
    "pillar": TWO,
    "tent": TWO,
    "spire": TWO,
}


@dataclass(frozen=True, slots=True)
class ObjectClass:
    """One leaf of the taxonomy; ``labels`` are its indices at the four levels."""

    body: str
    proportions: str
    attachment: str
    pattern: str
    labels: tuple[int, int, int, int]

    @property
    def name(self) -> str:
        """As ``checks-egg-knob``."""
        return f"{self.pattern}-{self.proportions}-{self.attachment}"


def object_classes() -> tuple[ObjectClass, ...]:
    """All classes, in the order of their label."""
    found: list[ObjectClass] = []
    mid = fine = 0
    for coarse, (body, shapes) in enumerate(BODIES.items()):
        for proportions in shapes:
            for attachment in ATTACHMENTS[proportions]:
                for pattern in PATTERNS:
                    labels = (coarse, mid, fine, len(found))
                    found.append(ObjectClass(body, proportions, attachment, pattern, labels))
                fine += 1
            mid += 1
    return tuple(found)
