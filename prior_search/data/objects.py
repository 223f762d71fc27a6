"""The embedded data set: generated objects, seen from several cameras, rendered on the spot.

Labels come from ``taxonomy``; sizes, colors and pattern are an instance's own; camera, light,
background, place and scale are new in every frame, so that only the object tells views of one
instance from those of another.
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
from prior_search.data.rendering import Array, Part, camera, cast
from prior_search.data.shards import write_tracks
from prior_search.data.taxonomy import BODIES, LEVELS, ObjectClass, object_classes

GENERATOR_VERSION = 1  # part of the file's name: a change of any picture must change it
INSTANCES_PER_CLASS = 21
VIEWS = 8
SUPERSAMPLING = 2
NOISE = 0.02  # standard deviation of the sensor's noise
VALIDATION_SHARE = 0.2


def embedded_objects(
    cache: Path,
    *,
    seed: int = 0,
    image_size: int = 32,
    num_processes: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """The Arrow file of the generated objects; made if the cache does not hold it.

    Args:
        cache: folder for the file; two processes that ask at once make it once.
        seed: the same seed gives the same file, whatever the number of processes.
        image_size: side of the square images, pixels.
        num_processes: default one per available core.
        progress: called with (classes done, classes in all).
    """
    path = cache / f"objects-v{GENERATOR_VERSION}-s{seed}-{image_size}px.arrow"
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
    classes = object_classes()
    render = partial(render_class, seed=seed, image_size=image_size)
    images, fovea = render_in_processes(
        render, classes, num_processes=num_processes, progress=progress
    )
    per_class = INSTANCES_PER_CLASS * VIEWS
    labels = np.repeat([c.labels for c in classes], per_class, axis=0).astype(np.int16)
    instance = np.repeat(np.arange(len(classes) * INSTANCES_PER_CLASS, dtype=np.int32), VIEWS)
    write_tracks(
        path,
        images=images,
        fovea=fovea,
        instance=instance,
        labels=labels,
        is_validation=_validation_split(len(classes), seed)[instance],
        level_names=LEVELS,
        class_names=[c.name for c in classes],
        source=f"generated objects, version {GENERATOR_VERSION}, seed {seed}",
    )


def _validation_split(num_classes: int, seed: int) -> Array:
    """Whether each instance is held out: the same number from every class."""
    held_out = np.zeros((num_classes, INSTANCES_PER_CLASS), bool)
    for number, row in enumerate(held_out):
        rng = np.random.default_rng([seed, 1, number])
        count = round(VALIDATION_SHARE * INSTANCES_PER_CLASS)
        row[rng.choice(INSTANCES_PER_CLASS, count, replace=False)] = True
    return held_out.ravel()


def render_class(kind: ObjectClass, *, seed: int, image_size: int) -> tuple[Array, Array]:
    """All frames of one class: images uint8 [F, 3, H, W] and foveas float32 [F, 4]."""
    rng = np.random.default_rng([seed, 0, kind.labels[-1]])
    parts = _parts(kind, rng)
    frames = INSTANCES_PER_CLASS * VIEWS
    colors = _instance_colors(rng)
    texture = np.repeat(
        rng.uniform([0.8, 0.0], [1.25, 2 * np.pi], (INSTANCES_PER_CLASS, 2)), VIEWS, 0
    )
    view = np.tile(np.arange(VIEWS), INSTANCES_PER_CLASS)
    azimuth = 2 * np.pi * (view + rng.uniform(-0.4, 0.4, frames)) / VIEWS
    right, up, forward = camera(azimuth, rng.uniform(0.25, 0.95, frames))
    x, y = pixel_grid(image_size * SUPERSAMPLING)
    center = rng.uniform(-0.22, 0.22, (frames, 2, 1)).astype(np.float32)
    zoom = rng.uniform(0.95, 1.35, (frames, 1)).astype(np.float32)
    u, v = zoom * (x - center[:, 0]), zoom * (y - center[:, 1])  # [F, R], up is positive
    origin = u[..., None] * right[:, None] + v[..., None] * up[:, None] - 5 * forward[:, None]
    hit, position, normal, part = cast(parts, origin, forward[:, None])
    base = _texture(kind.pattern, position, part, colors, texture)
    surface = _shade(base, normal, right, up, forward, rng)
    image = np.where(hit[..., None], surface, _background(x, y, frames, rng))
    return to_pixels(image, image_size, SUPERSAMPLING, rng, noise=NOISE), _fovea(hit, x, y)


def _parts(kind: ObjectClass, rng: np.random.Generator) -> list[Part]:
    """Body and attachments with the instances' own sizes, repeated for every view."""
    count = INSTANCES_PER_CLASS
    radii = np.asarray(BODIES[kind.body][kind.proportions]) * rng.uniform(0.85, 1.15, (count, 3))
    specs: list[tuple[str, Array, Array]] = [(kind.body, radii, np.zeros((count, 3)))]
    zero = np.zeros(count)
    if kind.attachment == "knob":
        size = rng.uniform(0.16, 0.28, count)
        top = radii[:, 2] + 0.6 * size
        specs.append(
            ("ellipsoid", np.repeat(size[:, None], 3, 1), np.stack([zero, zero, top], -1))
        )
    if kind.attachment == "arms":
        reach, thick = rng.uniform(0.2, 0.34, count), rng.uniform(0.08, 0.16, count)
        for side in (-1.0, 1.0):
            place = side * (radii[:, 0] + 0.7 * reach)
            specs.append(
                ("box", np.stack([reach, thick, thick], -1), np.stack([place, zero, zero], -1))
            )
    return [
        Part(name, *(np.repeat(a, VIEWS, 0).astype(np.float32) for a in (size, offset)))
        for name, size, offset in specs
    ]


def _instance_colors(rng: np.random.Generator) -> Array:
    """Two colors of the body and one of the attachments, [F, 3, 3], alike in all views."""
    colors = rng.uniform(0.12, 0.95, (INSTANCES_PER_CLASS, 3, 3))
    return np.repeat(colors, VIEWS, 0).astype(np.float32)


def _texture(pattern: str, position: Array, part: Array, colors: Array, texture: Array) -> Array:
    """Unlit color of surface points [F, R, 3]."""
    scale, phase = texture[:, :1].astype(np.float32), texture[:, 1:].astype(np.float32)
    wave = np.sin(9 * scale * position[..., 2] + phase)
    if pattern == "checks":
        wave = wave * np.sin(9 * scale * position[..., 0] + phase) * 2
        wave = wave * np.where(np.sin(9 * scale * position[..., 1] + phase) > 0, 1, -1)
    if pattern == "plain":
        wave = np.ones_like(wave)
    second = (wave > 0)[..., None]
    body = np.where(second, colors[:, None, 0], colors[:, None, 1])
    return np.where((part == 0)[..., None], body, colors[:, None, 2])


def _shade(
    base: Array, normal: Array, right: Array, up: Array, forward: Array, rng: np.random.Generator
) -> Array:
    """Lambert and a highlight from one light per frame, with a tint and an ambient part."""
    frames = len(base)
    tilt = rng.uniform(-0.8, 0.8, (frames, 2, 1)).astype(np.float32)
    light = tilt[:, 0] * right + (0.5 + tilt[:, 1]) * up - forward
    light /= np.linalg.norm(light, axis=-1, keepdims=True)
    lambert = np.maximum((normal * light[:, None]).sum(-1), 0)
    half = light - forward
    half /= np.linalg.norm(half, axis=-1, keepdims=True)
    highlight = np.maximum((normal * half[:, None]).sum(-1), 0) ** 24
    tint = rng.uniform(0.75, 1.1, (frames, 1, 3)).astype(np.float32)
    ambient = rng.uniform(0.2, 0.45, (frames, 1)).astype(np.float32)
    lit = base * tint * (ambient + (1 - ambient) * lambert)[..., None]
    return lit + 0.25 * highlight[..., None]


def _background(x: Array, y: Array, frames: int, rng: np.random.Generator) -> Array:
    """A blend of two colors along waves of random direction, new in every frame: [F, R, 3]."""
    first, second = rng.uniform(0.0, 0.9, (2, frames, 1, 3)).astype(np.float32)
    blend = waves(x, y, frames, rng)
    share = 1 / (1 + np.exp(-1.5 * blend))[..., None]
    return first * share + second * (1 - share)


def _fovea(hit: Array, x: Array, y: Array) -> Array:
    """Mean and standard deviation of the object's pixels, in units of the image, y down."""
    weight = hit / np.maximum(hit.sum(-1, keepdims=True), 1)
    px, py = (x + 1) / 2, (1 - y) / 2
    mx, my = (weight * px).sum(-1), (weight * py).sum(-1)
    sx = np.sqrt((weight * (px - mx[:, None]) ** 2).sum(-1))
    sy = np.sqrt((weight * (py - my[:, None]) ** 2).sum(-1))
    return np.stack([mx, my, sx.clip(0.05), sy.clip(0.05)], axis=-1).astype(np.float32)
