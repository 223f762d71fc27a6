"""Object tracks: one or more frames of each of many instances, in Arrow files."""

from prior_search.data.augmentation import simclr_views
from prior_search.data.batches import FrameBatches
from prior_search.data.faces import embedded_faces
from prior_search.data.objects import embedded_objects
from prior_search.data.shards import write_tracks
from prior_search.data.tracks import ObjectTracks, open_tracks
from prior_search.data.views import (
    sample_frames,
    sample_pairs,
    validation_frames,
    validation_pairs,
)
from prior_search.storage.file_store import cache_folder
from prior_search.storage.origin import is_remote

__all__ = [
    "FrameBatches",
    "ObjectTracks",
    "cache_folder",
    "embedded_faces",
    "embedded_objects",
    "is_remote",
    "open_tracks",
    "sample_frames",
    "sample_pairs",
    "simclr_views",
    "validation_frames",
    "validation_pairs",
    "write_tracks",
]
