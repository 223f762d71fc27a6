"""One thread for torch and BLAS, so that the number of cores changes no suggestion."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np  # noqa: F401  brings its BLAS
import scipy.linalg  # noqa: F401  and scipy its own: both must be there when they are looked for
import torch
from threadpoolctl import ThreadpoolController


@functools.cache
def _pools() -> ThreadpoolController:
    """The thread pools of this process; finding them reads its memory map, 4 ms each time."""
    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread: sums in another order differ in their last digits.

    Those digits decide where an optimization of hyperparameters ends, and it can end elsewhere.
    A study that is resumed on a machine with other cores suggests the same, bit for bit. The
    matrices of a search are small, so this costs no time.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _pools().limit(limits=1):
            yield
    finally:
        torch.set_num_threads(threads)
