from __future__ import annotations

import math

import numpy as np

from benchmarks.search.paired import FLOOR, cells, signed_rank_p


def test_cells_are_regrets_and_their_log_difference_with_its_standard_error() -> None:
    """Differences log 2, 0 and log 2: mean 2/3 log 2, standard error log(2) / 3."""
    base = np.array([0.1, 0.2, 0.4])
    regrets = np.array([2.0, 1.0, 2.0]) * (base + FLOOR) - FLOOR
    error = math.log(2.0) / 3.0
    assert cells(regrets, base) == (
        f"{0.203:7.4f} {regrets.mean():7.4f} {2 * error:+9.3f} ± {error:.3f}"
    )


def test_pairs_that_do_not_differ_tell_nothing() -> None:
    assert signed_rank_p(np.zeros(5)) == 1.0
    assert signed_rank_p(np.arange(1.0, 7.0)) == 2 / 2**6  # one sign pattern of 2^6, both sides
