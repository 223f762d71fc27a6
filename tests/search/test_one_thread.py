from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

from threadpoolctl import threadpool_info, threadpool_limits

from prior_search.search.one_thread import one_thread

ROOT = Path(__file__).parent.parent.parent
CODE = """
from prior_search.search import *
space = SearchSpace(parameters=(Parameter(name="w", low=1e-5, high=0.1, scale="log"),))
plan = SearchPlan(stage1_trials=5, stage2_trials=2, confirm_trials=0, num_anchors=0)
optimizer = TwoStageOptimizer(space, plan, seed=0)
while (suggestion := optimizer.ask()) is not None:
    print(suggestion.as_dict())
    value = (suggestion.point[0] - 0.3) ** 2
    optimizer.tell(Observation(index=suggestion.index, value=value, status="completed"))
"""


def suggestions() -> str:
    """All suggestions of a small search in this process, which has started with one thread."""
    assert os.environ["OMP_NUM_THREADS"] == "1"
    with redirect_stdout(io.StringIO()) as shown:
        exec(CODE, {})
    return shown.getvalue()


def suggestions_elsewhere(threads: int) -> str:
    """The same in a process that starts with so many threads."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "ignore", "-c", CODE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_the_number_of_threads_changes_no_digit_of_a_suggestion() -> None:
    one = suggestions()
    assert one.count("rng_key") == 7
    assert one == suggestions_elsewhere(threads=2)


def test_every_pool_is_limited_and_comes_back() -> None:
    with threadpool_limits(limits=2):
        for _ in range(2):
            with one_thread():
                assert {pool["num_threads"] for pool in threadpool_info()} == {1}
            assert {pool["num_threads"] for pool in threadpool_info()} == {2}
