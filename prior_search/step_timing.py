"""How long one training step takes on this machine: the basis of ``--dry-run``."""

from __future__ import annotations

import time

import torch

from prior_search.models import PRESETS, build_model
from prior_search.objectives import contrastive_loss
from prior_search.request import StudyRequest
from prior_search.training import make_optimizer, resolve_device
from prior_search.trial import Bottleneck
from prior_search.weights import RegularizerWeights

MAX_PAIRS = 16  # a larger batch is timed in part and scaled: time grows with the batch
TIMED_STEPS = 2


def seconds_per_step(request: StudyRequest, bottleneck: Bottleneck, *, device: str) -> float:
    """Seconds of one optimization step with one torch thread, on random images."""
    place, preset = resolve_device(device), PRESETS[request.preset]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    model = build_model(
        family=request.family, bottleneck=bottleneck, preset=preset, settings=request.settings
    ).to(place)
    optimizer = make_optimizer(model, preset, place)
    pairs = min(preset.pairs, MAX_PAIRS)
    shape = (2 * pairs, 3, preset.image_size, preset.image_size)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, device=place)
    fovea = torch.tensor([0.5, 0.5, 0.2, 0.2], device=place).expand(2 * pairs, 4)
    generator = torch.Generator(device=place)

    def step() -> None:
        output = model(images, fovea, generator=generator)
        loss = contrastive_loss(
            output.descriptors,
            output.terms,
            RegularizerWeights(),
            temperature=preset.temperature,
        )
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
    return (time.monotonic() - start) / TIMED_STEPS * preset.pairs / pairs
