"""Where studies are kept: on a disk, or in an s3:// bucket with a working copy on this machine.

A study in a bucket is run on its *working copy*, a folder below the cache, so everything that
reads and writes a study knows paths only. The note ``.origin.json`` at the root of the copies says
which address they belong to; whoever opens an event log below it writes to the bucket, too, and
holds the lease of the log while doing so. Nothing of Ray, torch or MLflow is known here.

This module imports nothing: most studies are on a disk and need none of it.
"""
