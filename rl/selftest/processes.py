"""Check of the ranks: two processes that hold different numbers of groups and of passes do what one does."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

import torch

from rl.ranks import free_port
from rl.selftest.rows import SOME_ROWS, MakeLearner, apart, gradient, rows_without_model, tiny_policy
from rl.selftest.terms import OBJECTIVES

RANKS_TIMEOUT = 120.0
"""Seconds after which two ranks that wait for each other are ended."""


def ranks(make_learner: MakeLearner) -> float:
    """Gradient: one process, two processes with uneven groups and passes."""
    with tempfile.TemporaryDirectory() as folder:
        _run_two_ranks(Path(folder), f"{make_learner.__module__}:{make_learner.__qualname__}")
        found = torch.load(Path(folder) / "gradients.pt", weights_only=True)
    model = tiny_policy().model
    batch = rows_without_model(model)
    expected = [gradient(model, batch, terms, make_learner) for terms in (*OBJECTIVES, OBJECTIVES[0])]
    return max(apart(one, two) for one, two in zip(expected, found, strict=True))


def _run_two_ranks(folder: Path, place: str) -> None:
    """Run `run_rank` in two processes that talk over gloo; raises RuntimeError where one fails, or both wait."""
    script = "import sys; from rl.selftest.processes import run_rank; run_rank(*sys.argv[1:])"
    launch = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    here = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    with ExitStack() as stack:
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", script, str(folder), place],
                env=os.environ | launch | here | {"RANK": rank, "LOCAL_RANK": rank},
                stdout=subprocess.DEVNULL,
                stderr=stack.enter_context((folder / rank).open("w")),
            )
            for rank in ("0", "1")
        ]
        try:
            codes = [process.wait(RANKS_TIMEOUT) for process in processes]
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"two ranks did not end within {RANKS_TIMEOUT:g} s") from None
        finally:
            for process in processes:
                process.kill()
                process.wait()
    said = [((folder / str(rank)).read_text().strip().splitlines() or [""])[-1] for rank in range(2)]
    if any(codes):
        raise RuntimeError("; ".join(f"rank {rank} ended with {codes[rank]}: {said[rank]}" for rank in range(2)))


def run_rank(folder: str, place: str) -> None:
    """One of two ranks: rank 1 has the third group and rank 0 the others, in passes of a few rows; then 1 has none."""
    module, _, name = place.partition(":")
    make_learner: MakeLearner = getattr(import_module(module), name)
    rank = int(os.environ["RANK"])
    model = tiny_policy().model
    batch = rows_without_model(model)
    mine = batch.rows(((batch.group_B == 2) == bool(rank)).nonzero().squeeze(1))
    found = [gradient(model, mine, terms, make_learner, SOME_ROWS) for terms in OBJECTIVES]
    whole = batch if rank == 0 else batch.rows(torch.arange(0))
    make_learner(model, learning_rate=1e-3, micro_batch_tokens=SOME_ROWS).outputs(whole)
    found.append(gradient(model, whole, OBJECTIVES[0], make_learner, SOME_ROWS))
    if rank == 0:
        torch.save(found, Path(folder) / "gradients.pt")
    torch.distributed.destroy_process_group()
