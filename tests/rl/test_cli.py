"""The command as people meet it: help, and a mistake in one line with exit code 2."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rl.cli import main
from rl.recipes import RECIPES

COMMANDS = (
    "run", "quickstart", "compare", "init", "config show", "config diff", "config schema", "evaluate", "grade", "audit problems", "audit rewards", "report", "selftest", "doctor",
)  # fmt: skip


def outcome(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of one command."""
    try:
        code = main(words)
    except SystemExit as end:
        code = int(end.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = outcome(capsys)
    assert code == 0
    assert all(command.split()[0] in out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, _ = outcome(capsys, *command.split(), "--help")
    assert code == 0
    assert f"example: rl-train {command}" in out


def test_help_of_run_lists_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = outcome(capsys, "run", "--help")
    assert "--reinforce.learning_rate" in out
    assert "Step size of AdamW" in out


@pytest.mark.parametrize(("command", "recipe"), [("run", "grpo"), ("quickstart", "coderl")])
def test_help_shows_the_values_that_a_command_begins_with(
    capsys: pytest.CaptureFixture[str], command: str, recipe: str
) -> None:
    _, out, _ = outcome(capsys, command, "--help")
    assert f"Learning recipe. (default: {recipe})" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("fly",), "invalid choice: 'fly'"),
        (("run",), "required: CONFIG|RUN_FOLDER"),
        (("run", "nowhere.toml"), "nowhere.toml: no such file"),
        (("quickstart", "--sampling.m", "3"), "--sampling.m: unknown key; did you mean sampling.n?"),
        (
            ("quickstart", "--ranks", "1", "--recipe", "magic"),
            f"recipe: expected one of {', '.join(sorted(RECIPES))}; got 'magic'",
        ),
        (
            ("quickstart", "--ranks", "1", "--model.name", "scratch:huge"),
            "expected scratch:nano|tiny|small|nano-t5|tiny-t5; got 'scratch:huge'",
        ),
        (("quickstart", "--ranks", "1", "--model.name", "./no/such/model"), "cannot load './no/such/model'"),
        (("quickstart", "--ranks", "1", "--data.name", "nothing"), "data.name: expected one of apps, basics"),
        (("quickstart", "--ranks", "1", "--data.name", "files"), "files"),
        (("quickstart", "--ranks", "0"), "--ranks: expected a whole number of 1 or more; got 0"),
        (("evaluate",), "required: --policy"),
        (("evaluate", "--policy", "x", "--ks", "1,9"), "--ks: pass@9 needs at least as many"),
        (("evaluate", "--policy", "x", "--n", "0"), "--n: expected a whole number of 1 or more; got 0"),
        (("report", "nowhere"), "nowhere: expected a run folder; got no folder"),
        (("report", "."), "without config.json and metrics.jsonl"),
        (("evaluate", "--policy", "x", "--frobnicate"), "--frobnicate: unknown option"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    words: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = outcome(capsys, *words)
    assert code == 2
    assert said in err
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("runs/*/config.json"))


def test_a_folder_that_holds_a_run_is_not_overwritten(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    words = ("--folder", str(tmp_path), "--model.name", "scratch:nano", "--graders.min_isolation", "L1")
    code, _, err = outcome(capsys, "run", "rl/configs/quickstart.toml", *words)
    assert code == 2
    assert "already holds a run" in err


def test_a_reader_that_has_enough_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m rl.cli run --help | head -1", shell=True, capture_output=True, text=True
    )
    assert "usage: " in done.stdout
    assert "Traceback" not in done.stderr
