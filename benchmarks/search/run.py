"""Run searches of many methods on many surfaces, and keep one JSON line of each.

    python -m benchmarks.search.run OUT.jsonl --methods ours optuna-tpe --repetitions 20
    python -m benchmarks.search.run OUT.jsonl --split tuning --methods ours --noise 0.3

Finished searches in OUT.jsonl are not run again, so the command can be interrupted and extended.
Repetitions go outermost: whenever it ends, every surface has been searched about as often. A
repetition's seed is the same for every method and every budget. With ``--noise`` that of all runs
is multiplied; ``summarize`` does not tell such lines apart, so give them a file of their own. Run
it from the repository's root.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch are imported

import argparse
import dataclasses
import functools
import gzip
import itertools
import json
import multiprocessing
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from benchmarks.search.methods import METHODS, make_method
from benchmarks.search.real_surfaces import real_surface, table_names
from benchmarks.search.simulate import simulate
from benchmarks.search.surfaces import names, surface, with_noise

Key = tuple[str, str, float, int, float]  # method, surface, budget, repetition, noise


def key_of(line: dict[str, Any]) -> Key:
    """What a line is the result of."""
    budget, repetition = float(line["budget"]), int(line["repetition"])
    return line["method"], line["surface"], budget, repetition, float(line.get("noise", 1.0))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The results so far, also of a gzipped file; a half-written last line does not count."""
    if not path.exists():
        return []
    content = path.read_bytes()
    content = gzip.decompress(content) if path.suffix == ".gz" else content
    found = []
    for text in content.decode().splitlines():
        try:
            found.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return found


def search(key: Key) -> dict[str, Any]:
    """One search; ``seconds`` is the processor time of everything in it."""
    method, name, budget, repetition, noise = key
    chosen = real_surface(name) if name.startswith("real-") else surface(name)
    chosen = with_noise(chosen, noise)
    make_method(method, chosen, budget, repetition)  # imports are not part of the time
    started = time.process_time()
    run = simulate(
        chosen, make_method(method, chosen, budget, repetition), budget=budget, seed=repetition
    )
    return {
        "method": method,
        "surface": name,
        "budget": budget,
        "repetition": repetition,
        "noise": noise,
        "seconds": round(time.process_time() - started, 2),
    } | rounded(dataclasses.asdict(run))


def rounded(run: dict[str, Any]) -> dict[str, Any]:
    """Six digits are plenty, and keep the file small."""
    run["recommended"] = [round(x, 6) for x in run["recommended"]]
    return {k: round(v, 6) if isinstance(v, float) else v for k, v in run.items()}


def chosen_surfaces(options: argparse.Namespace) -> tuple[str, ...]:
    if options.surfaces:
        return tuple(options.surfaces)
    if options.split == "real":
        return table_names()
    return names(options.split, options.per_dimension)


def results(todo: list[Key], workers: int) -> Iterable[dict[str, Any]]:
    """Results as they come; in this process if there is one worker."""
    if workers == 1:
        yield from map(search, todo)
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from pool.imap_unordered(search, todo)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--methods", nargs="+", default=["ours"], choices=METHODS)
    parser.add_argument("--split", default="reporting", choices=("tuning", "reporting", "real"))
    parser.add_argument("--surfaces", nargs="+", help="by name, instead of a split")
    parser.add_argument("--per-dimension", type=int, default=4, help="weight surfaces per d")
    parser.add_argument("--budgets", nargs="+", type=float, default=[24.0])
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--noise", type=float, default=1.0, help="factor of the surfaces' own")
    parser.add_argument("--first", type=int, default=0, help="repetition to begin with")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    repetitions = range(options.first, options.first + options.repetitions)
    every = itertools.product(
        repetitions, chosen_surfaces(options), options.budgets, options.methods
    )
    noise = options.noise
    known = {key_of(line) for line in read_lines(options.out)}
    todo = [(m, s, b, r, noise) for r, s, b, m in every if (m, s, b, r, noise) not in known]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with options.out.open("a") as file, Progress(*columns) as bar:
        task = bar.add_task("searches", total=len(todo))
        write = functools.partial(print, file=file, flush=True)
        for line in results(todo, options.workers):
            write(json.dumps(line))
            bar.update(task, advance=1)


if __name__ == "__main__":
    main()
