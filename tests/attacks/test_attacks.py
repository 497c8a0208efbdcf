"""The grader under attack: every program is judged right, and nothing is touched or left behind."""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from itertools import count
from pathlib import Path

import pytest

from envs.grading import Grader, GradeRequest
from envs.problem import problem_to_row
from envs.verdict import Outcome
from tests.attacks.corpus import FOLDER, Attack, load_attacks, load_problems, right_canary, wrong_canary
from tests.attacks.run_corpus import faults_of, faults_of_corpus, grader_at

ROOT = FOLDER.parent.parent
NOBODY = 65534
LEVELS = ["L3", "L2"]


def require_level(level: str) -> None:
    """Skip, saying why, where this machine cannot isolate so well."""
    try:
        grader_at(level, workers=1).close()
    except Exception as error:
        pytest.skip(f"{level} does not work here: {error}")


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
def test_every_program_is_judged_right_and_nothing_is_touched(level):
    require_level(level)
    expect_none(faults_of_corpus(level))


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
def test_an_ordinary_user_is_served_as_well(level):
    if os.geteuid() != 0:
        pytest.skip("only root can become an ordinary user; the test above has run as one")
    require_level(level)
    with tempfile.TemporaryDirectory(prefix="rl-train-ordinary-") as name:  # pytest's own folders are closed to others
        folder = copy_for_everybody(Path(name))
        environment = {"PATH": "/usr/bin:/bin", "HOME": f"{folder}/home", "PYTHONPATH": name, "LC_ALL": "C.UTF-8"}
        command = [*as_nobody(), python_for_everybody(folder), "-P", "-m", "tests.attacks.run_corpus", level]
        run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
    expect_none([line for line in run.stdout.splitlines() if line != "no fault"])
    assert run.returncode == 0, run.stderr[-4000:]


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
def test_every_problem_tells_right_from_wrong(level):
    require_level(level)
    problems = list(load_problems().values())
    requests = [make(problem, 0) for problem in problems for make in (right_canary, wrong_canary)]
    with grader_at(level) as grader:
        outcomes = [verdict.outcome for verdict in grader.grade(requests)]
    assert outcomes == [Outcome.PASSED, Outcome.WRONG_ANSWER] * len(problems)


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
def test_nothing_passes_from_one_program_to_the_next_in_the_same_worker(level):
    require_level(level)
    states = [attack for attack in load_attacks() if attack.name.startswith("state_")]
    serials = count()
    with grader_at(level, workers=1) as grader:
        assert [fault for attack in states for fault in faults_of(grader, [attack], serials)] == []


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
def test_the_same_program_gets_the_same_verdict_each_time(level):
    require_level(level)
    problem = load_problems()["is_even"]
    program = (
        "import random\n\n\ndef is_even(n):\n    return [n % 2 == 0, None][(hash('WORD') + random.randrange(2)) % 2]\n"
    )
    with grader_at(level) as grader:
        for word in ("alpha", "beta", "gamma", "delta"):
            copies = [f"{program.replace('WORD', word)}# copy {index}\n" for index in range(6)]
            verdicts = grader.grade([GradeRequest(problem, copy, problem.hidden_tests) for copy in copies])
            assert len({verdict.outcome for verdict in verdicts}) == 1


def test_a_weak_grader_is_fooled(tmp_path):
    attacks = [attack for attack in load_attacks() if attack.control]
    honest = {
        make.__name__: weakly_passes(tmp_path, make(load_problems()["add"], 0)) for make in (right_canary, wrong_canary)
    }
    assert honest == {"right_canary": True, "wrong_canary": False}
    fooled = [attack.name for attack in attacks if weakly_passes(tmp_path, attack.request)]
    assert len(fooled) >= 10


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
def test_the_real_grader_is_not_fooled_by_what_fools_a_weak_one(level):
    require_level(level)
    attacks: list[Attack] = [attack for attack in load_attacks() if attack.control]
    with Grader(isolation=level) as grader:
        assert [verdict.passed for verdict in grader.grade(attack.request for attack in attacks)] == [False] * len(
            attacks
        )


def expect_none(faults: list[str]) -> None:
    """Fail with one fault a line."""
    if faults:
        pytest.fail(f"{len(faults)} faults:\n" + "\n".join(faults), pytrace=False)


def weakly_passes(folder: Path, request: GradeRequest) -> bool:
    """Judge by the weak grader in a process of its own, under resource limits."""
    row, program = problem_to_row(request.problem), request.program
    text = program if isinstance(program, str) else program.decode("utf-8")
    job = {"program": text, "tests": row["hidden_tests"], "entry_point": row["entry_point"]}
    path = folder / "job.json"
    path.write_text(json.dumps(job))
    run = subprocess.run(
        [sys.executable, "-I", str(FOLDER / "weak_grader.py"), str(path)],
        cwd=folder,
        env={},
        capture_output=True,
        timeout=20,
        preexec_fn=limit_weak_grader,
    )
    return run.returncode == 0


def limit_weak_grader() -> None:
    """Little time, memory and output."""
    resource.setrlimit(resource.RLIMIT_CPU, (3, 3))
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def copy_for_everybody(folder: Path) -> Path:
    """Copy what the corpus needs to where an ordinary user may read it."""
    leave_out = shutil.ignore_patterns("__pycache__", "problem_sets")
    shutil.copytree(ROOT / "envs", folder / "envs", ignore=leave_out)
    (folder / "tests").mkdir()
    for name in ("__init__.py", "processes.py"):
        shutil.copy(ROOT / "tests" / name, folder / "tests")
    shutil.copytree(FOLDER, folder / "tests" / "attacks", ignore=leave_out)
    subprocess.run(["chmod", "-R", "a+rX", str(folder)], check=True)
    (folder / "home").mkdir()
    os.chown(folder / "home", NOBODY, NOBODY)
    return folder


def python_for_everybody(folder: Path) -> str:
    """A Python of at least 3.11 that an ordinary user may run, or a skip."""
    check = (
        "import sys, json, ctypes, os; sys.exit(sys.version_info < (3, 11) or not os.access(sys.executable, os.X_OK))"
    )
    for candidate in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        if (
            subprocess.run([*as_nobody(), candidate, "-I", "-c", check], cwd=folder, capture_output=True).returncode
            == 0
        ):
            return candidate
    pytest.skip("no Python of 3.11 or later that an ordinary user may run")


def as_nobody() -> list[str]:
    """The start of a command line that runs the rest as an ordinary user."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("setpriv is not installed")
    return [setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]
