"""Eyes, brows, nose and mouth of the generated faces."""

from __future__ import annotations

import numpy as np

from prior_search.data.face_painting import Array, Canvas, ellipse, rgb

IRISES = np.array(
    [[0.25, 0.14, 0.07], [0.20, 0.36, 0.55], [0.24, 0.42, 0.25], [0.12, 0.08, 0.06]],
    np.float32,
)


def draw_eyes(
    canvas: Canvas, u: Array, v: Array, rng: np.random.Generator, *, width: Array, hair: Array
) -> None:
    """Eyes with lids, iris, pupil and highlight; glasses on some."""
    faces = len(u)
    low = [0.36, 0.03, 0.075, 0.030, 0.032, -0.02, -0.01]
    high = [0.46, 0.10, 0.100, 0.058, 0.046, 0.02, 0.01]
    traits = rng.uniform(low, high, (faces, 7)).astype(np.float32).T[..., None]
    apart, height, a, b, iris, gaze_u, gaze_v = traits
    color = IRISES[rng.integers(len(IRISES), size=faces)][:, None]
    color = color * rng.uniform(0.8, 1.4, (faces, 1, 1)).astype(np.float32)
    frame = np.where(rng.random((faces, 1)) < 0.2, 1.0, 0.0)
    for side in (-1, 1):
        eu, ev = u - side * apart * width, v - height
        lid = ellipse(eu, ev, a, b)
        canvas.paint(ellipse(eu, ev - 0.01, a * 1.35, b * 1.7), rgb(0.3, 0.2, 0.2), 0.25)
        canvas.paint(lid, rgb(0.93, 0.92, 0.9))
        ball = ellipse(eu - gaze_u, ev - gaze_v, iris, iris)
        canvas.paint(np.maximum(lid, ball), color)
        canvas.paint(np.maximum(lid, ball + 0.55 * iris), rgb(0.03, 0.03, 0.03))
        glint = ellipse(eu - gaze_u - 0.014, ev - gaze_v - 0.014, 0.01, 0.01)
        canvas.paint(np.maximum(lid, glint), rgb(1, 1, 1))
        edge = np.maximum(np.abs(lid) - 0.009, -ev)
        canvas.paint(edge, rgb(0.1, 0.07, 0.06), 0.9)
        rim = np.abs(ellipse(eu, ev, 0.155, 0.125)) - 0.012
        canvas.paint(rim, hair * 0.3, frame)
    canvas.paint(np.maximum(np.abs(v - height) - 0.012, np.abs(u) - 0.06), hair * 0.3, frame)


def draw_brows(
    canvas: Canvas, u: Array, v: Array, rng: np.random.Generator, *, width: Array, hair: Array
) -> None:
    """Two arcs above the eyes, raised and slanted by mood."""
    low, high = [0.20, -0.35, 0.3, 0.012, 0.085], [0.27, 0.35, 2.5, 0.03, 0.12]
    height, slant, arch, thick, half = (
        rng.uniform(low, high, (len(u), 5)).astype(np.float32).T[..., None]
    )
    for side in (-1, 1):
        eu = side * u - 0.42 * width
        line = height + slant * eu - arch * eu * eu
        canvas.paint(np.maximum(np.abs(v - line) - thick, np.abs(eu) - half), hair * 0.7, 0.9)


def draw_nose(
    canvas: Canvas, u: Array, v: Array, rng: np.random.Generator, *, skin: Array
) -> None:
    """Ridge, tip and nostrils."""
    low, high = [-0.20, 0.05, -1.0], [-0.11, 0.085, 1.0]
    tip, wide, light = rng.uniform(low, high, (len(u), 3)).astype(np.float32).T[..., None]
    ridge = np.maximum(np.abs(u + 0.03 * light) - 0.02, np.abs(v - (tip + 0.12) + 0.02) - 0.14)
    canvas.paint(ridge, skin * 1.15, 0.5)
    canvas.paint(ellipse(u, v - tip + 0.03, wide * 1.15, 0.045), skin * 0.68, 0.8)
    canvas.paint(ellipse(u, v - tip, wide, 0.05), skin * 1.02, 0.9)
    for side in (-1, 1):
        canvas.paint(ellipse(u - side * wide * 0.55, v - tip + 0.032, 0.02, 0.013), skin * 0.25)


def draw_mouth(
    canvas: Canvas, u: Array, v: Array, rng: np.random.Generator, *, skin: Array
) -> None:
    """Lips along a smile or a frown; open with teeth on some."""
    faces = len(u)
    low, high = [-0.41, 0.11, 0.018, 0.022, -0.6, -0.045], [-0.33, 0.19, 0.032, 0.05, 2.2, 0.06]
    place, half, upper, lower, smile, opening = (
        rng.uniform(low, high, (faces, 6)).astype(np.float32).T[..., None]
    )
    gap = np.maximum(opening, 0)
    tint = rng.uniform([0.75, 0.25, 0.25], [1.1, 0.75, 0.75], (faces, 3)).astype(np.float32)
    lips = skin * tint[:, None]
    mv = v - place - smile * u * u
    dip = 0.35 * upper * np.exp(-((u / 0.03) ** 2))
    canvas.paint(ellipse(u, mv - gap / 2 + dip, half, upper + gap / 2), lips * 0.9)
    canvas.paint(ellipse(u, mv + gap / 2 + 0.01, half * 0.9, lower + gap / 2), lips)
    inner = ellipse(u, mv, half * 0.85, gap + 0.007)
    canvas.paint(inner, rgb(0.2, 0.05, 0.06))
    canvas.paint(np.maximum(inner, 0.1 * gap - mv), rgb(0.95, 0.94, 0.9))
