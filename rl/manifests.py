"""Manifests for KubeRay: a command as a RayJob, the server as a RayService, with token authentication."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import yaml

NAME = "rl-train"
KEYS_SECRET = "rl-train-keys"
"""Kubernetes secret whose entry `keys` holds the keys that clients of the server must show."""


@dataclass(frozen=True, slots=True)
class Machines:
    """The pods of a cluster."""

    image: str
    """Container image that holds rl-train."""
    count: int
    """Worker pods, besides the head."""
    cpus: int
    """CPUs of each pod; 4 GiB of memory come with each."""
    gpus: int
    """GPUs of each pod."""


def ray_job(entrypoint: str, machines: Machines) -> str:
    """A RayJob that runs a command line, as YAML."""
    spec = {"entrypoint": entrypoint, "shutdownAfterJobFinishes": True, "rayClusterSpec": _cluster(machines, [])}
    return _manifest("RayJob", spec)


def ray_service(words: Sequence[str], machines: Machines) -> str:
    """A RayService for the words of an `rl-train serve`, as YAML; its pods find the keys in the secret KEYS_SECRET."""
    secret = {"name": KEYS_SECRET, "key": "keys"}
    keys = {"name": "RL_TRAIN_KEYS", "valueFrom": {"secretKeyRef": secret}}
    application = {
        "name": NAME,
        "route_prefix": "/",
        "import_path": "rl.serve.on_ray:application",
        "args": {"words": [*words, "--host", "0.0.0.0"]},
    }
    config = {"http_options": {"host": "0.0.0.0", "port": 8000}, "applications": [application]}
    served = yaml.safe_dump(config, sort_keys=False)
    return _manifest("RayService", {"serveConfigV2": served, "rayClusterConfig": _cluster(machines, [keys])})


def _manifest(kind: str, spec: dict[str, Any]) -> str:
    head = {"apiVersion": "ray.io/v1", "kind": kind, "metadata": {"name": NAME}, "spec": spec}
    manifest: str = yaml.dump(head, Dumper=_Plain, sort_keys=False)
    return manifest


class _Plain(yaml.SafeDumper):  # type: ignore[misc]  # yaml brings no types
    """YAML as people write it: nothing by reference, lines as lines."""

    def ignore_aliases(self, _: object) -> bool:
        return True

    def text(self, text: str) -> yaml.Node:
        """A text, as a block where it has several lines."""
        return self.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Plain.add_representer(str, _Plain.text)


def _cluster(machines: Machines, environment: list[dict[str, Any]]) -> dict[str, Any]:
    workers = dict.fromkeys(("replicas", "minReplicas", "maxReplicas"), machines.count)
    return {
        "rayVersion": version("ray"),
        "authOptions": {"mode": "token"},
        "headGroupSpec": _group("ray-head", machines, environment),
        "workerGroupSpecs": [{"groupName": "workers"} | workers | _group("ray-worker", machines, environment)],
    }


def _group(name: str, machines: Machines, environment: list[dict[str, Any]]) -> dict[str, Any]:
    gpus = {"nvidia.com/gpu": machines.gpus} if machines.gpus else {}
    resources: dict[str, Any] = {"cpu": machines.cpus, "memory": f"{4 * machines.cpus}Gi"} | gpus
    container: dict[str, Any] = {"name": name, "image": machines.image}
    container["resources"] = {"limits": resources, "requests": resources}
    if environment:
        container["env"] = environment
    return {"rayStartParams": {}, "template": {"spec": {"containers": [container]}}}
