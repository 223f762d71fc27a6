from __future__ import annotations

import re

import pytest
import torch

from prior_search.runner import gpu_memory
from prior_search.runner.gpu_sharing import (
    CONTEXT_BYTES,
    LEAK_BYTES,
    MARGIN,
    MOST_TRIALS,
    USABLE,
    allocator_fraction,
    has_leaked,
    share_needed,
    shortage,
)

GIB = 1 << 30


@pytest.mark.parametrize(
    ("peak", "total", "trials"),
    [
        (2.0, 24, 7),  # 22.8 / (2.4 + 0.586) = 7.6
        (10.0, 24, 1),  # 22.8 / 12.586 = 1.8
        (9.0, 24, 2),  # 22.8 / 11.386 = 2.002
        (30.0, 24, 1),  # it fitted somehow, alone
        (0.0, 80, MOST_TRIALS),
    ],
)
def test_the_peak_of_a_trial_says_how_many_fit(peak: float, total: int, trials: int) -> None:
    assert share_needed(int(peak * GIB), total * GIB) == 1 / trials


@pytest.mark.parametrize("total", [8 * GIB, 24 * GIB, 80 * GIB])
@pytest.mark.parametrize("peak", [GIB // 8, GIB, 5 * GIB])
def test_trials_that_share_a_device_fit_with_their_contexts_and_hold_the_measured_peak(
    peak: int, total: int
) -> None:
    share = share_needed(peak, total)
    if share == 1.0:
        return
    allowed = allocator_fraction(share, total) * total
    assert (allowed + CONTEXT_BYTES) / share <= total * USABLE * (1 + 1e-9)
    assert allowed >= MARGIN * peak * (1 - 1e-9)


def test_a_share_that_holds_no_context_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a share of 0\.05 of a GPU with 8\.0 GiB holds no"):
        allocator_fraction(0.05, 8 * GIB)
    assert allocator_fraction(1.0, 8 * GIB) == 1.0
    assert allocator_fraction(2.0, 8 * GIB) == 1.0


def test_memory_that_another_process_holds_is_named_before_a_trial_starts() -> None:
    assert shortage(6 * GIB, 24 * GIB, 0.25) is None
    told = shortage(3 * GIB, 24 * GIB, 0.25)
    assert told is not None
    assert re.match(r"3\.0 GiB of 24\.0 GiB of GPU memory are free.* may take 5\.1 GiB", told)
    assert shortage(3 * GIB, 24 * GIB, 1.0) is None  # nobody knows what a whole trial takes
    assert shortage(GIB // 4, 24 * GIB, 1.0) is not None


def test_a_process_leaks_above_the_bound() -> None:
    assert not has_leaked(LEAK_BYTES)
    assert has_leaked(LEAK_BYTES + 1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_process_is_held_to_its_share_and_a_leak_is_seen() -> None:
    gpu_memory.claim(0.25)
    assert not gpu_memory.is_leaking()
    _, total = torch.cuda.mem_get_info()
    with pytest.raises(torch.OutOfMemoryError):
        torch.empty(int(0.3 * total), dtype=torch.uint8, device="cuda")
    held = torch.empty(2 * LEAK_BYTES, dtype=torch.uint8, device="cuda")
    assert gpu_memory.is_leaking()
    assert 0 < gpu_memory.measured_share() <= 1.0
    del held
    with pytest.raises(ValueError, match="holds no trial"):
        gpu_memory.claim(1e-6)
