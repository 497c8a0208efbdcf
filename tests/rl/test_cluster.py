"""Training on real Ray clusters of this machine: deaths cost nothing, jobs show a token, every mistake is one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray._private.state import actors
from ray.cluster_utils import Cluster

from rl.experience import commits
from rl.run import journal, recorded_ranks
from rl.selftest.resume import arguments, differing_files
from tests.command import rl_train
from tests.ray_cluster import three_raylets
from tests.recipes.test_recipes import SMALL

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
SHORT = ("--recipe", "grpo", "--reinforce.rounds", "12")
TOKEN = "a-token-of-these-tests-0123456789"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with three_raylets() as cluster:
        yield cluster


def living(kind: str) -> list[dict[str, Any]]:
    """The actors of one class that live."""
    alive = [actor for actor in actors().values() if actor["State"] == "ALIVE"]
    return [actor for actor in alive if kind in actor["ActorClassName"]]


def machine_with_work(cluster: Cluster) -> Any:
    """A machine, not the head, that runs a worker or a grader."""
    at_work = {actor["Address"]["NodeID"] for kind in ("TrainWorker", "GraderActor") for actor in living(kind)}
    return next(node for node in cluster.worker_nodes if node.node_id in at_work)


def wait_for_rounds(folder: Path, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 900
    while len(commits(folder / "experience")) < count:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[1][-3000:]
        time.sleep(0.05)


@pytest.mark.soak
def test_a_run_survives_a_killed_grader_a_killed_worker_and_a_lost_machine(tmp_path: Path, cluster: Cluster) -> None:
    unharmed, harmed = tmp_path / "unharmed", tmp_path / "harmed"
    done = rl_train(*arguments(unharmed, (*SHORT, "--ranks", "2")))
    assert done.returncode == 0, done.stderr
    words = [sys.executable, "-m", "rl.cli", *arguments(harmed, (*SHORT, "--workers", "2"))]
    environment = os.environ | {"RAY_ADDRESS": cluster.address}
    process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for_rounds(harmed, 1, process)
    os.kill(living("GraderActor")[0]["Pid"], signal.SIGKILL)
    wait_for_rounds(harmed, 2, process)
    os.kill(living("TrainWorker")[0]["Pid"], signal.SIGKILL)
    wait_for_rounds(harmed, 5, process)
    cluster.remove_node(machine_with_work(cluster))
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said[-3000:]
    assert recorded_ranks(harmed) == 2
    assert [event["event"] for event in journal(harmed)].count("resumed") >= 1
    assert differing_files(unharmed, harmed) == []


def test_a_mistake_on_workers_is_one_line_and_not_tried_again(tmp_path: Path, cluster: Cluster) -> None:
    words = ["quickstart", "--workers", "1", "--folder", str(tmp_path / "run"), "--model.name", "scratch:huge"]
    environment = os.environ | {"RAY_ADDRESS": cluster.address}
    done = subprocess.run([sys.executable, "-m", "rl.cli", *words], env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert "rl-train: model.name: expected scratch:nano|tiny|small|nano-t5|tiny-t5; got 'scratch:huge'\n" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def dashboard() -> Iterator[str]:
    """Address of a cluster that asks for a token."""
    python = Path(sys.executable).parent
    environment = os.environ | {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": TOKEN,
        "RAY_USAGE_STATS_ENABLED": "0",
        "PATH": f"{python}:{os.environ['PATH']}",
    }
    command = [sys.executable, "-m", "tests.rl.token_cluster"]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    yield f"http://{address}"
    process.communicate(timeout=120)


def submit(address: str, *words: str, token: str | None = TOKEN) -> subprocess.CompletedProcess[str]:
    """Submit from a shell that knows nothing but perhaps a token."""
    environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ} | {
        "HOME": "/nowhere"
    }
    environment |= {} if token is None else {"RAY_AUTH_TOKEN": token}
    command = [sys.executable, "-m", "rl.cli", "submit", "--address", address, "--", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)


def test_the_quickstart_runs_as_a_job(tmp_path: Path, dashboard: str) -> None:
    done = submit(dashboard, "run", "rl/configs/quickstart.toml", *SMALL, "--folder", str(tmp_path / "run"))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "held-out problems, 95 % intervals" in done.stdout
    assert (tmp_path / "run" / "report.html").is_file()


def test_a_job_that_fails_ends_with_its_exit_code_and_one_line(tmp_path: Path, dashboard: str) -> None:
    done = submit(dashboard, "quickstart", "--folder", str(tmp_path / "run"), "--model.name", "scratch:huge")
    assert done.returncode == 2
    assert "rl-train: model.name: expected scratch:nano" in done.stdout
    assert done.stderr.splitlines()[-1].endswith("ended as FAILED: exit code 2")


@pytest.mark.parametrize("token", [None, "another-token-that-is-wrong-0123456"])
def test_a_missing_or_wrong_token_is_one_line(tmp_path: Path, dashboard: str, token: str | None) -> None:
    done = submit(dashboard, "quickstart", "--folder", str(tmp_path), token=token)
    assert done.returncode == 2
    assert done.stderr.startswith(f"rl-train: submit: the cluster at {dashboard} says 'Authentication ")
    assert "set RAY_AUTH_TOKEN to its token" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_wrong_address_is_one_line(tmp_path: Path) -> None:
    done = submit("http://127.0.0.1:9", "quickstart", "--folder", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith("rl-train: --address: no Ray cluster answers at http://127.0.0.1:9: ")
    assert done.stderr.count("\n") == 1


def test_a_job_needs_a_folder_that_stays() -> None:
    done = submit("http://127.0.0.1:9", "quickstart")
    assert done.returncode == 2
    assert done.stderr.startswith("rl-train: folder: a job runs in a copy of the working directory")


@pytest.mark.parametrize("asked", ["--workers 2", "--graders.on ray --ranks 1"])
def test_without_a_cluster_it_is_one_line(tmp_path: Path, asked: str) -> None:
    words = [sys.executable, "-m", "rl.cli", "quickstart", *asked.split(), "--folder", str(tmp_path / "run")]
    environment = os.environ | {"RAY_ADDRESS": "127.0.0.1:9"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"{asked.split()[0].removeprefix('--')}: no Ray cluster can be joined: 127.0.0.1:9" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_manifest_is_a_ray_job_with_a_token() -> None:
    words = ["--print-manifest", "--image", "me/rl:1", "--machines", "3", "--gpus", "2", "--", "quickstart"]
    done = rl_train("submit", *words, "--workers", "6", "--folder", "/shared/run")
    assert done.returncode == 0, done.stderr
    found = yaml.safe_load(done.stdout)
    spec = found["spec"]["rayClusterSpec"]
    assert (found["kind"], spec["authOptions"]) == ("RayJob", {"mode": "token"})
    assert found["spec"]["entrypoint"] == "python -m rl.cli quickstart --workers 6 --folder /shared/run"
    (workers,) = spec["workerGroupSpecs"]
    (container,) = workers["template"]["spec"]["containers"]
    assert (workers["replicas"], container["image"]) == (3, "me/rl:1")
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 2
