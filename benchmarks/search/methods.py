"""Methods of the benchmark by name; each is imported only when it is used."""

from __future__ import annotations

import importlib

from benchmarks.search.simulate import Method
from benchmarks.search.surfaces import Surface

METHODS: dict[str, tuple[str, str]] = {
    "ours": ("benchmarks.search.ours", "Ours"),
    "random": ("benchmarks.search.peers.designs", "Random"),
    "sobol": ("benchmarks.search.peers.designs", "Sobol"),
    "sobol-halving": ("benchmarks.search.peers.designs", "SobolHalving"),
    "optuna-tpe": ("benchmarks.search.peers.optuna_peers", "TPE"),
    "optuna-tpe-halving": ("benchmarks.search.peers.optuna_peers", "TPEHalving"),
    "optuna-gp": ("benchmarks.search.peers.optuna_peers", "GPSampler"),
    "cma-es": ("benchmarks.search.peers.cma_peer", "CMAES"),
    "ax": ("benchmarks.search.peers.ax_peer", "Ax"),
    "hebo": ("benchmarks.search.peers.hebo_peer", "Hebo"),
    "smac-blackbox": ("benchmarks.search.peers.smac_peer", "SmacBlackBox"),
    "smac-hyperband": ("benchmarks.search.peers.smac_peer", "SmacHyperband"),
}


def make_method(name: str, surface: Surface, budget: float, seed: int) -> Method:
    """A fresh search of ``surface`` by the method of that name.

    Raises:
        ValueError: no such method.
    """
    if name not in METHODS:
        raise ValueError(f"unknown method {name!r}; expected one of {', '.join(METHODS)}")
    module, attribute = METHODS[name]
    method: Method = getattr(importlib.import_module(module), attribute)(surface, budget, seed)
    return method
