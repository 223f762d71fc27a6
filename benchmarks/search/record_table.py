"""Record real trials of the tiny preset at Sobol points of a search space, to replay searches on.

    python benchmarks/search/record_table.py TABLE.csv [--search gaussian-prior:24 ...]

Every point is trained at both horizons with ``--seeds`` seeds; the same seeds at every point, as a
researcher would. One line per training is appended to TABLE.csv as soon as it ends, so the command
can be stopped at any time and goes on where it was; of each search, any first points make a design
of their own. Trains in this process with one thread. ``prior_search`` is the one on the path.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from scipy.stats import qmc

from prior_search.commands.training_data import prepare_data
from prior_search.data import ObjectTracks, open_tracks
from prior_search.errors import TrialDivergedError
from prior_search.models import PRESETS
from prior_search.request import StudyRequest, resolve
from prior_search.study_search import derive_seed
from prior_search.toml_input import read_space
from prior_search.training import fit
from prior_search.trial import Bottleneck, Family, TrialSpec
from prior_search.weights import RegularizerWeights

COLUMNS = (
    "search", "point", "x", "weights", "horizon", "steps", "seed", "status", "objective",
    "seconds",
)  # fmt: skip
SEARCHES = ("gaussian-prior:16", "gaussian-itd:10", "gaussian-td:10", "categorical-prior:24")
SPACES = Path("search_spaces")


def request_of(family: Family, bottleneck: Bottleneck, spaces: Path) -> StudyRequest:
    """The family's own space file, unchanged."""
    path = spaces / f"{family}.toml"
    return resolve(
        read_space(path, []),
        where=str(path),
        family=family,
        bottlenecks=(bottleneck,),
        name="table",
        task="contrastive",
        preset="tiny",
        steps=PRESETS["tiny"].steps,
        seed=0,
        data="embedded",
    )


def trials_of(search: str, seeds: int, spaces: Path) -> list[tuple[dict[str, object], TrialSpec]]:
    """The rows of a search, without their outcomes, and what to train for each."""
    name, count = search.split(":")
    family, bottleneck = name.split("-")
    request = request_of(family, bottleneck, spaces)  # type: ignore[arg-type]  # resolve refuses
    space = request.space(bottleneck)  # type: ignore[arg-type]
    sobol = qmc.Sobol(space.dimension, scramble=True, rng=np.random.default_rng(7))
    points = sobol.random_base2(int(np.ceil(np.log2(int(count)))))[: int(count)]
    found = []
    for number, point in enumerate(points):
        weights = space.decode(tuple(point))
        for horizon in ("long", "short"):
            for seed in range(seeds):
                spec = TrialSpec(
                    study="table", search=name, trial=number, stage="stage2", role="manual",
                    bottleneck=bottleneck, family=family, preset="tiny",  # type: ignore[arg-type]
                    weights=RegularizerWeights.from_mapping(weights), settings=request.settings,
                    horizon=request.horizon(horizon), seed=derive_seed("table", seed),
                )  # fmt: skip
                row = {
                    "search": name,
                    "point": number,
                    "x": " ".join(f"{v:.6f}" for v in point),
                    "weights": " ".join(f"{k}={v:.4g}" for k, v in weights.items()),
                    "horizon": horizon,
                    "steps": spec.horizon,
                    "seed": seed,
                }
                found.append((row, spec))
    return found


def outcome(spec: TrialSpec, tracks: ObjectTracks) -> dict[str, object]:
    """Train it: status, objective and seconds."""
    started = time.process_time()
    objective, status = "", "completed"
    try:
        for point in fit(spec, tracks, device="cpu"):
            objective = f"{point.metrics['objective']:.5f}"
    except TrialDivergedError:
        objective, status = "", "diverged"
    seconds = f"{time.process_time() - started:.1f}"
    return {"status": status, "objective": objective, "seconds": seconds}


def done(path: Path) -> set[tuple[str, int, str, int]]:
    """What the table holds already."""
    if not path.exists():
        return set()
    with path.open(newline="") as file:
        return {
            (r["search"], int(r["point"]), r["horizon"], int(r["seed"]))
            for r in csv.DictReader(file)
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("table", type=Path)
    parser.add_argument(
        "--search", nargs="+", default=SEARCHES, metavar="FAMILY-BOTTLENECK:POINTS"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--spaces", type=Path, default=SPACES)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data, _ = prepare_data(Console(stderr=True), "embedded", "contrastive", "tiny")
    tracks = open_tracks(Path(data))
    trials = [t for s in options.search for t in trials_of(s, options.seeds, options.spaces)]
    known = done(options.table)
    todo = [
        t for t in trials if (t[1].search, t[1].trial, t[0]["horizon"], t[0]["seed"]) not in known
    ]
    print(f"{len(trials)} trainings, {len(trials) - len(todo)} of them done", flush=True)
    with options.table.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if not known:
            writer.writeheader()
        for number, (row, spec) in enumerate(todo):
            writer.writerow(row | outcome(spec, tracks))
            file.flush()
            print(f"{number + 1}/{len(todo)} {row['search']} point {row['point']}", flush=True)


if __name__ == "__main__":
    main()
