"""Object tracks: one or more frames of each of many instances, in one Arrow file."""

from prior_search.data.batches import FrameBatches
from prior_search.data.faces import embedded_faces
from prior_search.data.objects import embedded_objects
from prior_search.data.shards import ObjectTracks, open_tracks, write_tracks
from prior_search.data.views import (
    sample_frames,
    sample_pairs,
    validation_frames,
    validation_pairs,
)

__all__ = [
    "FrameBatches",
    "ObjectTracks",
    "embedded_faces",
    "embedded_objects",
    "open_tracks",
    "sample_frames",
    "sample_pairs",
    "validation_frames",
    "validation_pairs",
    "write_tracks",
]
