"""Ray: the same training on workers of a cluster (Ray Train), and a command that a cluster runs as a job.

The run folder is all that a run goes on from, so it must be one that every machine sees. A worker or machine that is
lost costs what lies after the last checkpoint: Ray starts the workers again, and they go on with the folder.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import ray
from ray.exceptions import AuthenticationError
from ray.job_submission import JobStatus, JobSubmissionClient
from ray.train import FailureConfig, ScalingConfig
from ray.train import RunConfig as RayRunConfig
from ray.train.torch import TorchTrainer
from ray.train.v2.api.config import LoggingConfig

from envs.errors import UserError
from envs.ray_graders import connect
from rl.config import RunConfig
from rl.evaluate import Evaluation

RunRank: TypeAlias = Callable[[RunConfig], dict[str, Evaluation]]
"""Runs an experiment as one of its ranks."""
NOT_UPLOADED = (".git", ".venv", "runs", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis")
"""What of a working directory is not sent to the cluster, besides what .gitignore names."""
ANSWER_S = 10.0
"""Seconds that a cluster has to answer."""
AGENT_S = 60.0
"""Seconds that a new cluster has to start what takes jobs."""


def train_on_workers(config: RunConfig, workers: tuple[int, int], run_rank: RunRank) -> dict[str, Evaluation]:
    """Run an experiment on `workers` (at least, at most) ranks of a cluster, or go on with it; returns its evaluations.

    `run_rank` goes on with the folder where that holds a run. Each rank takes a CPU, and a GPU where the cluster has
    one for each. Raises UserError for a mistake of the user's.
    """
    connect("--workers", log_to_driver=True)
    free, everything = ray.available_resources(), ray.cluster_resources()
    if everything.get("CPU", 0) < workers[0]:
        raise UserError(
            f"--workers: {workers[0]} need a CPU each; the Ray cluster has {everything.get('CPU', 0):g}, of which "
            f"{free.get('CPU', 0):g} are free; add machines, or ask for fewer"
        )
    records = (config.folder / "ray").resolve()  # of Ray Train about its attempts; nothing of ours goes by them
    elastic = workers if workers[0] < workers[1] else workers[0]
    trainer = TorchTrainer(
        partial(_work, run_rank),
        train_loop_config={"config": config.model_dump(mode="json"), "directory": os.getcwd()},
        scaling_config=ScalingConfig(num_workers=elastic, use_gpu=everything.get("GPU", 0) >= workers[0]),
        run_config=RayRunConfig(
            name=f"attempts-{time.time_ns()}",
            storage_path=str(records),
            failure_config=FailureConfig(max_failures=config.engine.retries),
            logging_config=LoggingConfig("WARNING"),
            worker_runtime_env={"env_vars": {"RAY_TRAIN_ENABLE_PRINT_PATCH": "0"}},
        ),
    )
    try:
        said: dict[str, Evaluation] | str = trainer.fit().return_value
    finally:
        shutil.rmtree(records, ignore_errors=True)
    if isinstance(said, str):
        raise UserError(said)
    return said


def _work(run_rank: RunRank, settings: Mapping[str, Any]) -> dict[str, Evaluation] | str:
    """What each worker does, or the user's mistake: no failure that trying again would mend."""
    if Path(settings["directory"]).is_dir():
        os.chdir(settings["directory"])  # paths in a config may be relative to it
    try:
        return run_rank(RunConfig.model_validate(settings["config"]))
    except UserError as error:
        return str(error)


@dataclass(frozen=True, slots=True)
class Job:
    """A command of rl-train for a cluster."""

    words: Sequence[str]
    """As they would follow `rl-train`."""
    working_dir: Path
    """Directory that is copied to the cluster, and in which the command runs."""

    @property
    def entrypoint(self) -> str:
        """The command as a shell reads it."""
        return shlex.join(["python", "-m", "rl.cli", *self.words])


def submit(job: Job, address: str, wait: bool) -> int:
    """Have the cluster whose dashboard is at `address` run a job; follow its log and return its exit code.

    Raises UserError where nobody answers, or no token or a wrong one was shown.
    """
    client = _client(address)
    try:
        name = _hand_over(client, job)
    except (RuntimeError, ValueError) as error:
        raise UserError(f"submit: the cluster at {address} did not take the job: {_first_line(error)}") from None
    print(f"rl-train: job {name} on {address}: {job.entrypoint}", file=sys.stderr)
    if not wait:
        print(name)
        return 0
    try:
        asyncio.run(_follow(client, name))
    except KeyboardInterrupt:
        print(f"rl-train: job {name} goes on; `ray job stop {name} --address {address}` ends it", file=sys.stderr)
        return 130
    status = _final_status(client, name)
    if status is JobStatus.SUCCEEDED:
        return 0
    info = client.get_job_info(name)
    code = info.driver_exit_code
    why = _first_line(info.message or "") if code is None else f"exit code {code}"
    print(f"rl-train: job {name} ended as {status}: {why}", file=sys.stderr)
    return code if code in (1, 2, 130) else 1


def _hand_over(client: JobSubmissionClient, job: Job) -> str:
    """The name of a job that the cluster took."""
    environment = {"working_dir": str(job.working_dir), "excludes": list(NOT_UPLOADED)}
    give_up = time.monotonic() + AGENT_S
    while True:
        try:
            return str(client.submit_job(entrypoint=job.entrypoint, runtime_env=environment))
        except RuntimeError as error:
            if "No available agent" not in str(error) or time.monotonic() > give_up:
                raise
            time.sleep(1)


def _client(address: str) -> JobSubmissionClient:
    """A client with the user's token; every way to fail is one line."""
    where = urlsplit(address if "//" in address else f"http://{address}")
    try:
        socket.create_connection((where.hostname or "", where.port or 8265), timeout=ANSWER_S).close()
    except (OSError, ValueError) as error:
        raise UserError(
            f"--address: no Ray cluster answers at {address}: {error}; expected its dashboard, as http://HOST:8265"
        ) from None
    token = _token()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        return JobSubmissionClient(where.geturl(), headers=headers)
    except AuthenticationError as error:
        raise UserError(
            f"submit: the cluster at {address} says {_first_line(error)!r}; set RAY_AUTH_TOKEN to its token, or put "
            f"that into ~/.ray/auth_token (on the cluster: ray get-auth-token)"
        ) from None
    except (ConnectionError, RuntimeError) as error:
        raise UserError(f"--address: {address} is no Ray dashboard: {_first_line(error)}") from None


def _token() -> str:
    """The token where Ray's own commands look for it; empty where there is none."""
    if token := os.environ.get("RAY_AUTH_TOKEN"):
        return token.strip()
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


async def _follow(client: JobSubmissionClient, name: str) -> None:
    async for lines in client.tail_job_logs(name):
        print(lines, end="", flush=True)


def _final_status(client: JobSubmissionClient, name: str) -> JobStatus:
    """How a job ended; its log may end a moment earlier."""
    while True:
        status = client.get_job_status(name)
        if status.is_terminal():
            return status
        time.sleep(0.5)


def _first_line(error: object) -> str:
    return next(iter(str(error).strip().splitlines()), "")
