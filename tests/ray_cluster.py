"""Real Ray clusters on this machine: raylets, each with CPUs of its own to count."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.cluster_utils import Cluster

MEMORY = 80 * 2**20
"""Bytes of each raylet's object store, about the least that Ray accepts."""


QUICK = {"enable_worker_prestart": False, "prestart_worker_first_driver": False, "worker_niceness": 0}
"""Start no worker that nobody has asked for, and let those that run count as much as whatever else does."""


@contextmanager
def three_raylets(cpus: int = 3) -> Iterator[Cluster]:
    """A cluster of three machines with `cpus` CPUs each, that this process has joined; all of it ends with the block."""
    with one_raylet(cpus) as cluster:
        for _ in range(2):
            cluster.add_node(num_cpus=cpus, object_store_memory=MEMORY)
        cluster.wait_for_nodes()
        yield cluster


@contextmanager
def one_raylet(cpus: int) -> Iterator[Cluster]:
    """A cluster of one machine with so many CPUs, that this process has joined."""
    os.environ |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    head: dict[str, Any] = {"num_cpus": cpus, "object_store_memory": MEMORY, "include_dashboard": False}
    head["_system_config"] = QUICK
    cluster = Cluster(initialize_head=True, connect=True, head_node_args=head)
    try:
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()
        for name in ("RAY_AUTH_MODE", "RAY_USAGE_STATS_ENABLED"):
            del os.environ[name]
