"""Tables and a figure from the lines of run.py.

    python -m benchmarks.search.summarize OUT.jsonl [--figure regret.png] [--kind weights|standard]

One Markdown table per budget. Searches are compared on what methods share: the same surface and
repetition. Regret is that of the recommended point, in units of the surface's median above its
minimum. Ranks are over the pairs (surface, repetition) that all methods of the table have; the
Wilcoxon signed-rank test of ours against a peer over all that these two have, two-sided, with
Holm's correction over the peers of a table. Intervals are 95 % percentile bootstraps in which
every surface keeps its number of repetitions.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.search.paired import signed_rank_p
from benchmarks.search.run import read_lines
from prior_search.report.statistics import holm

Pair = tuple[str, int]  # surface, repetition
Regrets = dict[str, dict[Pair, float]]  # method -> pair -> regret

NUM_DRAWS = 2000
MIN_REPETITIONS = 3  # of every surface, for an interval


def kind_of(surface: str) -> str:
    """Which group a surface belongs to."""
    if surface.startswith("real-"):
        return "real"
    return "weights" if "-weights" in surface else "standard"


def regrets_at(lines: Sequence[Mapping[str, Any]], budget: float) -> Regrets:
    """Regret by method and pair."""
    found: Regrets = defaultdict(dict)
    for line in lines:
        if line["budget"] == budget:
            found[line["method"]][line["surface"], line["repetition"]] = line["regret"]
    return dict(found)


def shared(of: Mapping[str, Mapping[Pair, float]]) -> list[Pair]:
    """Pairs that every method has, in order."""
    return sorted(set.intersection(*(set(regrets) for regrets in of.values())))


def median_interval(regrets: Mapping[Pair, float], seed: int = 0) -> tuple[float, float] | None:
    """95 % bootstrap interval of the median; draws are made within each surface.

    None if a surface has fewer than ``MIN_REPETITIONS``.
    """
    generator = np.random.default_rng(seed)
    groups = defaultdict(list)
    for (surface, _), regret in regrets.items():
        groups[surface].append(regret)
    if min(map(len, groups.values())) < MIN_REPETITIONS:
        return None
    draws = np.concatenate(
        [generator.choice(v, size=(NUM_DRAWS, len(v))) for v in map(np.array, groups.values())],
        axis=1,
    )
    low, high = np.quantile(np.median(draws, axis=1), [0.025, 0.975])
    return float(low), float(high)


def mean_ranks(of: Regrets) -> dict[str, float]:
    """Mean rank over shared pairs; 1 is best, ties share."""
    pairs = shared(of)
    table = np.array([[regrets[p] for p in pairs] for regrets in of.values()])  # [methods, pairs]
    ranks = stats.rankdata(table, axis=0).mean(1)
    return dict(zip(of, ranks.tolist(), strict=True))


def wilcoxon_against(ours: Mapping[Pair, float], theirs: Mapping[Pair, float]) -> float:
    """Two-sided p of the signed-rank test on the pairs that both have; 1 if all are equal."""
    pairs = sorted(set(ours) & set(theirs))
    return signed_rank_p(np.array([ours[p] - theirs[p] for p in pairs]))


def table(of: Regrets, seconds: Mapping[str, float], ours: str) -> str:
    """Markdown; methods by their median regret over what they ran."""
    ranks = mean_ranks(of)
    peers = [method for method in of if method != ours]
    adjusted = holm([wilcoxon_against(of[ours], of[peer]) for peer in peers])
    p_values = dict(zip(peers, adjusted, strict=True))
    rows = [
        "| method | searches | median regret [95 %] | mean regret | mean rank | "
        "ours / its median | p (Holm) | s per search |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for method in sorted(of, key=lambda m: float(np.median(list(of[m].values())))):
        regrets = of[method]
        values = np.array(list(regrets.values()))
        interval = median_interval(regrets)
        shown = "" if interval is None else f" [{interval[0]:.4f}, {interval[1]:.4f}]"
        both = sorted(set(of[ours]) & set(regrets))
        ratio = np.median([of[ours][p] for p in both]) / np.median([regrets[p] for p in both])
        last = ["", ""] if method == ours else [f"{ratio:.2f}", f"{p_values[method]:.1e}"]
        cells = [
            method, str(len(values)), f"{np.median(values):.4f}{shown}",
            f"{values.mean():.4f}", f"{ranks[method]:.2f}", *last, f"{seconds[method]:.1f}",
        ]  # fmt: skip
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join([*rows, "", f"Ranks over {len(shared(of))} shared pairs."])


def median_by_surface(of: Regrets) -> str:
    """Markdown: surfaces down, methods across."""
    methods = list(of)
    surfaces = sorted({surface for regrets in of.values() for surface, _ in regrets})
    rows = [f"| surface | {' | '.join(methods)} |", "|---" * (len(methods) + 1) + "|"]
    for surface in surfaces:
        cells = []
        for method in methods:
            values = [r for (s, _), r in of[method].items() if s == surface]
            cells.append(f"{np.median(values):.3f}" if values else "")
        rows.append(f"| {surface} | {' | '.join(cells)} |")
    return "\n".join(rows)


def draw(lines: Sequence[Mapping[str, Any]], budgets: Sequence[float], path: Path) -> None:
    """Median regret with its interval by budget, one line per method."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.5), layout="constrained")
    axes = figure.subplots()
    methods = list(dict.fromkeys(line["method"] for line in lines))
    for number, method in enumerate(methods):
        found = [(b, regrets_at(lines, b).get(method)) for b in budgets]
        cost, median, low, high = np.array(
            [
                (b, m := np.median(list(r.values())), *(median_interval(r) or (m, m)))
                for b, r in found
                if r
            ]
        ).T
        errors = np.clip([median - low, high - median], 0.0, None)
        shift = 0.12 * (number - len(methods) / 2)
        axes.errorbar(cost + shift, median, errors, marker="o", capsize=2, label=method,
                      linewidth=2.5 if method == "ours" else 1.0)  # fmt: skip
    axes.set(yscale="log", xlabel="cost in long runs", ylabel="median regret", xticks=budgets)
    axes.legend(fontsize=7, ncols=2)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("--ours", default="ours", help="the method that peers are tested against")
    parser.add_argument("--kind", choices=("weights", "standard", "real"))
    parser.add_argument("--methods", nargs="+", help="only these")
    parser.add_argument("--by-surface", action="store_true")
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    lines = [
        line
        for path in options.results
        for line in read_lines(path)
        if options.kind in (None, kind_of(line["surface"]))
        and (options.methods is None or line["method"] in options.methods)
    ]
    budgets = sorted({line["budget"] for line in lines})
    for budget in budgets:
        of = regrets_at(lines, budget)
        seconds = {
            m: float(
                np.mean(
                    [x["seconds"] for x in lines if x["method"] == m and x["budget"] == budget]
                )
            )
            for m in of
        }
        if options.ours not in of:
            print(f"budget {budget:g}: no search by {options.ours}")
            continue
        print(f"\n### Budget {budget:g} long runs\n\n{table(of, seconds, options.ours)}\n")
        if options.by_surface:
            print(median_by_surface(of))
    if options.figure:
        draw(lines, budgets, options.figure)


if __name__ == "__main__":
    main()
