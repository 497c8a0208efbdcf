"""Levels are found by trying the attacks, troubles of the machine are one sentence each, and no step down is silent."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from envs.sandbox.jail import Level, find_interpreter
from envs.sandbox.levels import IsolationError, choose_level, doctor, probe
from envs.sandbox.runner import SandboxError
from envs.sandbox.seccomp import NUMBERS

LANDLOCK = (444, 445, 446)
UNSHARE = {"x86_64": 272, "aarch64": 97}[platform.machine()]

BLOCKED = """
import struct, sys
from envs.sandbox.inside import confine
from pathlib import Path
numbers = {numbers}
code = [struct.pack("<HBBI", 0x20, 0, 0, 0)]
for number in numbers:
    code += [struct.pack("<HBBI", 0x15, 0, 1, number), struct.pack("<HBBI", 0x06, 0, 0, 0x50000 | {errno})]
code.append(struct.pack("<HBBI", 0x06, 0, 0, 0x7FFF0000))
path = Path({folder!r}, "block.bpf")
path.write_bytes(b"".join(code))
confine.forbid_new_privileges()
confine.seccomp_loader(str(path))()
"""


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=given, timeout=60)


def blocked(folder: Path, numbers: tuple[int, ...], errno: int) -> str:
    """Code that takes system calls away from the process that runs it, as containers and old kernels do."""
    return BLOCKED.format(numbers=numbers, errno=errno, folder=str(folder))


GRADE = """
from envs.sandbox.levels import *
try:
    print(choose_level({wanted}))
except IsolationError as error:
    print("refused:", error)
"""


def test_every_attack_is_refused_at_the_levels_that_work() -> None:
    working = [level for level in (Level.L3, Level.L2) if probe(level).works]
    assert working, doctor()
    assert choose_level("L2") is working[0]


def test_attacks_would_be_noticed(tmp_path: Path) -> None:
    """The probing program, run in no jail at all, reports what works."""
    secret = tmp_path / "secret"
    secret.write_text("x")
    code = "import os\nfrom envs.sandbox.attacks import attack\n"
    code += f"print(*attack(os.getppid(), 9, 'nobody', '/none', {str(secret)!r}, [{str(tmp_path)!r}], []), sep='\\n')"
    worked = run(code).stdout.splitlines()
    assert {"signal another process", "read a private file", f"write to {tmp_path}", "execute a program"} <= set(worked)
    assert list(tmp_path.iterdir()) == [secret]


def test_container_without_namespaces_gets_l2(tmp_path: Path) -> None:
    code = blocked(tmp_path, (UNSHARE, NUMBERS[platform.machine()]["clone3"]), 1)
    code += GRADE.format(wanted="'L2'")
    finished = run(code + "\nprint(probe(Level.L3).reason)", PATH="/nonexistent")
    assert finished.stdout.splitlines()[0] == "L2", finished
    assert "bubblewrap" in finished.stdout


def test_machine_without_landlock_and_namespaces_refuses_in_one_sentence(tmp_path: Path) -> None:
    finished = run(blocked(tmp_path, LANDLOCK, 38) + GRADE.format(wanted="'L2'"), PATH="/nonexistent")
    (line,) = finished.stdout.splitlines()
    assert line.startswith("refused: no isolation of L2 here: L3 does not work: bubblewrap (bwrap) is not installed")
    assert "L2 does not work: Landlock: Function not implemented" in line
    assert "--isolation L1" in line
    assert "Traceback" not in finished.stderr


def test_exact_level_is_never_another(tmp_path: Path) -> None:
    finished = run(GRADE.format(wanted="'L2', 'L3'"), PATH="/nonexistent")
    assert finished.stdout.startswith("refused: no isolation of L3 here:")
    assert "apt install bubblewrap" in finished.stdout


def test_l1_only_when_it_is_named(tmp_path: Path) -> None:
    code = blocked(tmp_path, LANDLOCK, 38) + GRADE.format(wanted="'L1'")
    assert run(code, PATH="/nonexistent").stdout.strip() == "L1"
    assert choose_level("L2", "L1") is Level.L1


@pytest.mark.skipif(not probe(Level.L3).works, reason="bubblewrap does not work here")
def test_no_user_namespaces_is_one_sentence() -> None:
    code = "from envs.sandbox.levels import *\nprint(probe(Level.L3).reason, '|', probe(Level.L3).remedy)"
    command = f'echo 0 > /proc/sys/user/max_user_namespaces && exec {sys.executable} -c "{code}"'
    given = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    finished = subprocess.run(["unshare", "-Ur", "sh", "-c", command], capture_output=True, text=True, env=given)
    if finished.returncode != 0:
        pytest.skip(f"unshare does not work here: {finished.stderr}")
    reason, remedy = finished.stdout.strip().split(" | ")
    assert "namespace" in reason.lower()
    assert remedy.startswith("Allow user namespaces: sysctl")


def test_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="isolation: expected one of L1, L2, L3; got 'L9'"):
        choose_level("L9")


def test_full_or_closed_temporary_folders_do_not_matter(tmp_path: Path) -> None:
    code = "import tempfile\ntempfile.tempdir = '/nonexistent'\n" + GRADE.format(wanted="'L2'")
    assert run(code, HOME="/nonexistent").stdout.strip() in ("L2", "L3")


def test_doctor_names_every_level_and_the_best() -> None:
    lines = doctor()
    assert [line[:2] for line in lines if line[:2] in list(Level)] == ["L3", "L2", "L1"]
    assert lines[-1].startswith("programs are")


def test_interpreter_is_the_base_one_and_hides_packages() -> None:
    interpreter = find_interpreter()
    assert os.path.realpath(interpreter.executable) == interpreter.executable
    assert all(Path(path).name.endswith("-packages") for path in interpreter.hidden)


def test_broken_bubblewrap_is_one_sentence(tmp_path: Path) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    fake.chmod(0o755)
    finished = run("from envs.sandbox.levels import *\nprint(probe(Level.L3).reason)", PATH=f"{tmp_path}:/usr/bin:/bin")
    assert finished.stdout.strip() == "bwrap: setting up uid map: Permission denied"
    assert shutil.which("sh") is not None
    assert issubclass(SandboxError, Exception)
    assert issubclass(IsolationError, ValueError)
