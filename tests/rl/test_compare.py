"""compare: arms from one start, measured and counted as said, resumed arm by arm, mistakes in one line."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from envs.passk import pass_at_k
from rl.cli import main
from rl.compare_result import Row, curve_points, result_of
from rl.config_compare import CompareSection, load_comparison
from rl.experience import EVALUATION, read_rows
from rl.report.comparison import comparison_page
from rl.run import hold, journal
from tests.command import rl_train
from tests.recipes.test_recipes import guesses

ARMS = """
[compare]
seeds = [3]
n = 4
ks = [1, 2]
[compare.arms.ekt]
[compare.arms.twice]
recipe = "seqkd"
ekt.epochs = 2
"""


def config_file(folder: Path, text: str = ARMS, head: str = "") -> Path:
    file = folder / "c.toml"
    file.write_text(f'folder = "{folder}/out"\n{head}[teacher]\nmodel = "t-{{seed}}"\n{text}')
    return file


def row(name: str, *seeds: dict[str, tuple[int, int]], teacher: bool = False, solved: tuple[set[str], ...] = (), steps: int = 1) -> Row:  # fmt: skip
    return Row(
        name=name,
        is_teacher=teacher,
        sampled_S=seeds,
        greedy_S=[{problem: (1, int(c > 2)) for problem, (_, c) in counts.items()} for counts in seeds],
        attempted_S=[frozenset({"x", "y"})] * len(solved),
        solved_S=[frozenset(of_seed) for of_seed in solved],
        budgets_S=[] if teacher else [{"steps": steps}] * len(seeds),
        selected_S=[] if teacher else ["last"] * len(seeds),
    )


SETTINGS = CompareSection(seeds=(0, 1), n=4, ks=(1, 3))
STEADY = {"p": (4, 4), "q": (4, 0)}
"""pass@k is 1/2 for every k."""
SPREAD = {"p": (4, 1), "q": (4, 1)}
"""pass@k is k/4."""


def test_the_table_holds_what_is_computed_by_hand() -> None:
    rows = [
        row("warm_start", {"p": (4, 0), "q": (4, 0)}, {"p": (4, 0), "q": (4, 2)}),
        row("ekt", STEADY, {"p": (4, 4), "q": (4, 1)}, solved=({"x"}, {"x", "y"})),
    ]
    result = result_of(rows, SETTINGS, {})
    start, ekt = result.standings
    assert list(ekt.pass_at) == ["greedy", "pass@1", "pass@3"]
    assert ekt.pass_at["pass@1"].mean == pytest.approx((1 + 0 + 1 + 1 / 4) / 4)
    assert ekt.pass_at["pass@3"].mean == pytest.approx((1 + 0 + 1 + 3 / 4) / 4)
    assert ekt.pass_at["greedy"].mean == pytest.approx((1 + 0 + 1 + 0) / 4)
    assert ekt.by_seed == pytest.approx([1 / 2, 5 / 8])
    assert ekt.coverage is not None
    assert ekt.coverage.mean == pytest.approx(3 / 4)
    assert start.coverage is None
    gain = result.gains["warm_start"]["pass@1"]
    assert gain.mean == pytest.approx((1 + 0 + 1 - 1 / 4) / 4)
    assert gain.low < gain.mean < gain.high
    assert list(ekt.curve) == [1, 2, 3, 4]


def test_an_arm_that_is_sure_and_a_teacher_that_spreads_cross() -> None:
    rows = [row("teacher", SPREAD, SPREAD, teacher=True), row("ekt", STEADY, STEADY, solved=({"x"}, {"x"}))]
    (crossing,) = result_of(rows, SETTINGS, {}).crossings
    assert (crossing.ahead_to, crossing.behind_from) == (1, 3)  # level at k = 2
    assert crossing.words(4) == "ekt is above teacher up to k = 1, below it from k = 3"
    assert crossing.at_1.mean == pytest.approx(1 / 4)
    rows = [row("teacher", STEADY, STEADY, teacher=True), row("ekt", SPREAD, SPREAD, solved=({"x"}, {"x"}))]
    (crossing,) = result_of(rows, SETTINGS, {}).crossings
    assert crossing.words(4) == "ekt is not above teacher at k = 1"
    rows = [row("teacher", STEADY, STEADY, teacher=True), row("ekt", {"p": (4, 4), "q": (4, 4)}, STEADY, solved=({"x"}, {"x"}))]  # fmt: skip
    (crossing,) = result_of(rows, SETTINGS, {}).crossings
    assert crossing.words(4) == "ekt is above teacher at k = 1 to 4"


def test_problems_that_a_row_did_not_answer_in_full_count_for_none() -> None:
    rows = [
        row("a", STEADY, STEADY, solved=({"x"}, {"x"}), steps=10),
        row("b", STEADY, {"p": (4, 4), "q": (3, 3)}, solved=({"x"}, {"x"}), steps=20),
    ]
    result = result_of(rows, SETTINGS, {})
    assert (result.n_problems, result.n_left_out) == (1, 1)
    assert all(standing.pass_at["pass@1"].mean == 1 for standing in result.standings)
    assert "steps differ: a 10, b 20" in result.notes
    with pytest.raises(ValueError, match="no test problem was answered 4 times"):
        result_of([row("a", {"p": (3, 3)}, solved=({"x"},))], SETTINGS, {})


def test_a_curve_has_few_points_and_both_ends() -> None:
    assert curve_points(3) == [1, 2, 3]
    points = curve_points(1000)
    assert (points[0], points[-1]) == (1, 1000)
    assert len(points) <= 25
    assert points == sorted(set(points))


def test_the_page_is_whole_and_self_contained(tmp_path: Path) -> None:
    rows = [
        row("teacher", SPREAD, SPREAD, teacher=True),
        row("<b>ekt</b>", STEADY, STEADY, solved=({"x"}, {"x"})),
        row("kd", SPREAD, STEADY, solved=({"x"}, set())),
    ]
    page = comparison_page(result_of(rows, SETTINGS, {}), tmp_path)
    assert page.count("<svg") == page.count("</svg>") == 1
    assert page.count("<polyline") == 3
    assert "up to k = 1, below it from k = 3" in page
    assert "<b>ekt" not in page
    assert "<script" not in page
    assert not re.search(r"""(src|href)=["']?http""", page)
    assert "50.0% (" in page


def test_an_arm_is_the_shared_config_and_its_own_keys(tmp_path: Path) -> None:
    file = config_file(tmp_path, head="[sampling]\nn = 3\n")
    comparison = load_comparison(file, ["--compare.seeds", "[3,4]"])
    assert comparison.settings.seeds == (3, 4)
    ekt, twice = comparison.arms(4)
    assert (ekt.config.recipe, twice.config.recipe) == ("ekt", "seqkd")
    assert (ekt.config.ekt.epochs, twice.config.ekt.epochs) == (30, 2)
    assert twice.config.sampling.n == 3
    assert twice.config.seed == 4
    assert twice.config.teacher.model == "t-4"
    assert twice.config.warm_start.rounds == 0
    assert twice.config.model.name == str(tmp_path / "out/warm_start-4/checkpoints/final")
    assert comparison.start(4).config.folder == tmp_path / "out/warm_start-4"
    assert comparison.start(4).config.warm_start.rounds == 400
    assert [arm.measures_teacher for arm in (ekt, twice)] == [True, False]


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        ("[compare.arms.etk]\n", (), "c.toml:4: compare.arms.etk: expected a recipe, by the arm's name or its key `recipe`, of coderl, ekt,"),
        ("[compare.arms.etk]\n", (), "got 'etk'; did you mean ekt?"),
        ("[compare.arms.a]\nrecipe = 'magic'\n", (), "c.toml:5: compare.arms.a.recipe: expected a recipe"),
        ("[compare.arms.warm_start]\n", (), "that is neither warm_start nor teacher"),
        ("[compare]\nseeds = [1]\n", (), "compare.arms: expected at least one arm"),
        ("", (), "compare.arms: expected at least one arm"),
        (ARMS, ("--compare.seeds", "[]"), "--compare.seeds: expected at least one seed, each once; got []"),
        (ARMS, ("--compare.seeds", "[1,1]"), "expected at least one seed, each once; got [1, 1]"),
        (ARMS, ("--compare.ks", "[5]"), "--compare.ks: expected k of 1 to compare.n = 4; got [5]"),
        (ARMS, ("--compare.seds", "[1]"), "--compare.seds: unknown key; did you mean compare.seeds?"),
        (f"{ARMS}ekt.epoch = 3\n", (), "c.toml:13: compare.arms.twice.ekt.epoch: unknown key; did you mean ekt.epochs?"),
        (f"{ARMS}ekt.problems = 0\n", (), "c.toml:13: compare.arms.twice.ekt.problems: expected greater than or equal to 1; got 0"),
        (f"{ARMS}distil.top_k = 3\n", (), "c.toml:13: compare.arms.twice.distil.top_k: recipe seqkd does not use this key"),
        (f"{ARMS}data.name = 'mbpp'\n", (), "c.toml:13: compare.arms.twice.data.name: all arms share this; set data.name outside"),
        (f"{ARMS}seed = 3\n", (), "compare.arms.twice.seed: all arms share this"),
        (ARMS, ("--recipe", "ekt"), "--recipe: each arm has a recipe of its own"),
        (ARMS, ("--sampling.m", "2"), "--sampling.m: unknown key; did you mean sampling.n?"),
        (ARMS, ("--data.name", "nothing"), "data.name: expected one of apps, basics"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_before_anything_is_trained(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, words: tuple[str, ...], said: str
) -> None:
    assert main(["compare", str(config_file(tmp_path, text)), *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("out/*/config.json"))


def test_editors_know_the_section(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema"]) == 0
    known = json.loads(capsys.readouterr().out)["properties"]["compare"]["properties"]
    assert set(known) == set(CompareSection.model_fields)
    assert all(key["description"] for key in known.values())


def test_run_says_what_a_comparison_is_for(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = config_file(tmp_path)
    assert main(["run", str(file)]) == 2
    assert f"`rl-train compare {file}` makes the runs" in capsys.readouterr().err
    assert main(["compare", str(tmp_path)]) == 2
    assert "this folder holds no comparison" in capsys.readouterr().err
    (tmp_path / "out").mkdir()
    (tmp_path / "out/config.json").write_text("{}")
    assert main(["compare", str(file)]) == 2
    assert "already holds a run" in capsys.readouterr().err


def test_a_folder_belongs_to_one_process(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with hold(tmp_path / "out"):
        assert main(["compare", str(config_file(tmp_path))]) == 2
    err = capsys.readouterr().err
    assert "out is in use by process" in err
    assert err.count("\n") == 1


GUESSING = """
[model]
name = "scratch:nano"
[data]
name = "files"
dev_size = 8
test_size = 12
[graders]
workers = 2
[sampling]
n = 8
max_new_tokens = 12
[warm_start]
rounds = 70
problems_per_round = 16
learning_rate = 1e-2
stop_above = 1
evaluate_every = 35
[teacher]
ask = "plain"
n = 3
max_new_tokens = 12
[ekt]
problems = 16
steps = 4
problems_per_round = 4
evaluate_every = 2
[expert_iteration]
iterations = 2
problems = 20
steps = 6
learning_rate = 1e-2
evaluate_every = 3
[compare]
seeds = [5]
n = 4
ks = [1, 4]
[compare.arms.expert_iteration]
[compare.arms.seqkd]
"""


def guessing(folder: Path, out: str) -> list[str]:
    """Words of a small comparison whose teacher is the warm start itself."""
    (folder / "g.toml").write_text(GUESSING)
    words = ["--folder", str(folder / out), "--data.path", str(folder)]
    return [
        "compare",
        str(folder / "g.toml"),
        *words,
        "--teacher.model",
        f"{folder}/{out}/warm_start-{{seed}}",
        "--json",
    ]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("compared")
    guesses(folder)
    done = rl_train(*guessing(folder, "out"))
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


@pytest.mark.slow
def test_arms_are_run_measured_and_counted(compared: tuple[Path, dict[str, Any]]) -> None:
    folder, result = compared
    out = folder / "out"
    assert json.loads((out / "comparison.json").read_text()) == result
    assert "<svg" in (out / "comparison.html").read_text()
    by_name = {standing["name"]: standing for standing in result["standings"]}
    assert list(by_name) == ["warm_start", "teacher, plain", "expert_iteration", "seqkd"]
    for name in ("expert_iteration", "seqkd"):
        run = out / f"{name}-5"
        counts: dict[str, list[bool]] = {}
        rows = read_rows(run / "experience", phases=("evaluation_compare_sampled",), purpose=EVALUATION)
        for row in rows:
            counts.setdefault(row["problem_id"], []).append(row["outcome"] == "passed")
        assert {len(flags) for flags in counts.values()} == {4}
        for k in (1, 4):
            mean = sum(pass_at_k(4, sum(flags), k) for flags in counts.values()) / 12
            assert by_name[name]["pass_at"][f"pass@{k}"]["mean"] == pytest.approx(mean)
        assert (run / "checkpoints/best").is_dir()
        assert (run / "report.html").is_file()
        looks = [
            json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines() if "dev_pass_rate" in line
        ]
        assert len(looks) == by_name[name]["budget"]["dev_looks"] == (4 if name == "expert_iteration" else 2)
        assert f"dev {max(look['dev_pass_rate'] for look in looks):.1%}" in by_name[name]["selected"][0]
    assert by_name["expert_iteration"]["budget"]["steps"] == 2 * 6
    assert by_name["seqkd"]["budget"]["steps"] == 4
    assert by_name["expert_iteration"]["budget"]["samples"] == 2 * 20 * 8
    assert by_name["seqkd"]["budget"] | {"tokens": 0} == {
        "samples": 48, "executions": 48, "tokens": 0, "steps": 4, "dev_looks": 2,
    }  # fmt: skip
    assert by_name["warm_start"]["budget"]["samples"] == 0
    assert by_name["expert_iteration"]["pass_at"]["pass@1"]["mean"] > by_name["warm_start"]["pass_at"]["pass@1"]["mean"]
    solved = {
        row["problem_id"] for row in read_rows(out / "expert_iteration-5/experience") if row["outcome"] == "passed"
    }
    assert by_name["expert_iteration"]["coverage"]["mean"] == pytest.approx(len(solved) / 20)
    assert {crossing["arm"] for crossing in result["crossings"]} == {"expert_iteration", "seqkd"}
    assert any(note.startswith("samples differ") for note in result["notes"])


@pytest.mark.slow
def test_a_killed_comparison_goes_on_and_ends_the_same(compared: tuple[Path, dict[str, Any]]) -> None:
    folder, whole = compared
    words = guessing(folder, "killed")
    process = subprocess.Popen(
        [sys.executable, "-m", "rl.cli", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    metrics = folder / "killed/expert_iteration-5/metrics.jsonl"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (metrics.exists() and "imitate_1" in metrics.read_text()):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    again = rl_train(*words)
    assert again.returncode == 2
    assert "already holds a comparison; `rl-train compare" in again.stderr
    done = rl_train("compare", str(folder / "killed"), "--json")
    assert done.returncode == 0, done.stderr
    assert "warm_start, seed 5: done already" in done.stderr
    assert json.loads(done.stdout) == whole
    events = {
        run: [event["event"] for event in journal(folder / f"killed/{run}-5")]
        for run in ("warm_start", "expert_iteration", "seqkd")
    }
    assert events["warm_start"] == events["seqkd"] == ["started", "finished"]
    assert events["expert_iteration"] == ["started", "resumed", "finished"]
    changed = rl_train("compare", str(folder / "killed"), "--expert_iteration.steps", "7")
    assert changed.returncode == 2
    assert "expert_iteration.steps: this run was begun with 6; got 7" in changed.stderr
    changed = rl_train("compare", str(folder / "killed"), "--compare.n", "5")
    assert changed.returncode == 2
    assert "was measured with 4 programs per problem; got 5" in changed.stderr.splitlines()[-1]
