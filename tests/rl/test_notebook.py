"""The notebook of the quickstart runs, in a kernel that knows nothing but the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rl.config import CONFIGS
from tests.environments import environment

NOTEBOOK = CONFIGS / "quickstart.ipynb"
RUN = """
import sys, nbclient, nbformat
from pathlib import Path
source, folder = map(Path, sys.argv[1:])
notebook = nbformat.read(source, as_version=4)
nbformat.validate(notebook)
nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
nbformat.write(notebook, folder / "executed.ipynb")
"""
TINY = (
    "--model.name scratch:nano --data.test_size 8 --data.dev_size 8 --warm_start.rounds 4 --warm_start.evaluate_every 2"
    " --critic.problems 4 --critic.rounds 2 --reinforce.rounds 2 --reinforce.problems_per_round 2 --ranks 1"
)


def test_it_is_kept_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells if cell["cell_type"] == "code")


@pytest.mark.soak  # its environment is fetched from an index
def test_it_runs_to_its_end(tmp_path: Path) -> None:
    python = environment("nbclient==0.11.0", "ipykernel==7.4.0") / "python"
    notebook = json.loads(NOTEBOOK.read_text())
    (parameters,) = [cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", ())]
    parameters["source"] = ["FOLDER = 'run'\n", f"KEYS = {TINY!r}"]
    small = tmp_path / "small.ipynb"
    small.write_text(json.dumps(notebook))
    (tmp_path / "rl-train").write_text(f'#!/bin/sh\nexec {sys.executable} -m rl.cli "$@"\n')
    (tmp_path / "rl-train").chmod(0o755)
    variables = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(Path.cwd())}
    words = [str(python), "-c", RUN, str(small), str(tmp_path)]
    done = subprocess.run(words, env=variables, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    executed = json.loads((tmp_path / "executed.ipynb").read_text())["cells"]
    texts = ["".join(o.get("text", "")) for cell in executed if cell["cell_type"] == "code" for o in cell["outputs"]]
    assert any("before:" in text and "final:" in text for text in texts)
    assert (tmp_path / "run" / "report.html").is_file()
