"""Orthographic ray casting of convex primitives, vectorized over frames and pixels.

F = frames, R = rays of a frame. Every primitive is convex, so a ray meets it in one interval
[enter, leave]; the visible surface of an object is the smallest ``enter`` over its parts. A part
is a unit primitive (|z| <= 1, radius 1), scaled by ``radii`` and moved to ``offset``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
FAR = np.float32(1e6)
TINY = np.float32(1e-6)


@dataclass(frozen=True, slots=True)
class Part:
    """A primitive of every frame: radii and offset [F, 3]."""

    primitive: str
    radii: Array
    offset: Array


def _slab(p: Array, d: Array) -> tuple[Array, Array]:
    """Interval in which |p + t d| <= 1, for one coordinate."""
    safe = np.where(np.abs(d) < TINY, TINY, d)
    first, second = (-1 - p) / safe, (1 - p) / safe
    return np.minimum(first, second), np.maximum(first, second)


def _roots(a: Array, b: Array, c: Array) -> tuple[Array, Array, Array]:
    """Both roots of a t² + 2 b t + c, smaller first, and whether they are real."""
    a = np.where(np.abs(a) < TINY, TINY, a)
    under = b * b - a * c
    root = np.sqrt(np.maximum(under, 0))
    first, second = (-b - root) / a, (-b + root) / a
    return np.minimum(first, second), np.maximum(first, second), under > 0


def _ellipsoid(p: Array, d: Array) -> tuple[Array, Array]:
    first, second, real = _roots((d * d).sum(-1), (p * d).sum(-1), (p * p).sum(-1) - 1)
    return np.where(real, first, FAR), np.where(real, second, -FAR)


def _box(p: Array, d: Array) -> tuple[Array, Array]:
    intervals = [_slab(p[..., k], d[..., k]) for k in range(3)]
    enter = np.maximum.reduce([i[0] for i in intervals])
    return enter, np.minimum.reduce([i[1] for i in intervals])


def _cylinder(p: Array, d: Array) -> tuple[Array, Array]:
    px, dx = p[..., :2], d[..., :2]
    first, second, real = _roots((dx * dx).sum(-1), (px * dx).sum(-1), (px * px).sum(-1) - 1)
    low, high = _slab(p[..., 2], d[..., 2])
    return np.where(real, np.maximum(first, low), FAR), np.minimum(second, high)


def _cone(p: Array, d: Array) -> tuple[Array, Array]:
    """x² + y² <= ((1 - z) / 2)²: radius 1 at z = -1, the apex at z = 1; rays point downwards."""
    px, dx, h, k = p[..., :2], d[..., :2], (1 - p[..., 2]) / 2, -d[..., 2] / 2
    a = (dx * dx).sum(-1) - k * k
    first, second, real = _roots(a, (px * dx).sum(-1) - h * k, (px * px).sum(-1) - h * h)
    low, high = _slab(p[..., 2], d[..., 2])
    steep = (
        a < 0
    )  # between its roots such a ray is outside; it enters the lower cone at the second
    enter = np.where(steep, second, first)
    leave = np.where(steep, FAR, second)
    return np.where(real | steep, np.maximum(enter, low), FAR), np.minimum(leave, high)


PRIMITIVES: dict[str, Callable[[Array, Array], tuple[Array, Array]]] = {
    "ellipsoid": _ellipsoid,
    "box": _box,
    "cylinder": _cylinder,
    "cone": _cone,
}


def _normal(primitive: str, p: Array) -> Array:
    """Outward normal of a unit primitive at surface points [..., 3], not normalized."""
    if primitive == "ellipsoid":
        return p
    if primitive == "box":
        largest = np.abs(p).max(-1, keepdims=True)
        return np.where(np.abs(p) >= largest - 1e-4, np.sign(p), 0)
    flat = np.abs(p[..., 2:]) > 1 - 1e-3
    cap = np.concatenate([np.zeros_like(p[..., :2]), np.sign(p[..., 2:])], axis=-1)
    rise = np.zeros_like(p[..., 2:])
    if primitive == "cone":
        rise = (1 - p[..., 2:]) / 4
        flat = p[..., 2:] < -1 + 1e-3
    return np.where(flat, cap, np.concatenate([p[..., :2], rise], axis=-1))


def cast(parts: list[Part], origin: Array, direction: Array) -> tuple[Array, Array, Array, Array]:
    """The first surface along rays with origins [F, R, 3] and directions [F, 1, 3].

    Returns:
        hit [F, R]; position in object coordinates [F, R, 3]; unit normal [F, R, 3]; part [F, R].
    """
    depth = np.full(origin.shape[:2], FAR, np.float32)
    normal = np.zeros_like(origin)
    index = np.zeros(origin.shape[:2], np.int8)
    for number, part in enumerate(parts):
        radii, offset = part.radii[:, None], part.offset[:, None]
        p = (origin - offset) / radii
        d = np.broadcast_to(direction / radii, p.shape)
        enter, leave = PRIMITIVES[part.primitive](p, d)
        nearer = (enter < leave) & (enter < depth)
        depth = np.where(nearer, enter, depth)
        own = _normal(part.primitive, p + enter[..., None] * d) / radii
        normal = np.where(nearer[..., None], own, normal)
        index = np.where(nearer, number, index)
    hit = depth < FAR
    depth = np.where(hit, depth, 0)
    length = np.sqrt((normal * normal).sum(-1, keepdims=True))
    position = origin + depth[..., None] * direction
    return hit, position, normal / np.maximum(length, TINY), index


def camera(azimuth: Array, elevation: Array) -> tuple[Array, Array, Array]:
    """Right, up and viewing direction, [F, 3] each, for angles in radians; z is up."""
    ca, sa, ce, se = np.cos(azimuth), np.sin(azimuth), np.cos(elevation), np.sin(elevation)
    forward = np.stack([-ca * ce, -sa * ce, -se], axis=-1)
    right = np.stack([-sa, ca, np.zeros_like(ca)], axis=-1)
    up = np.stack([-ca * se, -sa * se, ce], axis=-1)
    return tuple(a.astype(np.float32) for a in (right, up, forward))  # type: ignore[return-value]
