"""What a generated face has besides its features: hair, body, head and beard."""

from __future__ import annotations

import numpy as np

from prior_search.data.face_painting import Array, Canvas, draw_trait, ellipse, muted, rgb, soft


def draw_back_hair(
    canvas: Canvas,
    u: Array,
    v: Array,
    rng: np.random.Generator,
    *,
    hair: Array,
    size: tuple[Array, Array],
) -> None:
    """Hair behind the head, from short to below the shoulders."""
    width, height = size
    length = np.where(
        rng.random((len(u), 1)) < 0.5,
        draw_trait(rng, len(u), 0.3, 1.3),
        draw_trait(rng, len(u), -0.2, 0.1),
    )
    volume = draw_trait(rng, len(u), 1.04, 1.3)
    cap = ellipse(u, v - 0.08, width * volume, height * volume)
    fall = np.maximum(np.abs(u) - width * volume * 0.98, np.maximum(v, -length - v))
    canvas.paint(np.minimum(cap, fall), hair * 0.8)


def draw_body(
    canvas: Canvas, u: Array, v: Array, rng: np.random.Generator, *, skin: Array, width: Array
) -> None:
    """Neck, clothes, some of them striped, and ears."""
    canvas.paint(np.maximum(np.abs(u) - 0.52 * width, v + 0.2), skin * 0.72)
    color = muted(rng, 2, len(u))
    stripes = (
        np.sin(draw_trait(rng, len(u), 8, 30) * (u * draw_trait(rng, len(u), -1, 1) + v))[
            ..., None
        ]
        > 0.2
    )
    is_striped = rng.random((len(u), 1, 1)) < 0.4
    cloth = np.where(stripes & is_striped, color[0], color[1])
    canvas.paint(
        ellipse(
            u, v + 1.42, draw_trait(rng, len(u), 0.85, 1.15), draw_trait(rng, len(u), 0.55, 0.75)
        ),
        cloth,
    )
    for side in (-1, 1):
        canvas.paint(ellipse(u - side * width, v + 0.04, 0.08, 0.15), skin * 0.85)


def draw_head(
    canvas: Canvas,
    u: Array,
    v: Array,
    rng: np.random.Generator,
    *,
    skin: Array,
    size: tuple[Array, Array],
    yaw: Array,
) -> None:
    """Head with jaw, lit from one side, with blush and freckles."""
    width, height = size
    jaw = 1 - draw_trait(rng, len(u), 0.1, 0.4) * np.clip(-v / height, 0, 1) ** 2
    outline = ellipse(u, v, width * jaw, height)
    nx, ny = u / width, v / height
    nz = np.sqrt(np.clip(1 - nx * nx - ny * ny, 0.02, 1))
    light = (
        0.72
        + 0.3 * nz
        + draw_trait(rng, len(u), -0.32, 0.32) * nx
        + draw_trait(rng, len(u), -0.02, 0.2) * ny
    )
    color = skin * light[..., None]
    place = u - 0.12 * yaw
    cheeks = np.minimum(*(ellipse(place - s * 0.24, v + 0.16, 0.16, 0.12) for s in (-1, 1)))
    blush = draw_trait(rng, len(u), 0, 0.22) * soft(cheeks, 0.12)
    color = color * (1 - blush[..., None] * rgb(0.1, 0.7, 0.6))
    freckled = rng.random((len(u), 1)) < 0.3
    spots = np.sin(draw_trait(rng, len(u), 60, 80) * place + 2 * np.sin(37 * v)) * np.sin(
        draw_trait(rng, len(u), 38, 52) * v
    )
    freckles = freckled * (spots > 0.55) * soft(np.abs(v + 0.06) - 0.18, 0.06)
    canvas.paint(outline, color * (1 - 0.16 * freckles[..., None]))


def draw_beard(
    canvas: Canvas,
    u: Array,
    v: Array,
    rng: np.random.Generator,
    *,
    hair: Array,
    size: tuple[Array, Array],
) -> None:
    """A beard on some, from stubble to full, that leaves the mouth free."""
    width, height = size
    share = np.where(rng.random((len(u), 1)) < 0.25, draw_trait(rng, len(u), 0.25, 0.9), 0)
    inside = ellipse(u, v, width * 0.93, height * 0.99)
    below = v + 0.2 + draw_trait(rng, len(u), 0, 0.15) - 0.9 * u * u
    mouth = -ellipse(u, v + 0.36, 0.16, 0.08)
    grain = 0.75 + 0.25 * np.sin(90 * u + 5 * np.sin(31 * v))
    region = np.maximum(np.maximum(inside, below), mouth)
    canvas.paint(region, hair * 0.9, opacity=np.float32(share) * grain)


def draw_fringe(
    canvas: Canvas,
    u: Array,
    v: Array,
    rng: np.random.Generator,
    *,
    hair: Array,
    size: tuple[Array, Array],
) -> None:
    """Hair in front of the head above a slanted, curved hairline; none on a few."""
    width, height = size
    line = (
        draw_trait(rng, len(u), 0.26, 0.46)
        + draw_trait(rng, len(u), -0.35, 0.35) * u
        - draw_trait(rng, len(u), -0.2, 1.3) * u * u
    )
    inside = ellipse(u, v - 0.03, width * 1.07, height * 1.05)
    bald = rng.random((len(u), 1)) < 0.08
    region = np.where(bald, 1.0, np.maximum(inside, line - v))
    canvas.paint(region.astype(np.float32), hair)
