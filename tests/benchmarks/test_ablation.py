from __future__ import annotations

import importlib

import pytest

from benchmarks.search.ablation import VARIANTS, Variant, changed
from benchmarks.search.simulate import simulate
from benchmarks.search.surfaces import surface


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_searches_and_leaves_the_engine_as_it_was(name: str) -> None:
    change = VARIANTS[name]
    replaced = [k.rsplit(".", 1) for k in change if "." in k]
    modules = [importlib.import_module(f"prior_search.search.{m}") for m, _ in replaced]
    before = [getattr(m, constant) for m, (_, constant) in zip(modules, replaced, strict=True)]
    known = surface("tuning-weights2-2")
    with changed(change):
        for module, (_, constant), old in zip(modules, replaced, before, strict=True):
            assert getattr(module, constant) != old
        run = simulate(known, Variant(known, 3.0, 0, change), budget=3.0, seed=0)
    assert run.num_long > 0
    after = [getattr(m, constant) for m, (_, constant) in zip(modules, replaced, strict=True)]
    assert after == before
