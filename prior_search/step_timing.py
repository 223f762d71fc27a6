"""How long one training step takes on this machine: the basis of ``--dry-run``."""

from __future__ import annotations

import time

import torch

from prior_search.device import resolve_device
from prior_search.optimization import make_optimizer
from prior_search.request import StudyRequest
from prior_search.tasks import make_task
from prior_search.trial import Bottleneck
from prior_search.weights import RegularizerWeights

MAX_FRAMES = 32  # a larger batch is timed in part and scaled: time grows with the batch
TIMED_STEPS = 2


def seconds_per_step(request: StudyRequest, bottleneck: Bottleneck, *, device: str) -> float:
    """Seconds of one optimization step with one torch thread, on random images."""
    place, task = resolve_device(device), make_task(request.task, request.preset)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    model = task.build_model(
        family=request.family, bottleneck=bottleneck, settings=request.settings
    ).to(place)
    optimizer = make_optimizer(model, task.preset, place)
    frames = min(task.frames_per_batch, MAX_FRAMES)
    shape = (frames, 3, task.preset.image_size, task.preset.image_size)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, device=place)
    fovea = torch.tensor([0.5, 0.5, 0.2, 0.2], device=place).expand(frames, 4)
    generator = torch.Generator(device=place)

    def step() -> None:
        views = task.views(images, fovea, generator=generator)
        output = model(*views, generator=generator)
        loss = task.loss(output, images, RegularizerWeights())
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        if place.type == "cuda":
            torch.cuda.synchronize(place)

    step()  # the first allocates
    start = time.monotonic()
    for _ in range(TIMED_STEPS):
        step()
    torch.set_num_threads(threads)
    return (time.monotonic() - start) / TIMED_STEPS * task.frames_per_batch / frames
