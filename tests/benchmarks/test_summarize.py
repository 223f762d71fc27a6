from __future__ import annotations

import pytest

from benchmarks.search.summarize import mean_ranks, median_interval, wilcoxon_against


def test_ranks_are_over_shared_pairs_and_ties_share_theirs() -> None:
    of = {
        "ours": {("s", 0): 0.1, ("s", 1): 0.2, ("s", 2): 0.0},
        "peer": {("s", 0): 0.3, ("s", 1): 0.2},
    }
    assert mean_ranks(of) == {"ours": 1.25, "peer": 1.75}


def test_wilcoxon_matches_the_exact_tail_by_hand() -> None:
    ours = {("s", k): 0.0 for k in range(6)}
    theirs = {("s", k): float(k + 1) for k in range(6)}
    assert wilcoxon_against(ours, theirs) == pytest.approx(2 / 2**6)  # all six signs agree
    assert wilcoxon_against(ours, ours) == 1.0


def test_the_bootstrap_keeps_every_surface_in_its_share() -> None:
    constant = {("a", k): 1.0 for k in range(5)} | {("b", k): 3.0 for k in range(6)}
    assert median_interval(constant) == (3.0, 3.0)


def test_there_is_no_interval_with_fewer_than_three_repetitions_of_a_surface() -> None:
    assert median_interval({("a", k): 1.0 for k in range(5)} | {("b", 0): 1.0}) is None
