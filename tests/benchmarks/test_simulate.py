from __future__ import annotations

import dataclasses
import gzip

import pytest

from benchmarks.search.methods import make_method
from benchmarks.search.peers.record import RunRecord
from benchmarks.search.run import read_lines
from benchmarks.search.simulate import NUM_WORKERS, Request, simulate
from benchmarks.search.surfaces import surface

TUNING = surface("tuning-weights2-3")  # a plateau and a cliff; a short run costs 1/6


class Script:
    """Asks for what it was given; counts what is out."""

    def __init__(self, *requests: Request) -> None:
        self.waiting = list(requests)
        self.out = self.most_out = 0
        self.told: list[tuple[Request, float | None]] = []

    def ask(self, remaining: float) -> Request | None:
        if not self.waiting:
            return None
        self.out += 1
        self.most_out = max(self.out, self.most_out)
        return self.waiting.pop(0)

    def tell(self, request: Request, value: float | None) -> None:
        self.out -= 1
        self.told.append((request, value))

    def recommend(self) -> tuple[float, ...]:
        return (0.5, 0.5)


def long(x: float = 0.5) -> Request:
    return Request(point=(x, 0.5), horizon="long")


def short(x: float = 0.5) -> Request:
    return Request(point=(x, 0.5), horizon="short")


def test_four_runs_are_out_at_a_time_and_all_are_told() -> None:
    script = Script(*[long()] * 9)
    run = simulate(TUNING, script, budget=9, seed=0)
    assert script.most_out == NUM_WORKERS == 4
    assert len(script.told) == 9
    assert run.spent == pytest.approx(9)
    assert 2 < run.wall < 4  # three rounds of unequal runs on four workers


def test_costs_are_counted_in_long_runs_and_a_continued_one_pays_the_difference() -> None:
    script = Script(short(), short(), dataclasses.replace(long(), continues=True), long())
    run = simulate(TUNING, script, budget=24, seed=0)
    assert run.spent == pytest.approx(1 / 6 + 1 / 6 + 5 / 6 + 1)
    assert (run.num_short, run.num_long) == (2, 2)


def test_a_run_beyond_the_budget_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a run of cost 1.0 was asked for with 0.5"):
        simulate(TUNING, Script(long(), long()), budget=1.5, seed=0)


def test_noise_depends_on_repetition_and_number_of_the_run_alone() -> None:
    values = []
    for requests in ([long(), short(), long()], [long(), long(0.2), long()]):
        script = Script(*requests)
        simulate(TUNING, script, budget=24, seed=3)
        values.append([v for r, v in script.told if r.horizon == "long" and r.point[0] == 0.5])
    assert sorted(map(float, values[0])) == sorted(map(float, values[1]))  # type: ignore[arg-type]
    assert values[0][0] != values[0][1]


@pytest.mark.parametrize("method", ["random", "sobol", "sobol-halving"])
@pytest.mark.parametrize("budget", [16.0, 24.0, 32.0])
def test_methods_spend_the_budget_but_for_less_than_a_run(method: str, budget: float) -> None:
    run = simulate(TUNING, make_method(method, TUNING, budget, 0), budget=budget, seed=0)
    assert budget - 1 < run.spent <= budget + 1e-6


def test_ours_searches_within_the_budget_and_repeats_itself() -> None:
    runs = [simulate(TUNING, make_method("ours", TUNING, 8, 1), budget=8, seed=1) for _ in "ab"]
    assert runs[0] == runs[1]
    assert 6 < runs[0].spent <= 8 + 1e-6
    assert runs[0].num_short > 0


def test_a_diverged_run_is_told_as_the_worst_and_held_back_before_there_is_one() -> None:
    record = RunRecord(2)
    first, second, third = long(0.1), long(0.2), long(0.3)
    assert record.to_tell(first, None) == []
    assert record.to_tell(second, 4.0) == [(second, 4.0, False), (first, 4.0, True)]
    assert record.to_tell(third, None) == [(third, 4.0, True)]
    assert record.best() == second.point


def test_the_best_observed_point_is_the_best_mean_of_long_runs() -> None:
    record = RunRecord(2)
    assert record.best() == (0.5, 0.5)
    for request, value in (
        (short(0.9), 0.0),
        (long(0.1), 1.0),
        (long(0.1), 5.0),
        (long(0.2), 2.0),
    ):
        record.add(request, value)
    assert record.best() == (0.2, 0.5)


def test_a_half_written_last_line_does_not_count(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "out.jsonl"
    path.write_text('{"method": "sobol", "regret": 0.1}\n{"method": "so')
    assert read_lines(path) == [{"method": "sobol", "regret": 0.1}]
    packed = tmp_path / "out.jsonl.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read_lines(packed) == read_lines(path)
    assert read_lines(tmp_path / "absent.jsonl") == []
