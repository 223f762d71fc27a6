"""One batch on several workers, with the draws, means and gradients of one worker.

Worker r of K holds rows r n .. (r + 1) n - 1 of a batch of K n samples. Random numbers are drawn
for the whole batch by every worker from equally seeded generators, and each keeps its rows. A sum
over the batch has the value of the whole on every worker and the gradient of the own rows, so
that a loss made of such sums is the same everywhere and gradients of parameters add up over
workers. Without a process group, K is 1 and everything here is the identity.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch import distributed as dist


def num_workers() -> int:
    """K, 1 without a process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def worker_rank() -> int:
    """Number r of this worker, 0..K-1; worker 0 writes checkpoints."""
    return dist.get_rank() if num_workers() > 1 else 0


def own_rows(whole: Tensor) -> Tensor:
    """The rows of this worker: [K n, ...] -> [n, ...].

    Raises:
        ValueError: the number of rows is not a multiple of K.
    """
    count = num_workers()
    if len(whole) % count:
        raise ValueError(f"{len(whole)} rows cannot be shared evenly by {count} workers")
    return whole if count == 1 else whole.chunk(count)[worker_rank()]


def empty_for_all(rows: Tensor) -> Tensor:
    """``empty_like(rows)`` for the batch of all workers: [n, ...] -> [K n, ...].

    The dimensions lie in memory as those of ``rows`` do, because a generator fills a tensor in
    the order of its memory.
    """
    if num_workers() == 1:
        return torch.empty_like(rows)
    shape = (num_workers() * len(rows), *rows.shape[1:])
    order = sorted(range(rows.ndim), key=rows.stride, reverse=True)
    back = sorted(range(rows.ndim), key=order.__getitem__)
    return rows.new_empty([shape[dimension] for dimension in order]).permute(back)


def sum_over_workers(part: Tensor) -> Tensor:
    """Sum of every worker's tensor; the gradient is that of the own part."""
    if num_workers() == 1:
        return part
    total = part.detach().clone()
    dist.all_reduce(total)
    # without a gradient the total itself, the same to the bit on all workers, as codes must be
    return part + (total - part.detach()) if part.requires_grad else total


def mean_over_workers(part: Tensor) -> Tensor:
    """Mean of every worker's tensor, for means over equally many rows."""
    return part if num_workers() == 1 else sum_over_workers(part) / num_workers()


def rows_of_all(rows: Tensor) -> Tensor:
    """[n, ...] -> [K n, ...] in the order of workers; the gradient is that of the own rows."""
    if num_workers() == 1:
        return rows
    parts = [torch.empty_like(rows, memory_format=torch.contiguous_format)
             for _ in range(num_workers())]  # fmt: skip
    dist.all_gather(parts, rows.detach().contiguous())
    parts[worker_rank()] = rows
    return torch.cat(parts)


def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its sum over workers, in one exchange.

    DistributedDataParallel would do it in buckets during the backward pass, but averages, and
    keeps references to buffers that token families replace at every step.
    """
    if num_workers() == 1:
        return
    trained = [p for p in parameters if p.requires_grad]
    flat = torch.cat(
        [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in trained]
    )
    dist.all_reduce(flat)
    for parameter, total in zip(trained, flat.split([p.numel() for p in trained]), strict=True):
        parameter.grad = total.view_as(parameter)
