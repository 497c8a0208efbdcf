"""Ways to spend a budget: the same programs in several orders, critic sampling beside them, and the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from critics.candidates import Move, ranked
from critics.model import build_critic, save_critic
from critics.sampling import SamplingSettings
from envs.errors import UserError
from envs.problem_sets.files import write
from envs.problem_sets.problem_set import problem_set
from envs.rollout import Group
from rl.budget import Comparison, compare_ways, judge_ways, load_searchers, values_of
from rl.cli import main
from rl.evaluate import evaluation_of, outcomes_of
from rl.models import load_policy
from rl.write import continuing
from tests.small_world import MAX_NEW_TOKENS, World

BUDGET = 200


@pytest.fixture(scope="module")
def compared(small_world: World) -> Comparison:
    return compare_ways(
        small_world.problems,
        SamplingSettings(budget=BUDGET, max_new_tokens=MAX_NEW_TOKENS, n=4, seed=2),
        (1, 4),
        write=continuing(small_world.policy, temperature=1.0),
        critic=small_world.critic,
        grade=small_world.grader.grade,
        write_repair=continuing(small_world.policy, temperature=1.0, author="repair"),
    )


def test_best_of_n_orders_the_programs_of_plain_sampling(compared: Comparison) -> None:
    plain, *orders = compared.rows[:4]
    assert [row.name for row in compared.rows][:2] == ["plain", "best of n, examples"]
    for row in orders:
        assert (row.tokens, row.programs) == (plain.tokens, plain.programs)
        for metric in ("pass@1", "pass@4", "solved"):
            assert row.metrics[metric] == plain.metrics[metric]
            assert row.gains[metric].mean == 0.0
    assert (
        orders[0].metrics["1@all"].mean == plain.metrics["solved"].mean
    )  # here examples tell the right from the wrong


def test_no_way_spends_more_and_each_spends_all_that_it_can(compared: Comparison) -> None:
    for row in compared.rows:
        spent = sum(row.tokens.values())
        assert 3 * (BUDGET - MAX_NEW_TOKENS) < spent <= 3 * BUDGET
        assert (row.tokens[Move.REFINE] > 0) <= ("refine" in row.name)
        assert (row.tokens[Move.REPAIR] > 0) <= ("repair" in row.name)
    assert compared.rows[-1].name == "refine and repair"
    assert compared.rows[4].tokens[Move.REFINE] > 0
    assert compared.rows[5].tokens[Move.REPAIR] > 0


def test_a_search_is_looked_at_as_it_was(small_world: World) -> None:
    """With fewer tokens there is a first part of its programs, handed in by the same rule."""
    settings = SamplingSettings(budget=BUDGET, max_new_tokens=MAX_NEW_TOKENS, n=4, seed=2)
    write = continuing(small_world.policy, temperature=1.0)
    judged = judge_ways(small_world.problems, settings, write, small_world.critic, small_world.grader.grade)
    for way, found in judged.items():
        assert values_of(found, (1, 4), BUDGET) == values_of(found, (1, 4))
        for one in found:
            in_order = sorted(one.result.candidates, key=lambda candidate: candidate.index)
            spent = sum(candidate.n_generated for candidate in in_order[:3])
            first = ranked(in_order[:3], way.rank)
            assert one.right(spent) == one.right(spent + in_order[3].n_generated - 1)
            assert one.right(spent) == [one.passed[candidate.index] for candidate in first]
            assert one.right(0) == []


def test_metrics_lie_between_nothing_and_solved(compared: Comparison) -> None:
    for row in compared.rows:
        means = {name: estimate.mean for name, estimate in row.metrics.items()}
        assert list(means) == ["pass@1", "pass@4", "1@all", "4@all", "solved"]
        assert 0 <= means["pass@1"] <= means["pass@4"] <= means["solved"] <= 1
        assert means["1@all"] <= means["4@all"] <= means["solved"]


def test_plain_sampling_measures_what_evaluation_does(small_world: World, compared: Comparison) -> None:
    """On graded groups of the same policy the shares agree within what so few programs allow."""
    groups: tuple[Group, ...] = small_world.groups
    expected = evaluation_of([outcomes_of(group) for group in groups], (1,)).pass_at_1
    assert compared.rows[0].metrics["pass@1"].mean == pytest.approx(expected, abs=0.2)


def test_without_a_repair_model_no_way_repairs(small_world: World) -> None:
    found = compare_ways(
        small_world.problems[:1],
        SamplingSettings(budget=48, max_new_tokens=MAX_NEW_TOKENS, n=2),
        (1,),
        write=continuing(small_world.policy, temperature=1.0),
        critic=small_world.critic,
        grade=small_world.grader.grade,
    )
    assert [row.name for row in found.rows][-1] == "refine"
    assert len(found.rows) == 5


@pytest.fixture(scope="module")
def folders(small_world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    small_world.policy.save(folder / "policy")
    save_critic(small_world.critic, small_world.policy.tokenizer, folder / "critic")
    other = load_policy("scratch:nano", ["something else entirely, with other words"] * 9)
    other.save(folder / "other")
    save_critic(build_critic("scratch:nano", other.tokenizer), other.tokenizer, folder / "other_critic")
    write(problem_set("small", "test", small_world.problems), folder / "problems.jsonl")
    return folder


def test_models_with_other_ids_are_refused(folders: Path) -> None:
    load_searchers(folders / "policy", folders / "critic", folders / "policy", 1.0)
    with pytest.raises(UserError, match="another tokenizer"):
        load_searchers(folders / "policy", folders / "other_critic", None, 1.0)
    with pytest.raises(UserError, match=r"repair model: .* another tokenizer"):
        load_searchers(folders / "policy", folders / "critic", folders / "other", 1.0)


def words(folders: Path, *more: str) -> list[str]:
    given = f"evaluate --policy {folders}/policy --problems files --data.path {folders}/problems.jsonl --split test"
    given += " --temperature 1 --max-new-tokens 24 --n 4 --ks 1,4 --workers 2 --critic-sampling"
    return [*given.split(), *more]


@pytest.mark.slow
def test_the_command_compares(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--critic", f"{folders}/critic", "--repair", f"{folders}/policy", "--budget", "120")
    assert main(words(folders, *asked)) == 0
    table = capsys.readouterr().out
    assert "3 problems, at most 120 generated tokens each" in table
    assert main(words(folders, *asked, "--json")) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in found["rows"]] == [row.split("  ")[0] for row in table.splitlines()[2:9]]
    assert all(sum(row["tokens"].values()) <= 3 * 120 for row in found["rows"])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "--critic: critic sampling needs the folder of a critic"),
        (("--critic", "{}/policy"), "it has no critic.json"),
        (("--critic", "{}/critic", "--budget", "9"), "budget: expected at least max_new_tokens"),
        (("--critic", "{}/critic", "--evalplus", "out"), "do not go with --critic-sampling"),
        (("--critic", "{}/critic", "--stop", "x"), "do not go with --critic-sampling"),
    ],
)
def test_mistakes_are_one_line(
    folders: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], said: str
) -> None:
    assert main(words(folders, *(word.format(folders) for word in more))) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_plain_evaluation_ends_programs_where_it_is_told_to(folders: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    asked = [word for word in words(folders, "--evalplus", str(out)) if word != "--critic-sampling"]
    assert main(asked) == 0
    whole = [json.loads(line)["solution"] for line in out.read_text().splitlines()]
    assert main([*asked, "--stop", "return"]) == 0
    cut = [json.loads(line)["solution"] for line in out.read_text().splitlines()]
    assert any("return" in program for program in whole)
    assert not any("return" in program for program in cut)
