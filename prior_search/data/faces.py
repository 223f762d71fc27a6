"""The embedded image set of the reconstruction track: generated faces, one frame of each.

What they show lies at several scales, from coarse to fine: light and background, head, hair and
clothes; eyes, brows, nose and mouth; then strands, freckles, beard, eyelids and highlights. Every
trait of a face is drawn on its own. ``face_painting`` has the
brushes, ``face_shapes`` and ``face_features`` what they paint.
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
from prior_search.data.face_features import draw_brows, draw_eyes, draw_mouth, draw_nose
from prior_search.data.face_painting import Array, Canvas, draw_trait, muted, strands
from prior_search.data.face_shapes import (
    draw_back_hair,
    draw_beard,
    draw_body,
    draw_fringe,
    draw_head,
)
from prior_search.data.shards import write_tracks

GENERATOR_VERSION = 1  # part of the file's name: a change of any picture must change it
FACES_PER_PART = 50
NUM_PARTS = 70
NUM_FACES = FACES_PER_PART * NUM_PARTS
VALIDATION_SHARE = 1 / 7  # as FFHQ's 10k of 70k
SUPERSAMPLING = 2
NOISE = 0.005  # standard deviation of the sensor's noise; low, for no model can reconstruct it
SKINS = np.array(
    [
        [0.96, 0.80, 0.69],
        [0.89, 0.67, 0.52],
        [0.78, 0.55, 0.40],
        [0.60, 0.40, 0.28],
        [0.40, 0.26, 0.18],
    ],
    np.float32,
)
HAIRS = np.array(
    [
        [0.08, 0.06, 0.05],
        [0.26, 0.16, 0.09],
        [0.50, 0.31, 0.14],
        [0.83, 0.66, 0.36],
        [0.62, 0.24, 0.10],
        [0.66, 0.65, 0.63],
    ],
    np.float32,
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
    draw = partial(draw_trait, rng, FACES_PER_PART)
    size = draw(0.40, 0.52), draw(0.56, 0.68)  # half width and half height of the heads
    u, v, place = _pose(x, y, rng)
    canvas = Canvas(_background(x, y, rng), feather=3.0 / (image_size * SUPERSAMPLING))
    skin, hair = _tone(SKINS, rng), _tone(HAIRS, rng)
    texture, yaw = strands(u, v, rng), draw(-1.0, 1.0)
    draw_back_hair(canvas, u, v, rng, hair=hair * texture, size=size)
    draw_body(canvas, u, v, rng, skin=skin, width=size[0])
    draw_head(canvas, u, v, rng, skin=skin, size=size, yaw=yaw)
    front = u - 0.12 * yaw  # turning the head moves what is in front
    draw_eyes(canvas, front, v, rng, width=size[0], hair=hair)
    draw_nose(canvas, u - 0.16 * yaw, v, rng, skin=skin)
    draw_mouth(canvas, front, v, rng, skin=skin)
    draw_beard(canvas, front, v, rng, hair=hair, size=size)
    draw_brows(canvas, front, v, rng, width=size[0], hair=hair)
    draw_fringe(canvas, u, v, rng, hair=hair * texture, size=size)
    tint = draw(0.82, 1.12) * rng.uniform(0.95, 1.05, (FACES_PER_PART, 3)).astype(np.float32)
    images = to_pixels(canvas.image * tint[:, None], image_size, SUPERSAMPLING, rng, noise=NOISE)
    center, zoom = place[:, :2], place[:, 2:]
    spread = zoom * np.concatenate(size, axis=1) / 4  # of a uniform ellipse: half its axes
    fovea = np.concatenate([(1 + center * np.array([1, -1])) / 2, spread], axis=1)
    return images, fovea.astype(np.float32)


def _pose(x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Pixels in the heads' frames, [F, R] twice; and center x, y and zoom, [F, 3]."""
    low, high = [-0.08, -0.06, 0.92], [0.08, 0.10, 1.12]
    place = rng.uniform(low, high, (FACES_PER_PART, 3)).astype(np.float32)
    center_x, center_y, zoom = place.T[..., None]
    tilt = rng.normal(0, 0.09, (FACES_PER_PART, 1)).astype(np.float32)
    sine, cosine = np.sin(tilt), np.cos(tilt)
    u = ((x - center_x) * cosine + (y - center_y) * sine) / zoom
    v = ((y - center_y) * cosine - (x - center_x) * sine) / zoom
    return u, v, place


def _tone(palette: Array, rng: np.random.Generator) -> Array:
    """A color between two neighbors of a palette for every face, [F, 1, 3]."""
    place = rng.uniform(0, len(palette) - 1.001, FACES_PER_PART)
    low = place.astype(int)
    share = (place - low).astype(np.float32)[:, None]
    return ((1 - share) * palette[low] + share * palette[low + 1])[:, None]


def _background(x: Array, y: Array, rng: np.random.Generator) -> Array:
    """A blend of two colors along waves, brighter on one side: [F, R, 3]."""
    first, second = muted(rng, 2, FACES_PER_PART)
    share = 1 / (1 + np.exp(-waves(x, y, FACES_PER_PART, rng)))[..., None]
    tilt_x, tilt_y = (draw_trait(rng, FACES_PER_PART, -1, 1) for _ in range(2))
    slope = 1 + 0.25 * (tilt_x * x + tilt_y * y)
    return (first * share + second * (1 - share)) * slope[..., None]
