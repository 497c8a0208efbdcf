"""The rules of the house, each one a test: who imports whom, what is heavy, what is pure, how long files may grow."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("envs", "critics", "rl")
FILES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
LAYERS = {"envs": 0, "critics": 1, "rl": 2}

HEAVY = (
    *("torch", "transformers", "trl", "deepspeed", "ray", "accelerate", "datasets", "peft", "tokenizers", "pyarrow"),
    *("trackio", "tensorboardX", "vllm", "wandb"),
    *("fastapi", "starlette", "uvicorn", "prometheus_client"),
)
OWNERS = {
    "pyarrow": {"rl/experience.py"},
    "ray": {"rl/cluster.py", "rl/serve/on_ray.py"},
    "vllm": {"rl/sampling_server.py"},
    "transformers": {"rl/models.py", "rl/decode.py", "rl/incremental.py", "critics/model.py"},
    "tokenizers": {"rl/models.py"},
    "trl": {"rl/trl_bridge.py"},
    "datasets": {"rl/trl_bridge.py"},
    "accelerate": {"rl/engine.py"},
    "deepspeed": {"rl/engine.py"},
    "peft": {"rl/models.py"},
    "trackio": {"rl/sinks.py"},
    "tensorboardX": {"rl/sinks.py"},
    "wandb": {"rl/sinks.py"},
    "fastapi": {"rl/serve/app.py", "rl/serve/errors.py", "rl/serve/on_ray.py", "rl/serve/page.py"},
    "starlette": {"rl/serve/app.py", "rl/serve/gate.py", "rl/serve/on_ray.py"},
    "uvicorn": {"rl/serve/start.py"},
    "prometheus_client": {"rl/serve/metrics.py"},
}
"""Files that may import a heavy library; torch may be imported anywhere in critics and rl."""
PURE = ("rl/credit.py", "rl/losses.py", "rl/distill.py", "critics/values.py", "critics/calibration.py")
PURE_MAY_IMPORT = {"torch", "envs.rollout", "envs.verdict", "rl.batch", "rl.losses"}
RECIPE_LINES, FILE_LINES, FUNCTION_LINES = 120, 400, 60
LONGER_FILES: dict[str, str] = {}
LONGER_FUNCTIONS: dict[str, str] = {}
"""Exceptions, each with its reason."""


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def imports_of(file: Path) -> list[tuple[str, bool]]:
    """(module, at the top level?) for every import of a file, `TYPE_CHECKING` blocks left out."""
    tree = ast.parse(file.read_text())
    top = {id(node) for node in tree.body}
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    found: list[tuple[str, bool]] = []
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.module, id(node) in top))
    return found


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_imports_run_one_way(file: Path) -> None:
    layer = LAYERS[name_of(file).partition("/")[0]]
    for module, _ in imports_of(file):
        other = LAYERS.get(module.partition(".")[0])
        assert other is None or other <= layer, f"{name_of(file)} imports {module}"


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_heavy_libraries_have_few_owners(file: Path) -> None:
    name = name_of(file)
    for module, at_top in imports_of(file):
        library = module.partition(".")[0]
        if library not in HEAVY:
            continue
        if name.startswith("envs/"):
            allowed = (library == "ray" and name == "envs/ray_graders.py") or (
                library in ("datasets", "pyarrow") and not at_top
            )
            assert allowed, f"{name} imports {module}"
        elif library != "torch":
            assert name in OWNERS.get(library, set()), f"{name} imports {module}"


@pytest.mark.parametrize("name", PURE)
def test_pure_files_import_only_records_and_torch(name: str) -> None:
    modules = {module for module, _ in imports_of(ROOT / name)}
    assert modules <= PURE_MAY_IMPORT | {"__future__", "collections.abc", "dataclasses", "enum", "math"}


def test_no_recipe_imports_another() -> None:
    for file in (ROOT / "rl/recipes").glob("*.py"):
        if file.name != "__init__.py":
            assert not any(module.startswith("rl.recipes") for module, _ in imports_of(file)), name_of(file)


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a clean interpreter holds after a statement."""
    script = f"import sys\n{statement}\nprint(*sorted({{m.partition('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split("\n")[-2].split())


def test_envs_loads_nothing_heavy() -> None:
    modules = [name_of(file).removesuffix(".py").removesuffix("/__init__").replace("/", ".") for file in FILES]
    imported = [m for m in modules if m.startswith("envs") and m != "envs.ray_graders" and ".inside" not in m]
    assert not loaded_by(f"import {', '.join(imported)}") & set(HEAVY)


def test_help_loads_nothing_heavy() -> None:
    statement = (
        "import contextlib, io\nfrom rl.cli import main\nwith contextlib.redirect_stdout(io.StringIO()): main([])"
    )
    assert not loaded_by(statement) & {*HEAVY, "pydantic", "rich", "numpy"}


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_files_stay_short(file: Path) -> None:
    name, lines = name_of(file), file.read_text().count("\n")
    limit = RECIPE_LINES if name.startswith("rl/recipes/") else FILE_LINES
    assert lines <= limit or name in LONGER_FILES, f"{name} has {lines} lines"


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_functions_stay_short(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            place = f"{name_of(file)}:{node.name}"
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= FUNCTION_LINES or place in LONGER_FUNCTIONS, f"{place} has {length} lines"


def test_no_module_shadows_the_standard_library() -> None:
    names = {file.stem for file in FILES if file.stem != "__init__"}
    assert not names & (sys.stdlib_module_names - {"__main__"})


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_code_is_run_only_in_the_sandbox_child(file: Path) -> None:
    if name_of(file).startswith("envs/sandbox/inside/"):
        return
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec"), f"{name_of(file)}:{node.lineno} calls {node.func.id}"
    assert not any(module.partition(".")[0] in ("marshal", "dill", "cloudpickle") for module, _ in imports_of(file))
