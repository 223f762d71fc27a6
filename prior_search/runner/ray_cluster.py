"""Joining a Ray cluster, or starting one on this machine, and asking what its nodes are like."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from prior_search.runner.cluster_address import loopback_switch, running_cluster

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.update(loopback_switch())

import ray
from ray.exceptions import GetTimeoutError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from prior_search.errors import RequestError
from prior_search.runner.cluster_facts import NodeFacts, look_around

ANSWER_SECONDS = 60.0  # a node gets, to start a process and look around


@contextmanager
def joined() -> Iterator[None]:
    """A driver's stay in a cluster; leaves alone one that the process has joined before."""
    if ray.is_initialized():
        yield
        return
    connect()
    try:
        yield
    finally:
        ray.shutdown()


def connect() -> None:
    """Join the cluster of this machine if there is one, else start one on loopback.

    Raises:
        RequestError: there should be a cluster, and it does not answer.
    """
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    address = running_cluster()
    if address is None:
        ray.init(
            address="local",
            num_cpus=len(os.sched_getaffinity(0)),
            include_dashboard=False,
            _node_ip_address="127.0.0.1",
            **quiet,
        )
        return
    try:
        ray.init(address=address, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        # `ray start` asks for the token in the home if there is one; joining does not send it
        hint = "if it wants a token, set RAY_AUTH_MODE=token"
        raise RequestError(f"no Ray cluster answers at {address} ({hint}): {error}") from error


def autoscales() -> bool:
    """Whether an autoscaler may add nodes to this cluster."""
    return os.environ.get("PRIOR_SEARCH_AUTOSCALING") == "1"


def ask_every_node(packages: Sequence[str], storage: str, probe: str) -> list[NodeFacts]:
    """What ``look_around`` finds on every live node, the head included.

    Raises:
        RequestError: a node does not answer in time.
    """
    with joined():
        remote = ray.remote(num_cpus=0)(look_around)
        nodes = [node for node in ray.nodes() if node["Alive"]]
        answers = [
            remote.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote(packages, storage, probe)
            for node in nodes
        ]
        found = []
        for node, answer in zip(nodes, answers, strict=True):
            try:
                found.append(ray.get(answer, timeout=ANSWER_SECONDS))
            except GetTimeoutError as error:
                raise RequestError(
                    f"node {node['NodeManagerHostname']} did not answer in {ANSWER_SECONDS:.0f} s"
                ) from error
        return found
