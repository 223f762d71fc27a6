"""The embedded image set of the reconstruction track: generated faces, one frame of each.

What they show lies at several scales, from coarse to fine: light and background, head, hair and
clothes; eyes, brows, nose and mouth; then strands, freckles, beard, eyelids and highlights. Every
trait of a face is drawn on its own. ``face_painting`` has the brushes.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from prior_search.data.embedded import (
    Progress,
    cached_file,
    pixel_grid,
    render_in_processes,
    to_pixels,
    waves,
)
from prior_search.data.face_painting import (
    Array,
    Canvas,
    draw_brows,
    draw_eyes,
    draw_mouth,
    draw_nose,
    ellipse,
    soft,
    strands,
)
from prior_search.data.shards import write_tracks

GENERATOR_VERSION = 1  # part of the file's name: a change of any picture must change it
FACES_PER_PART = 50
NUM_PARTS = 70
NUM_FACES = FACES_PER_PART * NUM_PARTS
VALIDATION_SHARE = 1 / 7  # as FFHQ's 10k of 70k
SUPERSAMPLING = 2
NOISE = 0.005  # standard deviation of the sensor's noise; low, for no model can reconstruct it
SKINS = np.float32(
    [
        [0.96, 0.80, 0.69],
        [0.89, 0.67, 0.52],
        [0.78, 0.55, 0.40],
        [0.60, 0.40, 0.28],
        [0.40, 0.26, 0.18],
    ]
)
HAIRS = np.float32(
    [
        [0.08, 0.06, 0.05],
        [0.26, 0.16, 0.09],
        [0.50, 0.31, 0.14],
        [0.83, 0.66, 0.36],
        [0.62, 0.24, 0.10],
        [0.66, 0.65, 0.63],
    ]
)


def embedded_faces(
    cache: Path,
    *,
    seed: int = 0,
    image_size: int = 32,
    num_processes: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """The Arrow file of the generated faces; made if the cache does not hold it.

    Args:
        cache: folder for the file; two processes that ask at once make it once.
        seed: the same seed gives the same file, whatever the number of processes.
        image_size: side of the square images, pixels.
        num_processes: default one per available core.
        progress: called with (parts done, parts in all).
    """
    path = cache / f"faces-v{GENERATOR_VERSION}-s{seed}-{image_size}px.arrow"
    return cached_file(
        path, lambda place: _generate(place, seed, image_size, num_processes, progress)
    )


def _generate(
    path: Path,
    seed: int,
    image_size: int,
    num_processes: int | None,
    progress: Progress | None,
) -> None:
    images, fovea = render_in_processes(
        partial(render_faces, seed=seed, image_size=image_size),
        range(NUM_PARTS),
        num_processes=num_processes,
        progress=progress,
    )
    held_out = np.zeros(NUM_FACES, bool)
    order = np.random.default_rng([seed, 1]).permutation(NUM_FACES)
    held_out[order[: round(VALIDATION_SHARE * NUM_FACES)]] = True
    write_tracks(
        path,
        images=images,
        fovea=fovea,
        instance=np.arange(NUM_FACES, dtype=np.int32),
        labels=np.zeros((NUM_FACES, 0), np.int16),
        is_validation=held_out,
        level_names=(),
        class_names=(),
        source=f"generated faces, version {GENERATOR_VERSION}, seed {seed}",
    )


def render_faces(part: int, *, seed: int, image_size: int) -> tuple[Array, Array]:
    """Fifty faces: images uint8 [F, 3, H, W], and foveas float32 [F, 4] of the heads."""
    rng = np.random.default_rng([seed, 0, part])
    x, y = pixel_grid(image_size * SUPERSAMPLING)
    draw = partial(_draw, rng)
    center_x, center_y, tilt = (
        draw(-0.08, 0.08),
        draw(-0.06, 0.1),
        rng.normal(0, 0.09, (FACES_PER_PART, 1)),
    )
    zoom, yaw = draw(0.92, 1.12), draw(-1.0, 1.0)
    width, height = draw(0.40, 0.52), draw(0.56, 0.68)
    sine, cosine = np.float32(np.sin(tilt)), np.float32(np.cos(tilt))
    u = ((x - center_x) * cosine + (y - center_y) * sine) / zoom  # [F, R], in the head's frame
    v = ((y - center_y) * cosine - (x - center_x) * sine) / zoom
    canvas = Canvas(_background(x, y, rng), feather=3.0 / (image_size * SUPERSAMPLING))
    skin, hair = _tone(SKINS, rng), _tone(HAIRS, rng)
    texture = strands(u, v, rng)
    _draw_back_hair(canvas, u, v, rng, hair=hair * texture, size=(width, height))
    _draw_body(canvas, u, v, rng, skin=skin, width=width)
    _draw_head(canvas, u, v, rng, skin=skin, size=(width, height), yaw=yaw)
    at_features = u - 0.12 * yaw  # turning the head moves what is in front
    draw_eyes(canvas, at_features, v, rng, width=width, hair=hair)
    draw_nose(canvas, u - 0.16 * yaw, v, rng, skin=skin)
    draw_mouth(canvas, at_features, v, rng, skin=skin)
    _draw_beard(canvas, at_features, v, rng, hair=hair, size=(width, height))
    draw_brows(canvas, at_features, v, rng, width=width, hair=hair)
    _draw_fringe(canvas, u, v, rng, hair=hair * texture, size=(width, height))
    tint = draw(0.82, 1.12) * rng.uniform(0.95, 1.05, (FACES_PER_PART, 3)).astype(np.float32)
    images = to_pixels(canvas.image * tint[:, None], image_size, SUPERSAMPLING, rng, noise=NOISE)
    head = ((1 + center_x) / 2, (1 - center_y) / 2, zoom * width / 4, zoom * height / 4)
    return images, np.concatenate(head, axis=1).astype(np.float32)


def _draw(rng: np.random.Generator, low: float, high: float) -> Array:
    """A trait of every face, float32 [F, 1]."""
    return rng.uniform(low, high, (FACES_PER_PART, 1)).astype(np.float32)


def _tone(palette: Array, rng: np.random.Generator) -> Array:
    """A color between two neighbors of a palette for every face, [F, 1, 3]."""
    place = rng.uniform(0, len(palette) - 1.001, FACES_PER_PART)
    low = place.astype(int)
    share = np.float32(place - low)[:, None]
    return ((1 - share) * palette[low] + share * palette[low + 1])[:, None]


def _muted(rng: np.random.Generator, count: int) -> Array:
    """Colors nearer to gray than uniform ones, [count, F, 1, 3]."""
    color = rng.uniform(0.05, 0.95, (count, FACES_PER_PART, 1, 3)).astype(np.float32)
    return 0.55 * color + 0.45 * color.mean(-1, keepdims=True)


def _background(x: Array, y: Array, rng: np.random.Generator) -> Array:
    """A blend of two colors along waves, brighter on one side: [F, R, 3]."""
    first, second = _muted(rng, 2)
    share = 1 / (1 + np.exp(-waves(x, y, FACES_PER_PART, rng)))[..., None]
    slope = 1 + 0.25 * (_draw(rng, -1, 1) * x + _draw(rng, -1, 1) * y)
    return (first * share + second * (1 - share)) * slope[..., None]


def _draw_back_hair(
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
        rng.random((FACES_PER_PART, 1)) < 0.5, _draw(rng, 0.3, 1.3), _draw(rng, -0.2, 0.1)
    )
    volume = _draw(rng, 1.04, 1.3)
    cap = ellipse(u, v - 0.08, width * volume, height * volume)
    fall = np.maximum(np.abs(u) - width * volume * 0.98, np.maximum(v, -length - v))
    canvas.paint(np.minimum(cap, fall), hair * 0.8)


def _draw_body(
    canvas: Canvas, u: Array, v: Array, rng: np.random.Generator, *, skin: Array, width: Array
) -> None:
    """Neck, clothes, some of them striped, and ears."""
    canvas.paint(np.maximum(np.abs(u) - 0.52 * width, v + 0.2), skin * 0.72)
    color = _muted(rng, 2)
    stripes = np.sin(_draw(rng, 8, 30) * (u * _draw(rng, -1, 1) + v))[..., None] > 0.2
    is_striped = rng.random((FACES_PER_PART, 1, 1)) < 0.4
    cloth = np.where(stripes & is_striped, color[0], color[1])
    canvas.paint(ellipse(u, v + 1.42, _draw(rng, 0.85, 1.15), _draw(rng, 0.55, 0.75)), cloth)
    for side in (-1, 1):
        canvas.paint(ellipse(u - side * width, v + 0.04, 0.08, 0.15), skin * 0.85)


def _draw_head(
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
    jaw = 1 - _draw(rng, 0.1, 0.4) * np.clip(-v / height, 0, 1) ** 2
    outline = ellipse(u, v, width * jaw, height)
    nx, ny = u / width, v / height
    nz = np.sqrt(np.clip(1 - nx * nx - ny * ny, 0.02, 1))
    light = 0.72 + 0.3 * nz + _draw(rng, -0.32, 0.32) * nx + _draw(rng, -0.02, 0.2) * ny
    color = skin * light[..., None]
    place = u - 0.12 * yaw
    cheeks = np.minimum(*(ellipse(place - s * 0.24, v + 0.16, 0.16, 0.12) for s in (-1, 1)))
    blush = _draw(rng, 0, 0.22) * soft(cheeks, 0.12)
    color = color * (1 - blush[..., None] * np.float32([0.1, 0.7, 0.6]))
    freckled = rng.random((FACES_PER_PART, 1)) < 0.3
    spots = np.sin(_draw(rng, 60, 80) * place + 2 * np.sin(37 * v)) * np.sin(
        _draw(rng, 38, 52) * v
    )
    freckles = freckled * (spots > 0.55) * soft(np.abs(v + 0.06) - 0.18, 0.06)
    canvas.paint(outline, color * (1 - 0.16 * freckles[..., None]))


def _draw_beard(
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
    share = np.where(rng.random((FACES_PER_PART, 1)) < 0.25, _draw(rng, 0.25, 0.9), 0)
    inside = ellipse(u, v, width * 0.93, height * 0.99)
    below = v + 0.2 + _draw(rng, 0, 0.15) - 0.9 * u * u
    mouth = -ellipse(u, v + 0.36, 0.16, 0.08)
    grain = 0.75 + 0.25 * np.sin(90 * u + 5 * np.sin(31 * v))
    region = np.maximum(np.maximum(inside, below), mouth)
    canvas.paint(region, hair * 0.9, opacity=np.float32(share) * grain)


def _draw_fringe(
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
    line = _draw(rng, 0.26, 0.46) + _draw(rng, -0.35, 0.35) * u - _draw(rng, -0.2, 1.3) * u * u
    inside = ellipse(u, v - 0.03, width * 1.07, height * 1.05)
    bald = rng.random((FACES_PER_PART, 1)) < 0.08
    region = np.where(bald, 1.0, np.maximum(inside, line - v))
    canvas.paint(region.astype(np.float32), hair)
