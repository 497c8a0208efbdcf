"""A Ray cluster with a dashboard and token authentication; says where, and ends when its standard input does.

RAY_AUTH_MODE=token RAY_AUTH_TOKEN=... python -m tests.rl.token_cluster
"""

from __future__ import annotations

import sys

from ray.cluster_utils import Cluster

from rl.ranks import free_port
from tests.ray_cluster import MEMORY, QUICK

if __name__ == "__main__":
    options = {"num_cpus": 4, "object_store_memory": MEMORY, "_system_config": QUICK}
    # Its usual ports may be those of another cluster on this machine.
    options |= {"include_dashboard": True, "dashboard_port": free_port(), "dashboard_agent_listen_port": free_port()}
    cluster = Cluster(initialize_head=True, head_node_args=options)
    print(cluster.head_node.address_info["webui_url"], flush=True)
    sys.stdin.read()
    cluster.shutdown()
