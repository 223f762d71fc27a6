"""Run a conversion: shards in parallel, each finished one kept, the manifest last.

A finished shard has a report beside it, ``00003.json``; both appear whole or not at all. A
conversion that is started again reads the reports and goes on with the rest. When every shard is
there, the manifest makes the folder a set and the reports go.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from filelock import FileLock, Timeout

from prior_search.data.conversion_plan import ConversionPlan
from prior_search.data.conversion_workers import KEPT, run_jobs
from prior_search.data.manifest import MANIFEST, Manifest
from prior_search.data.shard_job import ShardJob, ShardReport
from prior_search.errors import PriorSearchError, RequestError
from prior_search.storage.file_store import FileStore

STATE = "conversion.json"
BROKEN = "broken.csv"
ROW_BYTES = 100  # of a frame's columns besides its pixels, at most
SHOWN = 3  # broken files named in a message


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionProgress:
    """How far a conversion is; ``resumed`` frames were there when it started."""

    done: int
    total: int
    resumed: int
    broken: int


class Conversion:
    """One conversion into one folder.

    Args:
        plan: what to convert.
        location: where to; a path or an s3:// address.
        max_broken_share: most broken files as a share of all frames; more are refused.
    """

    def __init__(self, plan: ConversionPlan, location: str, max_broken_share: float) -> None:
        self._plan = plan
        self._folder = FileStore(location)
        self._max_broken = int(max_broken_share * plan.num_frames)
        self._share = max_broken_share
        self._reports: dict[int, ShardReport] = {}

    def run(self, workers: int, progress: Callable[[ConversionProgress], None]) -> Manifest:
        """Convert what is missing; returns the manifest of the finished set.

        Raises:
            RequestError: the folder holds something else, the disk is too small, another process
                converts into it, or too many files are broken.
            PriorSearchError: a worker died or a disk failed; finished shards are kept.
            KeyboardInterrupt: after the workers have stopped; finished shards are kept.
        """
        with self._lock():
            try:
                finished = self._begin()
            except OSError as error:
                raise RequestError(
                    f"cannot write into {self._folder.location}: {error}"
                ) from error
            if finished is not None:
                return finished
            self._check_disk()
            total, resumed = self._plan.num_frames, self._resumed()
            jobs = [self._job(k) for k in range(len(self._plan.shards)) if k not in self._reports]

            def show(frames: int) -> None:
                broken = sum(len(r.broken) for r in self._reports.values())
                progress(
                    ConversionProgress(
                        done=resumed + frames, total=total, resumed=resumed, broken=broken
                    )
                )

            with closing(run_jobs(jobs, min(workers, max(1, len(jobs))), show)) as reports:
                for report in reports:
                    self._reports[report.number] = report
                    self._check_broken()
            return self._finish()

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One conversion per local folder at a time; nothing locks a bucket."""
        if not self._folder.is_local:
            yield
            return
        lock = FileLock(f"{self._folder.path}.lock", timeout=0)
        try:
            self._folder.path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout as error:
            raise RequestError(
                f"another process is converting into {self._folder.location}"
            ) from error
        except OSError as error:
            raise RequestError(f"cannot write into {self._folder.location}: {error}") from error
        try:
            yield
        finally:
            lock.release()

    def _begin(self) -> Manifest | None:
        """Take over what an earlier run finished; the manifest if that was everything."""
        names = set(self._folder.names())
        if MANIFEST in names:
            manifest = Manifest.read(self._folder)
            self._check_arguments(manifest.arguments)
            self._remove_reports()
            return manifest
        if STATE in names:
            self._check_arguments(json.loads(self._folder.read(STATE)))
        elif names:
            raise RequestError(
                f"{self._folder.location} must be empty or a conversion that was begun, "
                f"it holds {sorted(names)[0]}"
            )
        else:
            self._folder.write(STATE, f"{json.dumps(self._plan.arguments, indent=1)}\n".encode())
        self._take_over(names)
        self._check_broken()
        return None

    def _take_over(self, names: set[str]) -> None:
        """Remove what a killed run left half done, and read the reports of finished shards."""
        for name in names:
            if name.endswith(".partial"):
                self._folder.remove(name)
        for number in range(len(self._plan.shards)):
            job = self._job(number)
            if job.report_name in names:
                report = ShardReport.from_json(json.loads(self._folder.read(job.report_name)))
                if self._folder.size(job.shard_name) == report.entry.bytes:
                    self._reports[number] = report

    def _check_arguments(self, recorded: Mapping[str, Any]) -> None:
        asked = self._plan.arguments
        changed = [key for key in asked if recorded.get(key) != asked[key]]
        if not changed:
            return
        if changed == ["listing"]:
            raise RequestError(
                f"{self._folder.location} was begun when other files were in "
                f"{asked['source']}; convert into another folder"
            )
        said = "; ".join(f"{key} was {recorded.get(key)}, now {asked[key]}" for key in changed)
        raise RequestError(
            f"{self._folder.location} holds a conversion with other arguments: {said}; "
            "give the same ones or another folder"
        )

    def _check_disk(self) -> None:
        """Refuse before hours of work what cannot fit."""
        if not self._folder.is_local:
            return
        scratch = self._folder.scratch()
        frames = self._plan.num_frames - self._resumed()
        needed = frames * (3 * self._plan.size**2 + ROW_BYTES)
        free = shutil.disk_usage(scratch or ".").free
        if needed > free:
            raise RequestError(
                f"{self._folder.location}: {frames} frames of {self._plan.size} pixels need "
                f"{needed / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free; "
                "a smaller --size or --max-frames needs less"
            )

    def _resumed(self) -> int:
        return sum(self._job(number).num_frames for number in self._reports)

    def _job(self, number: int) -> ShardJob:
        first, last = self._plan.shards[number]
        taxonomy = self._plan.taxonomy
        return ShardJob(
            number=number,
            location=self._folder.location,
            instances=tuple(self._plan.instances[first:last]),
            labels=tuple(
                taxonomy.labels[i.class_folder] if i.class_folder is not None else ()
                for i in self._plan.instances[first:last]
            ),
            roots=(self._plan.root, self._plan.mask_root),
            size=self._plan.size,
            min_frames=self._plan.min_frames,
            level_names=taxonomy.level_names,
            class_names=taxonomy.label_names[-1] if taxonomy.label_names else (),
            source=self._plan.title,
        )

    def _check_broken(self) -> None:
        broken = [line for _, report in sorted(self._reports.items()) for line in report.broken]
        files = [line for line in broken if line.kind != "instance"]
        if len(files) > self._max_broken:
            self._write_broken()
            first = "; ".join(f"{line.name}: {line.reason}" for line in files[:SHOWN])
            raise RequestError(
                f"{len(files)} broken files are more than --max-broken-share {self._share:g} of "
                f"{self._plan.num_frames} frames: {first}; all so far are in "
                f"{BROKEN} of {self._folder.location}. A larger share goes on from here"
            )

    def _write_broken(self) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("kind", "name", "reason"))
        for _, report in sorted(self._reports.items()):
            writer.writerows((line.kind, line.name, line.reason) for line in report.broken)
        self._folder.write(BROKEN, text.getvalue().encode())

    def _finish(self) -> Manifest:
        reports = [self._reports[number] for number in sorted(self._reports)]
        taxonomy = self._plan.taxonomy
        manifest = Manifest(
            shards=tuple(report.entry for report in reports),
            image_size=self._plan.size,
            level_names=taxonomy.level_names,
            label_names=taxonomy.label_names,
            source=self._plan.title,
            left_out=dict(Counter(line.kind for report in reports for line in report.broken)),
            arguments=self._plan.arguments,
        )
        try:
            self._write_broken()
            manifest.write(self._folder)
        except OSError as error:
            raise PriorSearchError(f"the conversion stopped: {error} ({KEPT})") from error
        self._remove_reports()
        return manifest

    def _remove_reports(self) -> None:
        for name in self._folder.names():
            if name == STATE or (name.startswith("shards/") and name.endswith(".json")):
                self._folder.remove(name)
