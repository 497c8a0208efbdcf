"""The critic in a report: its calibration, its values on every token, and what is made of files that are torn."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from critics.calibration import FRACTIONS, Bin, Calibration, Judged, calibrate
from critics.outcomes import OutcomeClasses
from rl.critic_tokens import ReadProgram, Token
from rl.report import write_report
from rl.report.critic import lines
from rl.report.critic_charts import reliability_chart
from rl.report.figures import summary
from rl.report.markup import visible
from rl.report.reading import read_run
from rl.run import CALIBRATION, CRITIC_TOKENS
from tests.recipes.test_recipes import LEARNING, guesses, small_run
from tests.rl.test_report import HOSTILE, Page, a_run


def a_calibration() -> Calibration:
    """Of 40 programs, a quarter of each outcome, which the critic knows better the more it has read."""
    labels_N = torch.arange(40) % 4
    truth_NK = torch.nn.functional.one_hot(labels_N, 4).double()
    probs_FNK = torch.stack([0.9 * share * truth_NK + (1 - 0.9 * share) / 4 for share in FRACTIONS])
    return calibrate(Judged(OutcomeClasses.FOUR.names, probs_FNK, labels_N, tuple(f"p{n // 4}" for n in range(40))))


def a_program(pieces: Sequence[str], outcome: str = "passed", problem_id: str = "add", **facts: Any) -> ReadProgram:
    """A program whose p(passed) rises evenly from 0 to 1."""
    shares = [place / max(1, len(pieces) - 1) for place in range(len(pieces))]
    tokens = tuple(Token(text, share, 1 - share) for text, share in zip(pieces, shares, strict=True))
    return ReadProgram(
        **{"problem_id": problem_id, "prompt": "def add(a, b):\n", "outcome": outcome, "tokens": tokens} | facts
    )


PROGRAMS = (
    a_program(["    return", " a", " +", " b", "\n", ""]),
    a_program(["    return", " a", " b\n    ", "pass"], "compile_error"),
)


def with_critic(folder: Path, programs: Sequence[ReadProgram] = PROGRAMS) -> Path:
    """A run folder of a run with a critic."""
    a_run(folder)
    (folder / CALIBRATION).write_text(json.dumps(a_calibration().as_dict()))
    (folder / CRITIC_TOKENS).write_text(json.dumps({"programs": [asdict(program) for program in programs]}))
    return folder


def test_what_was_written_is_read(tmp_path: Path) -> None:
    run = read_run(with_critic(tmp_path / "run"))
    assert run.critic is not None
    assert run.critic.calibration == a_calibration()
    assert run.critic.programs == PROGRAMS
    assert run.notes == ()
    assert summary(run)["critic"]["majority"]["accuracy"] == 0.25


def test_a_critic_is_told_beside_judges_that_read_nothing(tmp_path: Path) -> None:
    page = Page(write_report(with_critic(tmp_path / "run")))
    for words in (
        "on 40 programs of the policy for 10 problems", "How well it guesses", "critic at 25%", "critic at 100%",
        "majority class", "same problem", "macro-F1", "pass AUC", "F1 per outcome", "Does what it says come true?",
        "compile error, runtime error, failed test and passed better than both judges that read none.",
        "Expected calibration error", "2.5% said, 0.0% passed: 30 programs",
        "92.5% said, 100.0% passed: 10 programs", "what happened", "0.0% after the first, 100.0% after the last",
    ):  # fmt: skip
        assert words in page.text, words
    names = [a.get("aria-label") or "" for _, a in page.tags if a.get("aria-label")]
    assert any(name.startswith("Reliability of p(passed)") for name in names)
    assert sum(name.startswith("p(passed) after each of") for name in names) == 2
    assert ("a", {"href": "#critic"}) in page.tags


def test_every_token_has_the_colour_and_the_words_of_its_value(tmp_path: Path) -> None:
    page = Page(write_report(with_critic(tmp_path / "run")))
    marks = [a for tag, a in page.tags if tag == "span" and "title" in a]
    colours = [str(a["class"]).split()[-1] for a in marks]
    assert colours == ["v0", "v2", "v4", "v6", "v8", "v10", "v0", "v3", "v7", "v7", "v10"]
    assert marks[1]["title"] == "p(passed) 20.0%"
    assert marks[7]["title"] == "p(passed) 33.3%\np(compile error) 66.7%"
    said = [a["data-said"] for _, a in page.tags if "data-said" in a]
    assert said == ["80%", "100%", "67%", "100%"]
    assert "    return a b\n    pass" in page.text


def test_a_run_without_a_critic_says_nothing_of_one(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    page = Page(write_report(folder))
    assert not {"Critic", "macro-F1", CALIBRATION, CRITIC_TOKENS} & set(page.text.split())
    assert read_run(folder).notes == ()
    assert summary(read_run(folder))["critic"] is None


@pytest.mark.parametrize(("name", "rest"), [(CALIBRATION, "token by token"), (CRITIC_TOKENS, "How well it guesses")])
def test_a_torn_or_missing_file_is_said_and_the_other_one_shown(tmp_path: Path, name: str, rest: str) -> None:
    folder = with_critic(tmp_path / "run")
    whole = (folder / name).read_text()
    (folder / name).write_text(whole[: len(whole) // 2])
    page = Page(write_report(folder))
    assert f"{name} cannot be read" in page.text
    assert rest in page.text
    (folder / name).unlink()
    page = Page(write_report(folder))
    assert f"{name} is missing" in page.text
    assert rest in page.text


def without(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda values: values.pop(key)


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        (CALIBRATION, without("majority")),
        (CALIBRATION, lambda values: values["critic"].pop("0.5")),
        (CALIBRATION, lambda values: values["shares"].pop()),
        (CALIBRATION, lambda values: values["majority"]["f1"].pop()),
        (CALIBRATION, lambda values: values["majority"].update(accuracy=float("nan"))),
        (CALIBRATION, lambda values: values["reliability"].append(3)),
        (CRITIC_TOKENS, without("programs")),
        (CRITIC_TOKENS, lambda values: values["programs"].append(None)),
        (CRITIC_TOKENS, lambda values: values["programs"][0]["tokens"][0].update(pass_prob=7)),
        (CRITIC_TOKENS, lambda values: values["programs"][0]["tokens"][0].update(happened_prob="0.5")),
    ],
)
def test_a_file_of_another_shape_is_said(tmp_path: Path, name: str, harm: Callable[[dict[str, Any]], object]) -> None:
    folder = with_critic(tmp_path / "run")
    values = json.loads((folder / name).read_text())
    harm(values)
    (folder / name).write_text(json.dumps(values))
    page = Page(write_report(folder))
    assert f"{name} cannot be read" in page.text
    assert "Critic" in page.text


def test_text_of_programs_never_becomes_markup(tmp_path: Path) -> None:
    hostile = a_program([HOSTILE, f"\n{HOSTILE}", ""], HOSTILE, HOSTILE, prompt=HOSTILE)
    folder = with_critic(tmp_path / "run", [hostile])
    values = json.loads((folder / CALIBRATION).read_text())
    values["classes"] = [HOSTILE] * 4
    (folder / CALIBRATION).write_text(json.dumps(values))
    page = Page(write_report(folder))
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)]
    assert page.text.count(visible(HOSTILE)) > 4
    assert not {"\u202e", "\x00", "\x1b"} & set(page.text)


def test_a_long_program_is_cut_and_an_empty_one_leaves_no_trace(tmp_path: Path) -> None:
    programs = [a_program(["x "] * 5000), a_program([], "compile_error")]
    path = write_report(with_critic(tmp_path / "run", programs))
    assert "4,400 more tokens" in Page(path).text
    assert path.stat().st_size < 1_000_000


def test_no_contrast_is_said(tmp_path: Path) -> None:
    assert "No problem that it was calibrated on" in Page(write_report(with_critic(tmp_path / "run", []))).text


@pytest.mark.parametrize(
    "pieces", [["a", "\n\n  b\n", "c\r\n", "", "d"], ["\n"], ["a\n", ""], [""], ["a", "", "\u2028b"]]
)
def test_lines_hold_the_whole_program(pieces: list[str]) -> None:
    program = a_program(pieces)
    found = lines(program.tokens)
    assert "".join(text for line in found for text, _ in line) == "".join(pieces)
    assert all(line for line in found)
    assert all("\n" not in text.removesuffix("\n") for line in found for text, _ in line)
    assert (found[-1][-1][0] == "") == (pieces[-1] == "")


def test_reliability_marks_stay_within_the_picture() -> None:
    bins = [Bin(1, 0.0, 1.0), Bin(1000, 0.55, 0.0), Bin(3, 1.0, 1.0)]
    assert reliability_chart(bins).count("<circle") == 3
    assert "1,000" in reliability_chart(bins)
    assert "<circle" not in reliability_chart([])


@pytest.mark.slow
def test_a_real_run_shows_its_critic(tmp_path: Path) -> None:
    guesses(tmp_path)
    done = small_run("coderl", tmp_path / "run", "--data.path", str(tmp_path), *LEARNING, "--reinforce.rounds", "1")
    assert done.returncode == 0, done.stderr
    run = read_run(tmp_path / "run")
    assert run.notes == ()
    assert run.critic is not None
    assert run.critic.programs is not None
    texts = {"".join(token.text for token in p.tokens): p.outcome for p in run.critic.programs}
    assert texts.pop("    return 5\n") == "passed"
    assert "passed" not in texts.values()
    assert "What it says, token by token" in Page(write_report(tmp_path / "run")).text
