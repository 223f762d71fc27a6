"""FFHQ as it is downloaded: ``images1024x1024`` and ``thumbnails128x128``.

Both hold ``00000/00000.png`` (a folder per thousand) or, from older scripts, ``00000.png``. The
published split (https://github.com/NVlabs/ffhq-dataset): the first 60,000 images for training, the
last 10,000 for validation.
"""

from __future__ import annotations

import re
from pathlib import Path

from prior_search.data.source_tree import SourceInstance, folders, image_files, printable
from prior_search.errors import RequestError

IMAGES, THUMBNAILS = "images1024x1024", "thumbnails128x128"
THUMBNAIL_SIZE = 128  # pixels
TRAIN_IMAGES, ALL_IMAGES = 60_000, 70_000
_NAME = re.compile(r"(\d{5})\.png", re.ASCII)


def holds_ffhq(root: Path) -> bool:
    """Whether the folder is a download, or one of its two image folders."""
    return root.name in (IMAGES, THUMBNAILS) or any(
        (root / name).is_dir() for name in (IMAGES, THUMBNAILS)
    )


def image_folder(root: Path, size: int) -> Path:
    """Which folder to read: thumbnails if they are there and large enough for ``size`` pixels.

    Raises:
        RequestError: neither is there, or only thumbnails, which are too small.
    """
    if root.name in (IMAGES, THUMBNAILS):
        chosen = root
    else:
        names = (IMAGES,) if size > THUMBNAIL_SIZE else (THUMBNAILS, IMAGES)
        there = [root / name for name in names if (root / name).is_dir()]
        if not there:
            raise RequestError(
                f"{printable(str(root))}: images of {size} pixels need a folder "
                f"{' or '.join(names)}, found {', '.join(folders(root, root)) or 'none'}"
            )
        chosen = there[0]
    if chosen.name == THUMBNAILS and size > THUMBNAIL_SIZE:
        raise RequestError(f"{printable(str(chosen))} has {THUMBNAIL_SIZE} pixels, not {size}")
    return chosen


def scan(root: Path, *, size: int) -> list[SourceInstance]:
    """All images, each an instance of one frame, by number.

    Raises:
        RequestError: no image, a name that is no number below 70,000, a number twice, or a part
            of the split without images.
    """
    folder = image_folder(root, size)
    found: dict[int, SourceInstance] = {}
    for place in ("", *folders(folder, root)):
        for name in image_files(folder / place):
            number = _number(name, folder / place)
            inside = (folder / place).relative_to(root).as_posix()
            if number in found:
                raise RequestError(f"image {number:05d} is in {folder} twice")
            found[number] = SourceInstance(
                folder=inside,
                frames=(name,),
                masks=(),
                class_folder=None,
                is_validation=number >= TRAIN_IMAGES,
            )
    if not found:
        raise RequestError(f"{printable(str(folder))} holds no images as 00000/00000.png")
    return [found[number] for number in sorted(found)]


def _number(name: str, folder: Path) -> int:
    match = _NAME.fullmatch(name)
    if match is None or int(match[1]) >= ALL_IMAGES:
        raise RequestError(
            f"{printable(str(folder / name))}: FFHQ's images are called 00000.png to "
            f"{ALL_IMAGES - 1}.png; the number decides the split"
        )
    return int(match[1])
