"""What a conversion will do, decided before the first image is read: instances, labels, shards."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from prior_search.data import ffhq, mvimgnet
from prior_search.data.source_tree import SourceInstance, listing_digest, printable
from prior_search.data.taxonomy_table import TaxonomyTable, folder_taxonomy, read_taxonomy
from prior_search.errors import RequestError

CONVERSION_VERSION = 1  # a change of any pixel, label or split of the result must change it
Layout = Literal["mvimgnet", "mvimgnet2", "ffhq"]
TITLES = {"mvimgnet": "MVImgNet", "mvimgnet2": "MVImgNet2", "ffhq": "FFHQ"}
MAX_SIZE = 2048  # pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionRequest:
    """What a user asks for.

    Attributes:
        source: the download.
        layout: how it is laid out; None: found out.
        masks: a separate tree of masks.
        taxonomy: table of the classes.
        size: side of the frames, pixels.
        validation_share: expected share of held-out instances; FFHQ has its own split.
        max_frames: at most so many frames of an instance, evenly spaced; None: all.
        shard_mib: most pixels of a shard, MiB; a single longer instance makes a longer one.
    """

    source: Path
    layout: Layout | None = None
    masks: Path | None = None
    taxonomy: Path | None = None
    size: int
    validation_share: float = 0.1
    max_frames: int | None = None
    shard_mib: int = 128

    def __post_init__(self) -> None:
        if not 1 <= self.size <= MAX_SIZE:
            raise RequestError(f"--size must be from 1 to {MAX_SIZE} pixels, got {self.size}")
        if not 0 < self.validation_share < 1:
            raise RequestError(
                f"--validation-share must be between 0 and 1, got {self.validation_share}"
            )
        for name, folder in (("SOURCE", self.source), ("--masks", self.masks)):
            if folder is not None and not folder.is_dir():
                raise RequestError(f"{name} {folder} is no folder")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionPlan:
    """What will be in which shard.

    Attributes:
        root: the source, resolved.
        mask_root: the tree that masks must be in.
        instances: all of them, in the order of the result.
        shards: first and last + 1 of each shard's instances.
        min_frames: an instance with fewer usable frames is left out.
        arguments: all that the result depends on; equal arguments, equal result.
    """

    root: Path
    mask_root: Path
    instances: list[SourceInstance]
    shards: list[tuple[int, int]]
    taxonomy: TaxonomyTable
    min_frames: int
    size: int
    title: str
    arguments: Mapping[str, Any]

    @property
    def num_frames(self) -> int:
        """Frames of all instances, usable or not."""
        return sum(len(instance.frames) for instance in self.instances)


def make_plan(request: ConversionRequest) -> ConversionPlan:
    """List the source and decide everything.

    Raises:
        RequestError: the source has another layout, contradicts the table, leaves a split empty,
            or leads outside itself.
    """
    root = request.source.resolve()
    masks = None if request.masks is None else request.masks.resolve()
    layout = request.layout or _layout(root)
    instances = _scan(root, masks, layout, request)
    if request.max_frames is not None:
        instances = [_thinned(instance, request.max_frames) for instance in instances]
    _check_splits(instances, request)
    taxonomy = _taxonomy(instances, request.taxonomy)
    frame_bytes = 3 * request.size**2
    shards = _shards(instances, max(1, request.shard_mib * 2**20 // frame_bytes))
    arguments = {
        "version": CONVERSION_VERSION,
        "source": printable(str(root)),
        "listing": listing_digest(instances),
        "layout": layout,
        "masks": None if masks is None else printable(str(masks)),
        "taxonomy": taxonomy.digest,
        "size": request.size,
        "validation_share": request.validation_share,
        "max_frames": request.max_frames,
        "shard_mib": request.shard_mib,
    }
    return ConversionPlan(
        root=root,
        mask_root=masks or root,
        instances=instances,
        shards=shards,
        taxonomy=taxonomy,
        min_frames=1 if layout == "ffhq" else 2,
        size=request.size,
        title=TITLES[layout],
        arguments=arguments,
    )


def _layout(root: Path) -> Layout:
    """The layout of a download.

    Raises:
        RequestError: it has none of them.
    """
    if ffhq.holds_ffhq(root):
        return "ffhq"
    if mvimgnet.parts(root):
        return "mvimgnet2" if mvimgnet.has_own_masks(root) else "mvimgnet"
    raise RequestError(
        f"{printable(str(root))} has none of the known layouts: CLASS/INSTANCE/images/*.jpg "
        f"(MVImgNet), {ffhq.IMAGES} or {ffhq.THUMBNAILS} (FFHQ); see docs/data.md"
    )


def _scan(
    root: Path, masks: Path | None, layout: Layout, request: ConversionRequest
) -> list[SourceInstance]:
    if layout != "ffhq":
        return mvimgnet.scan(
            root,
            masks,
            own_masks=layout == "mvimgnet2",
            validation_share=request.validation_share,
        )
    for name, value in (("--masks", masks), ("--taxonomy", request.taxonomy)):
        if value is not None:
            raise RequestError(f"{name} does not go with FFHQ, which has no classes and no masks")
    return ffhq.scan(root, size=request.size)


def _thinned(instance: SourceInstance, most: int) -> SourceInstance:
    """The instance with at most so many frames, evenly spaced, first and last included."""
    count = len(instance.frames)
    if count <= most:
        return instance
    chosen = np.linspace(0, count - 1, most).round().astype(int)
    return replace(instance, frames=tuple(instance.frames[k] for k in chosen))


def _check_splits(instances: list[SourceInstance], request: ConversionRequest) -> None:
    validation = sum(instance.is_validation for instance in instances)
    for split, count in (("training", len(instances) - validation), ("validation", validation)):
        if count == 0:
            rule = (
                f"--validation-share is {request.validation_share}"
                if instances[0].class_folder is not None
                else f"images below {ffhq.TRAIN_IMAGES} are for training, the others held out"
            )
            raise RequestError(
                f"none of the {len(instances)} instances of SOURCE is a {split} one: {rule}"
            )


def _taxonomy(instances: list[SourceInstance], path: Path | None) -> TaxonomyTable:
    found = {i.class_folder for i in instances if i.class_folder is not None}
    if not found:
        return TaxonomyTable(labels={})
    if path is None:
        return folder_taxonomy(found)
    table = read_taxonomy(path)
    table.check_folders(found, str(path))
    return table


def _shards(instances: list[SourceInstance], most_frames: int) -> list[tuple[int, int]]:
    """Consecutive whole instances, as many as fit."""
    bounds, frames = [0], 0
    for number, instance in enumerate(instances):
        if frames and frames + len(instance.frames) > most_frames:
            bounds.append(number)
            frames = 0
        frames += len(instance.frames)
    bounds.append(len(instances))
    return list(itertools.pairwise(bounds))
