"""How many cases are drawn, and that they are the same ones in every run."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

FEW = 40
MANY = int(os.environ.get("FUZZ_CASES", "1000"))  # of a kind of file, under the marker faults


@pytest.fixture(scope="session")
def many() -> Callable[[int], Any]:
    """A decorator for a test of so many cases."""

    def decorate(cases: int) -> Any:
        checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
        return settings(
            max_examples=cases, deadline=None, database=None, derandomize=True,
            suppress_health_check=checks,
        )  # fmt: skip

    return decorate


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A few cases by default, many under the marker."""
    if "cases" in metafunc.fixturenames:
        long = pytest.param(MANY, marks=pytest.mark.faults, id="many")
        metafunc.parametrize("cases", [pytest.param(FEW, id="few"), long])
