from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.search.real_surfaces import complete, read_table, surface_of
from benchmarks.search.surfaces import cube

SIGMA = 0.05


def bowl(x: np.ndarray) -> np.ndarray:
    return 4.0 + ((x - [0.3, 0.6]) ** 2).sum(1)


@pytest.fixture
def runs() -> dict[tuple[float, ...], dict[str, list[float]]]:
    """Sixteen points, three seeds, noise of one scale."""
    generator, points = np.random.default_rng(0), cube(2, 16)
    return {
        tuple(p): {
            horizon: (bowl(p[None]) + shift + SIGMA * generator.normal(size=3)).tolist()
            for horizon, shift in (("long", 0.0), ("short", 0.5))
        }
        for p in points
    }


def test_the_surface_follows_the_means_and_keeps_the_noise(runs) -> None:  # type: ignore[no-untyped-def]
    found = surface_of("real-test", runs, 0.25)
    points = 0.1 + 0.8 * cube(2, 256)
    assert np.abs(found.long(points) - bowl(points)).mean() < 2 * SIGMA
    assert np.abs(found.short(points) - bowl(points) - 0.5).mean() < 2 * SIGMA
    generator = np.random.default_rng(1)
    center = np.array([0.5, 0.5])
    drawn = np.array([found.sample(tuple(center), "long", generator) for _ in range(2000)], float)
    # the local scale comes from three points with two degrees of freedom each: within a factor 2
    assert SIGMA / 2 < drawn.std() < 2 * SIGMA


def test_regret_is_least_near_the_bottom(runs) -> None:  # type: ignore[no-untyped-def]
    found = surface_of("real-test", runs, 0.25)
    assert found.regret((0.3, 0.6)) < 0.2
    assert found.regret((0.95, 0.05)) > 1.0


def test_a_point_that_misses_a_seed_is_left_out(runs) -> None:  # type: ignore[no-untyped-def]
    first, *_ = runs
    runs[first]["short"].pop()
    assert first not in complete(runs)
    assert len(complete(runs)) == 15


def test_a_diverged_run_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(
        "search,point,x,horizon,steps,seed,status,objective\n"
        "gaussian-td,3,0.5,long,240,0,diverged,\n"
    )
    with pytest.raises(ValueError, match="gaussian-td point 3 diverged"):
        read_table(path)


def test_beside_a_cliff_nothing_is_lower_than_what_was_recorded() -> None:
    heights = [4.02, 4.01, 4.0, 4.03, 4.1, 6.3, 6.3, 6.3]
    runs = {
        ((k + 0.5) / 8,): {h: [height - 0.05, height + 0.05] for h in ("long", "short")}
        for k, height in enumerate(heights)
    }
    found = surface_of("real-test", runs, 0.25)
    assert found.minimum == pytest.approx(4.0)
    assert found.regret((2.5 / 8,)) == pytest.approx(0.0)
