"""Colors by meaning, for light and dark paper, after Okabe and Ito (2008).

Their hues can be told apart by the color-blind; every color also comes with a marker of its own.
Pages use them as CSS variables, so that one drawing serves both schemes.
"""

from __future__ import annotations

from typing import Literal

Color = Literal["ink", "muted", "faint", "blue", "vermillion", "green", "purple", "orange"]
Shape = Literal["circle", "ring", "square", "triangle", "diamond", "cross"]

LIGHT: dict[Color, str] = {
    "ink": "#1c2024",
    "muted": "#5f6770",
    "faint": "#d5d9de",
    "blue": "#0072b2",
    "vermillion": "#d55e00",
    "green": "#009e73",
    "purple": "#b3548f",
    "orange": "#b57a00",
}
DARK: dict[Color, str] = {
    "ink": "#e8eaed",
    "muted": "#a3acb5",
    "faint": "#3a4149",
    "blue": "#56b4e9",
    "vermillion": "#f28c4a",
    "green": "#35c79b",
    "purple": "#dc97c3",
    "orange": "#e69f00",
}
BOTTLENECK_STYLE: dict[str, tuple[Color, Shape]] = {
    "prior": ("blue", "circle"),
    "itd": ("vermillion", "square"),
    "td": ("green", "triangle"),
}
SEARCH_STYLE: dict[str, tuple[Color, Shape]] = {
    **BOTTLENECK_STYLE,
    "control": ("purple", "diamond"),
}
ROLE_STYLE: dict[str, tuple[Color, Shape]] = {
    "sobol": ("muted", "ring"),
    "anchor": ("blue", "square"),
    "expected_improvement": ("vermillion", "triangle"),
    "posterior_mean": ("green", "diamond"),
    "manual": ("purple", "cross"),
}


def css_variables(colors: dict[Color, str]) -> str:
    """Declarations ``--ink: #...;`` of all colors."""
    return "".join(f"--{name}:{value};" for name, value in colors.items())
