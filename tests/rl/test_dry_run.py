"""Dry run: it says what the run does, notices what cannot work, and leaves nothing behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import rl.critic_phases
import rl.phases
from envs.problem_sets import load_problems
from envs.prompts import plain
from rl.batch import Batch
from rl.cli import main
from rl.config import Section, keys, load_config
from rl.config_checks import UNUSED_KEYS
from rl.credit import ADVANTAGES
from rl.dry_run import MEANS
from rl.dry_run_view import duration, size
from rl.learner import Learner
from rl.losses import Per, Term, clipped, kl_to_reference, outcome_ce
from rl.plan import ADVANTAGE_FORMULAS, Judge, reinforcement
from rl.recipes import RECIPES
from rl.selftest.terms import TERMS
from tests.rl.test_ranks import by_torchrun

Said = pytest.CaptureFixture[str]

SMALL = (
    "--model.name scratch:nano --data.name files --graders.workers 1 --warm_start.rounds 2 --warm_start.evaluate_every 2 "
    "--warm_start.problems_per_round 3 --reinforce.rounds 2 --reinforce.problems_per_round 3 --reinforce.evaluate_every 2 "
    "--sampling.n 3 --sampling.max_new_tokens 6 --evaluation.n 2 --evaluation.ks [1,2] --teacher.model not-opened "
    "--reasoning.form program"
).split()


@pytest.fixture
def problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with four splits of four problems, beside an empty one that is the working directory."""
    folder, here = tmp_path / "problems", tmp_path / "here"
    folder.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    for split in ("labelled", "train", "dev", "test"):
        write(folder, split, [row(f"{split}-{index}", index) for index in range(4)])
    return folder


def row(problem_id: str, constant: int) -> dict[str, Any]:
    return {
        "id": problem_id,
        "statement": f"Add {constant} to x.",
        "interface": "function",
        "entry_point": "solve",
        "starter_code": "def solve(x):\n",
        "hidden_tests": [{"input": [1], "output": 1 + constant}, {"input": [7], "output": 7 + constant}],
        "solutions": [f"def solve(x):\n    return x + {constant}\n"],
    }


def write(folder: Path, split: str, rows: list[dict[str, Any]]) -> None:
    (folder / f"{split}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))


def dry(capsys: Said, problems: Path, *words: str) -> tuple[int, dict[str, Any], str]:
    """(exit code, report, standard error) of a small dry run."""
    Path("c.toml").write_text("")
    code = main(["run", "c.toml", "--dry-run", "--json", *SMALL, "--data.path", str(problems), *words])
    Path("c.toml").unlink()
    out, err = capsys.readouterr()
    return code, json.loads(out), err


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_can_be_tried_and_nothing_stays(capsys: Said, problems: Path, recipe: str) -> None:
    code, report, err = dry(capsys, problems, "--recipe", recipe)
    assert (code, err) == (0, "")
    assert list(Path().iterdir()) == []
    plan = RECIPES[recipe].plan(load_config(None, SMALL))
    assert [phase["name"] for phase in report["phases"]] == [phase.name for phase in plan.phases]
    assert all(term["formula"] and term["mean"] for phase in report["phases"] for term in phase["objective"])
    assert report["problems"] == {"labelled": 4, "train": 4, "dev": 4, "test": 4}
    asked = [(plan.ask or plain)(problem).text for problem in load_problems("files", "train", problems)]
    assert [prompt["text"] for prompt in report["prompts"]] == asked[:3]
    assert asked[1].startswith("Add 1 to x.\n")
    assert {program["outcome"] for program in report["programs"] if program["program"] == "reference"} == {"passed"}
    assert sum(program["program"] == "known wrong" for program in report["programs"]) == 16
    assert report["sound"]
    assert report["total_seconds"] > 0
    stays = {item["name"]: item["amount"] for item in report["memory"]["stays"]}
    assert stays["weights"] == stays["gradients"] == stays["AdamW states"] / 2 == 4 * report["parameters"]
    assert report["memory"]["learning"]
    assert report["memory_bytes"] < report["memory"]["there"]


def test_the_plan_counts_what_a_round_holds() -> None:
    words = [
        "--sampling.n",
        "6",
        "--reinforce.epochs",
        "2",
        "--reinforce.minibatches",
        "4",
        "--reinforce.kl_weight",
        "0.1",
    ]
    phase = reinforcement(load_config(None, words), "A", (Judge("values", is_copy=True, is_trained=True),))
    assert (phase.problems, phase.n, phase.steps_per_round) == (32, 6, 8)
    assert [judge.column for judge in phase.judges] == ["values", "proximal_log_probs", "reference_log_probs"]
    assert phase.missing_columns() == {}
    assert replace(phase, judges=()).missing_columns() == {
        "clipped": "proximal_log_probs",
        "kl_k2": "reference_log_probs",
    }
    assert replace(phase, n=None, objective=(clipped(correction_cap=2.0),)).missing_columns() == {
        "clipped": "behavior_log_probs"
    }


def test_every_choice_has_words() -> None:
    assert set(ADVANTAGE_FORMULAS) == set(ADVANTAGES)
    assert set(MEANS) == set(Per)
    assert all(term.formula for term in (*TERMS, outcome_ce()))
    assert clipped(0.2, 0.28).formula == "-min(r A, clip(r, 0.8, 1.28) A), r = p / p_proximal"
    assert "3 A" in clipped(dual=3.0).formula
    assert "min(2, p_proximal / p_behavior)" in clipped(correction_cap=2.0).formula
    assert kl_to_reference(0.1).formula == "d^2 / 2, d = log p - log p_reference"


EVERYTHING = {
    "coderl": "--coderl.imitation_weight 0.5 --reinforce.kl_weight 0.1 --reinforce.ahead 1 --critic.model scratch:nano "
    "--critic.trust full",
    "grpo": "--reinforce.epochs 2 --reinforce.clip_high 0.3 --reinforce.kl_weight 0.1 --reinforce.entropy_weight 0.1 "
    "--reinforce.mask_truncated true --reinforce.overlong_margin 2 --reinforce.per sequence",
    "ppo": "--reinforce.ahead 1 --reinforce.kl_weight 0.1 --reinforce.kl_estimator k3",
    "warm_start": "",
}


@pytest.mark.parametrize("recipe", EVERYTHING)  # not expert_iteration: its rounds depend on what passes
def test_the_plan_is_what_the_run_does_and_unused_keys_are_not_read(
    recipe: str, problems: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*SMALL, "--recipe", recipe, "--data.path", str(problems), *EVERYTHING[recipe].split()]
    trained: list[dict[str, Any]] = []
    columns: list[set[str]] = []
    read: set[str] = set()
    train, backward = rl.phases.train, Learner.backward
    get: Callable[[object, str], Any] = Section.__getattribute__

    def watched_train(learner: Learner, gather: object, **given: Any) -> None:
        trained.append(given)
        train(learner, gather, **given)  # type: ignore[arg-type]

    def watched_backward(self: Learner, batch: Batch, objective: tuple[Term, ...], temperature: float) -> Any:
        if "value_error" not in {term.name for term in objective}:
            columns.append(set(batch.columns))
        return backward(self, batch, objective, temperature)

    def watched_get(self: object, name: str) -> Any:
        read.add(f"{type(self).__name__.removesuffix('Section').lower()}.{name}")
        return get(self, name)

    plan = RECIPES[recipe].plan(load_config(None, words))
    Path("c.toml").write_text("")
    for module in (rl.phases, rl.critic_phases):
        monkeypatch.setattr(module, "train", watched_train)
    monkeypatch.setattr(Learner, "backward", watched_backward)
    monkeypatch.setattr(Section, "__getattribute__", watched_get)
    with monkeypatch.context() as unchecked:
        unchecked.setattr("rl.config.refuse_contradictions", lambda config, label: None)
        unchecked.setattr("rl.config.set_keys", lambda config: ())
        assert main(["run", "c.toml", "--folder", "run", *words]) == 0
    assert len(trained) == len(plan.phases)
    for phase, given in zip(plan.phases, trained, strict=True):
        said = [(term.name, term.per, term.weight, term.needs, term.formula) for term in phase.objective]
        done = [(term.name, term.per, term.weight, term.needs, term.formula) for term in given["objective"]]
        assert said == done
        assert phase.rounds == given["rounds"]
        assert (phase.epochs, phase.minibatches) == (given.get("epochs", 1), given.get("minibatches", 1))
        assert (phase.temperature, phase.evaluate_every) == (given["temperature"], given.get("evaluate_every", 0))
    assert {frozenset(seen) for seen in columns} == {phase.columns for phase in plan.phases}
    reinforced = {name for name, _, _ in keys() if name.startswith("reinforce.")}
    unread = {name for name in reinforced if name not in read} if recipe != "warm_start" else set()
    assert unread & set(UNUSED_KEYS.get(recipe, {})) == set(UNUSED_KEYS.get(recipe, {}))
    assert unread - set(UNUSED_KEYS.get(recipe, {})) <= {"reinforce.correction_cap", "reinforce.kl_estimator"}


def test_prompts_that_do_not_fit_are_exit_code_2(capsys: Said, problems: Path) -> None:
    words = [*SMALL, "--data.path", str(problems), "--sampling.max_new_tokens", "1020"]
    Path("c.toml").write_text("")
    assert main(["run", "c.toml", "--dry-run", *words]) == 2
    err = capsys.readouterr().err
    assert err.startswith("rl-train: sampling.max_new_tokens: no prompt of files/train fits: the shortest has ")
    assert err.count("\n") == 1


def test_a_folder_that_is_taken_is_exit_code_2(capsys: Said, problems: Path) -> None:
    Path("taken").mkdir()
    Path("taken/config.json").write_text("{}")
    code, report, err = dry(capsys, problems, "--folder", "taken")
    assert code == 2
    assert err.startswith("rl-train: folder: taken holds a run already")
    assert err.count("\n") == 1
    assert report["contradictions"][0] in err
    assert report["seconds"] == []
    assert len(report["prompts"]) == 3


def test_a_run_that_goes_on_is_planned_too(capsys: Said, problems: Path) -> None:
    Path("moved").mkdir()
    config = load_config(None, [*SMALL, "--data.path", str(problems), "--folder", "elsewhere"])
    Path("moved/config.json").write_text(json.dumps(config.model_dump(mode="json")))
    assert main(["run", "moved", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["folder"] == "moved"
    assert dry(capsys, problems, "--folder", "moved", "--resume")[0] == 0
    assert [path.name for path in Path().rglob("*")] == ["moved", "config.json"]


def test_a_reference_that_fails_is_exit_code_1(capsys: Said, problems: Path) -> None:
    rows = [row(f"dev-{index}", index) for index in range(4)]
    rows[2]["solutions"] = ["def solve(x):\n    return 0\n"]
    write(problems, "dev", rows)
    code, report, _ = dry(capsys, problems)
    assert code == 1
    assert [(p["problem_id"], p["outcome"]) for p in report["programs"] if not p["as_expected"]] == [
        ("dev-2", "wrong_answer")
    ]


def test_a_wrong_program_that_passes_is_exit_code_1(capsys: Said, problems: Path) -> None:
    rows = [row(f"test-{index}", index) for index in range(4)]
    rows[0]["wrong_programs"] = ["def solve(x):\n    return x\n"]
    write(problems, "test", rows)
    code, report, _ = dry(capsys, problems)
    assert code == 1
    assert [(p["problem_id"], p["program"]) for p in report["programs"] if not p["as_expected"]] == [
        ("test-0", "known wrong")
    ]


def test_people_read_formulas_sources_and_prompts_as_they_are(capsys: Said, problems: Path) -> None:
    rows = [row(f"train-{index}", index) for index in range(4)]
    rows[0]["statement"] = "Add [bold]0[/bold] to [x]."
    write(problems, "train", rows)
    Path("c.yaml").write_text("reinforce:\n  clip_high: 0.28\n  epochs: 2\n  kl_estimator: k3\n")
    assert main(["run", "c.yaml", "--dry-run", *SMALL, "--data.path", str(problems)]) == 0
    out = capsys.readouterr().out
    assert "Add [bold]0[/bold] to [x].\n" in out
    assert "clip(r, 0.8, 1.28)" in out
    assert "reinforce.clip_high = 0.28   (default: 0.2; set at c.yaml:2)\n" in out
    assert (
        "reinforce.kl_estimator = k3   (default: k2; set at c.yaml:4)\n  changes nothing: reinforce.kl_weight is 0\n"
        in out
    )
    assert "reference: 16 of 16 passed\nknown wrong: 16 of 16 did not pass\n" in out


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning")  # peft asks transformers for it
def test_adapters_need_few_gradients(capsys: Said, problems: Path) -> None:
    _, report, _ = dry(capsys, problems, "--model.lora_rank", "1", "--reinforce.kl_weight", "0.1")
    stays = {item["name"]: item["amount"] for item in report["memory"]["stays"]}
    assert stays["gradients"] < stays["weights"] / 4
    assert stays["copy of the policy for reference_log_probs"] == stays["weights"]


@pytest.mark.slow
@pytest.mark.parametrize(("count", "code", "said"), [("2", 0, ""), ("1", 1, "2 ranks need a problem each; got 1")])
def test_ranks_share_a_dry_run(problems: Path, count: str, code: int, said: str) -> None:
    Path("c.toml").write_text("")
    words = ["-m", "rl.cli", "run", "c.toml", "--dry-run", "--json", *SMALL, "--data.path", str(problems)]
    done = by_torchrun(2, *words, "--reinforce.problems_per_round", count)
    assert done.returncode == code, done.stderr  # of torchrun
    assert said in done.stderr
    assert json.loads(done.stdout)["ranks"] == 2


def test_amounts_are_written_for_people() -> None:
    assert [size(n) for n in (999, 1640960, 25.3e9, 2e12)] == ["999 B", "1.64 MB", "25.3 GB", "2,000 GB"]
    assert [duration(s) for s in (0.92, 69, 1620, 8000)] == ["0.92 s", "69 s", "27 min", "2.2 h"]
