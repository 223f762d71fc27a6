"""MVImgNet and MVImgNet2 as they are downloaded: class / instance / images.

Layouts (https://github.com/GAP-LAB-CUHK-SZ/MVImgNet and .../MVImgNet2.0):

- ``CLASS/INSTANCE/images/001.jpg``, COLMAP files in ``sparse``, which are not read;
- MVImgNet2 brings ``CLASS/INSTANCE/masks``; MVImgNet's masks are a tree of their own,
  ``CLASS/INSTANCE/001.jpg.png``;
- unpacked archives may leave one more folder above, as ``mvi_00/CLASS/INSTANCE/images``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from prior_search.data.source_tree import (
    SourceInstance,
    check_inside,
    folders,
    image_files,
    printable,
)
from prior_search.errors import RequestError

IMAGES, MASKS = "images", "masks"


def held_out(class_folder: str, instance: str, share: float) -> bool:
    """Whether an instance is in the validation split **(ours)**; the same everywhere, for ever.

    The first eight bytes of SHA-256("class/instance") as a fraction of 2^64, below ``share``. It
    depends on nothing else, so a partial download splits as the whole one does.
    """
    digest = hashlib.sha256(f"{printable(class_folder)}/{printable(instance)}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def parts(root: Path) -> list[str]:
    """The folders that hold classes: ``""`` for the root itself, or the archives' folders."""
    if _has_instances(root, root):
        return [""]
    return [f"{name}/" for name in folders(root, root) if _has_instances(root / name, root)]


def _has_instances(path: Path, root: Path) -> bool:
    return any(
        (path / name / instance / IMAGES).is_dir()
        for name in folders(path, root)
        for instance in folders(path / name, root)
    )


def has_own_masks(root: Path) -> bool:
    """Whether instances bring their masks, as in MVImgNet2; the first of each class tells."""
    return any(
        (root / part / name / instance / MASKS).is_dir()
        for part in parts(root)
        for name in folders(root / part, root)
        for instance in folders(root / part / name, root)[:1]
    )


def scan(
    root: Path, masks: Path | None, *, own_masks: bool, validation_share: float
) -> list[SourceInstance]:
    """All instances, sorted by class and name.

    Args:
        root: the download, resolved.
        masks: a separate tree of masks, resolved; it goes before the instances' own.
        own_masks: whether to look for ``masks`` beside ``images``.
        validation_share: expected share of held-out instances.

    Raises:
        RequestError: no instance, an instance twice, or a link that leads outside the tree.
    """
    found: dict[tuple[str, str], SourceInstance] = {}
    for key, place in _places(root):
        if key in found:
            raise RequestError(
                f"instance {printable('/'.join(key))} is in SOURCE twice: "
                f"{printable(found[key].folder)} and {printable(place)}/{IMAGES}"
            )
        frames = image_files(root / place / IMAGES)
        own = [root / place / MASKS] if own_masks else []
        if frames:
            found[key] = SourceInstance(
                folder=f"{place}/{IMAGES}",
                frames=frames,
                masks=tuple(str(folder) for folder in _mask_folders(masks, place, key, own)),
                class_folder=key[0],
                is_validation=held_out(*key, validation_share),
            )
    if not found:
        raise RequestError(
            f"{printable(str(root))} holds no CLASS/INSTANCE/{IMAGES}/*.jpg; "
            "see docs/data.md for the layouts"
        )
    return [found[key] for key in sorted(found)]


def _places(root: Path) -> Iterator[tuple[tuple[str, str], str]]:
    """(class, instance) and folder of every instance that has images."""
    for part in parts(root):
        for name in folders(root / part, root):
            for instance in folders(root / part / name, root):
                place = f"{part}{name}/{instance}"
                if (root / place / IMAGES).is_dir():
                    check_inside(root / place / IMAGES, root)
                    yield (name, instance), place


def _mask_folders(
    masks: Path | None, place: str, key: tuple[str, str], own: list[Path]
) -> list[Path]:
    if masks is None:
        return own
    plain = masks / key[0] / key[1]
    separate = (masks / place, plain, masks / place / MASKS, plain / MASKS)
    return [*dict.fromkeys(folder for folder in separate if folder.is_dir()), *own]
