"""Object tracks: several frames of each of many object instances, in one Arrow file."""

from prior_search.data.batches import FrameBatches
from prior_search.data.objects import embedded_objects
from prior_search.data.shards import ObjectTracks, open_tracks, write_tracks
from prior_search.data.views import sample_pairs, validation_pairs

__all__ = [
    "FrameBatches",
    "ObjectTracks",
    "embedded_objects",
    "open_tracks",
    "sample_pairs",
    "validation_pairs",
    "write_tracks",
]
