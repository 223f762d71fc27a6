"""Small trees in the layouts of the real downloads, and a conversion of them in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from prior_search.data.conversion import Conversion
from prior_search.data.conversion_plan import ConversionRequest, make_plan
from prior_search.data.manifest import Manifest

WIDTH, HEIGHT = 48, 64


def photograph(seed: int, center: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
    """A picture with a bright disc on noise, and the disc's mask."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 90, (HEIGHT, WIDTH, 3), dtype=np.uint8))
    mask = Image.new("L", (WIDTH, HEIGHT))
    box = (center[0] - 8, center[1] - 8, center[0] + 8, center[1] + 8)
    ImageDraw.Draw(image).ellipse(box, fill=(250, 200, 40))
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    return image, mask


@pytest.fixture(scope="session")
def make_mvimgnet() -> Callable[..., Path]:
    """``CLASS/INSTANCE/images/001.jpg`` with COLMAP's folder beside it; masks where asked."""

    def make(
        root: Path,
        *,
        masks: Path | None = None,
        own_masks: bool = False,
        classes: tuple[str, ...] = ("0", "7"),
        instances: int = 12,
        frames: int = 3,
    ) -> Path:
        for kind in classes:
            for instance in range(instances):
                name = f"{kind.zfill(2)}{instance:06x}"
                folder = root / kind / name
                (folder / "images").mkdir(parents=True)
                (folder / "sparse" / "0").mkdir(parents=True)
                (folder / "sparse" / "0" / "cameras.bin").write_bytes(b"colmap")
                mask_folder = folder / "masks" if own_masks else masks and masks / kind / name
                for frame in range(1, frames + 1):
                    image, mask = photograph(100 * instance + frame, (12 + 6 * frame, 30))
                    image.save(folder / "images" / f"{frame:03d}.jpg", quality=90)
                    if mask_folder:
                        mask_folder.mkdir(parents=True, exist_ok=True)
                        mask.save(mask_folder / f"{frame:03d}.jpg.png")
        return root

    return make


@pytest.fixture(scope="session")
def make_ffhq() -> Callable[..., Path]:
    """``thumbnails128x128/00000/00000.png`` or the like."""

    def make(
        root: Path,
        numbers: list[int],
        *,
        folder: str = "thumbnails128x128",
        size: int = 16,
        flat: bool = False,
    ) -> Path:
        for number in numbers:
            place = root / folder / ("" if flat else f"{number // 1000 * 1000:05d}")
            place.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(number).integers(0, 256, (size, size, 3), np.uint8)
            Image.fromarray(pixels).save(place / f"{number:05d}.png")
        (root / "LICENSE.txt").write_text("license")
        return root

    return make


@pytest.fixture(scope="session")
def convert() -> Callable[..., Manifest]:
    """Convert a tree with small shards, in this process unless told otherwise."""

    def run(
        source: Path,
        dest: Path | str,
        *,
        workers: int = 1,
        max_broken_share: float = 0.01,
        progress: Callable[[Any], None] = lambda _: None,
        **request: Any,
    ) -> Manifest:
        plan = make_plan(ConversionRequest(source=source, **({"size": 16} | request)))
        return Conversion(plan, str(dest), max_broken_share).run(workers, progress)

    return run
