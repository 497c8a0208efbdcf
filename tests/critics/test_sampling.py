"""Critic sampling: what is kept and regenerated, what is repaired, and that the ledger never lies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from critics.candidates import Candidate, Move, Rank, SamplingResult, ranked
from critics.sampling import (
    Cut,
    Drop,
    Request,
    SamplingSettings,
    Tell,
    Writer,
    critic_sampling,
    cut_seed,
    nobody,
)
from critics.score import read
from envs.errors import UserError
from envs.grading import GradeRequest
from envs.problem import ExampleTests, HiddenTests, Problem, TestCase
from envs.prompts import plain
from envs.rollout import Rollout, Segment, StopReason
from envs.verdict import Feedback, Outcome, Verdict
from rl.write import continuing
from tests.builders import a_problem, a_rollout
from tests.critics.builders import a_critic
from tests.small_world import MAX_NEW_TOKENS, World

GOLDEN = (0.40, 0.55, 0.62, 0.48, 0.80, 0.75, 0.90, 0.30)
BUDGET = 160  # six of the longest programs


@pytest.mark.parametrize(
    ("cut", "drop", "uniform", "kept"),
    [
        (Cut.ARGMAX, Drop.BELOW_HALF, 0.0, 0),  # the paper's rule on its own terms
        (Cut.ARGMAX, Drop.BELOW_FIRST, 0.0, 7),
        (Cut.ARGMAX, Drop.NOTHING, 0.0, 7),
        (Cut.SAMPLE, Drop.NOTHING, 0.0, 1),
        (Cut.SAMPLE, Drop.NOTHING, 0.5, 5),  # half of 4.8 is within the fifth
        (Cut.SAMPLE, Drop.NOTHING, 0.999, 8),
        (Cut.SAMPLE, Drop.BELOW_FIRST, 0.999, 7),
    ],
)
def test_golden_seeds(cut: Cut, drop: Drop, uniform: float, kept: int) -> None:
    assert cut_seed(GOLDEN, cut, drop, uniform) == kept


@given(st.lists(st.floats(0.001, 1.0), max_size=12), st.sampled_from(Cut), st.sampled_from(Drop), st.floats(0, 0.999))
def test_a_seed_is_a_prefix_without_what_its_rule_drops(
    pass_probs_T: list[float], cut: Cut, drop: Drop, uniform: float
) -> None:
    kept = cut_seed(pass_probs_T, cut, drop, uniform)
    assert 0 <= kept <= len(pass_probs_T)
    assert (kept == 0) <= (drop is Drop.BELOW_HALF or not pass_probs_T)  # the other rules leave a token at least
    floor = {Drop.BELOW_FIRST: pass_probs_T[:1] or [0.0], Drop.BELOW_HALF: [0.5], Drop.NOTHING: [0.0]}[drop][0]
    assert all(value >= floor for value in pass_probs_T[:kept])
    if cut is Cut.ARGMAX and drop is Drop.NOTHING and pass_probs_T:
        assert pass_probs_T[kept - 1] == max(pass_probs_T)


def test_sampled_cuts_are_in_proportion_to_the_critic() -> None:
    cuts = [cut_seed(GOLDEN, Cut.SAMPLE, Drop.NOTHING, (i + 0.5) / 4800) for i in range(4800)]
    assert [cuts.count(t + 1) / 1000 for t in range(8)] == pytest.approx(GOLDEN, abs=0.002)


def searched(world: World, can_repair: bool = True, tell: Tell = nobody, **choices: Any) -> list[SamplingResult]:
    """Critic sampling with real parts; the policy repairs as well as it can."""
    chosen = SamplingSettings(**{"budget": BUDGET, "max_new_tokens": MAX_NEW_TOKENS, "n": 8} | choices)
    return critic_sampling(
        world.problems,
        chosen,
        write=continuing(world.policy, temperature=1.0),
        critic=world.critic,
        grade=world.grader.grade,
        write_repair=continuing(world.policy, temperature=1.0, author="repair") if can_repair else None,
        tell=tell,
    )


def test_every_program_is_told_of_with_the_values_that_seeds_are_cut_by(small_world: World) -> None:
    told: dict[str, list[tuple[Candidate, Sequence[float]]]] = {problem.id: [] for problem in small_world.problems}
    results = searched(small_world, tell=lambda one, probs: told[one.rollout.prompt.problem_id].append((one, probs)))
    for result in results:
        candidates = by_index(result)
        assert [candidate for candidate, _ in told[result.problem.id]] == candidates
        for candidate, probs_T in told[result.problem.id]:
            assert len(probs_T) == len(candidate.rollout.completion_ids)
            if candidate.move is Move.REFINE:
                _, parents_T = told[result.problem.id][candidate.parent]  # type: ignore[index]
                assert candidate.kept == cut_seed(parents_T[:-1], Cut.ARGMAX, Drop.BELOW_FIRST)


def by_index(result: SamplingResult) -> list[Candidate]:
    return sorted(result.candidates, key=lambda candidate: candidate.index)


@pytest.mark.parametrize("drop", list(Drop))
@pytest.mark.parametrize("cut", list(Cut))
def test_refined_programs_begin_with_what_was_kept(small_world: World, cut: Cut, drop: Drop) -> None:
    for result in searched(small_world, cut=cut, drop=drop):
        candidates = by_index(result)
        assert {candidate.move for candidate in candidates[:6]} == {Move.SAMPLE}
        for candidate in candidates[6:]:
            assert candidate.move is not Move.REPAIR or not any(one.passed for one in candidates[: candidate.index])
            if candidate.move is not Move.REFINE:
                continue
            parent = candidates[candidate.parent]  # type: ignore[index]
            assert parent.passed
            assert parent.index < candidate.index
            ids = parent.rollout.completion_ids
            assert 0 < candidate.kept < len(ids)
            assert candidate.rollout.completion_ids[: candidate.kept] == ids[: candidate.kept]
            assert candidate.rollout.prompt == plain(result.problem)
            assert candidate.rollout.behavior_log_probs is None
            assert all(candidate.rollout.loss_mask)
            probs_T = read(small_world.critic, [parent.rollout])[0].pass_probs_T[:-1].tolist()
            if cut is Cut.ARGMAX and parent.move is not Move.REPAIR:
                assert candidate.kept == cut_seed(probs_T, cut, drop)


def test_the_literal_rule_empties_seeds_and_they_are_sampled_anew(small_world: World) -> None:
    """Fitted to programs of which one in seven passes, the critic begins every one below one half."""
    literal = searched(small_world, can_repair=False, drop=Drop.BELOW_HALF)
    relative = searched(small_world, can_repair=False, drop=Drop.BELOW_FIRST)
    assert all(result.ledger.empty_seeds > 0 for result in literal)
    assert all(result.ledger.spent[Move.REFINE].programs == 0 for result in literal)
    assert all(candidate.parent is None for result in literal for candidate in result.candidates)
    assert all(result.ledger.empty_seeds == 0 for result in relative)
    assert all(result.ledger.spent[Move.REFINE].programs > 0 for result in relative)


def test_candidates_are_ranked_by_examples_then_by_critic(small_world: World) -> None:
    for result in searched(small_world):
        keys = [(not candidate.passed, -candidate.pass_prob, candidate.index) for candidate in result.candidates]
        assert keys == sorted(keys)
        assert len({candidate.rollout.seed for candidate in result.candidates}) == len(result.candidates)


def test_each_order_of_handing_in() -> None:
    def candidate(index: int, passed: Outcome | None, pass_prob: float) -> Candidate:
        feedback = None if passed is None else Feedback(passed)
        return Candidate(index, a_rollout(), Move.SAMPLE, None, 0, feedback, pass_prob)

    P, W, S = Outcome.PASSED, Outcome.WRONG_ANSWER, Outcome.SANDBOX_ERROR
    several = [candidate(0, W, 0.9), candidate(1, S, 0.2), candidate(2, P, 0.1), candidate(3, P, 0.3)]
    orders = {rank: [one.index for one in ranked(several, rank)] for rank in Rank}
    assert orders == {
        Rank.EXAMPLES_CRITIC: [3, 2, 1, 0],
        Rank.EXAMPLES: [2, 3, 1, 0],
        Rank.CRITIC: [0, 3, 1, 2],
        Rank.DRAWN: [0, 1, 2, 3],
    }


@pytest.mark.slow
def test_same_seed_same_search_whatever_else_is_searched(small_world: World) -> None:
    first, again, other = (searched(small_world, seed=seed) for seed in (3, 3, 4))
    assert [result.as_dict() for result in first] == [result.as_dict() for result in again]
    assert [result.as_dict() for result in first] != [result.as_dict() for result in other]
    alone = searched(replace(small_world, problems=small_world.problems[1:2]), seed=3)[0]
    assert [one.rollout.completion_ids for one in by_index(alone)] == [
        one.rollout.completion_ids for one in by_index(first[1])
    ]


class Script:
    """A writer of given completions, in turn, that keeps what it was asked."""

    def __init__(self, world: World, texts: Iterable[str]) -> None:
        self.policy, self.coming = world.policy, iter(texts)
        self.requests: list[Request] = []

    def __call__(self, requests: Sequence[Request], max_new_tokens: int) -> list[list[Rollout]]:
        self.requests += requests
        return [[self.written(request, next(self.coming)) for _ in request.seeds] for request in requests]

    def written(self, request: Request, text: str) -> Rollout:
        ids = (*request.written_ids, *self.policy.encode(text), self.policy.end_id)
        prompt_ids = self.policy.encode(request.prompt.text)
        program = request.problem.starter_code + text
        segments = (Segment(ids, "policy"),)
        return Rollout(request.prompt, prompt_ids, segments, text, program, StopReason.END_OF_TEXT)


def scripted(
    world: World,
    texts: Iterable[str],
    mended: Iterable[str] | None = None,
    problem: Problem | None = None,
    **choices: Any,
) -> tuple[SamplingResult, Script]:
    """Critic sampling on the first problem of the world, or another, and what its repair model was asked."""
    chosen = SamplingSettings(**{"budget": 200, "max_new_tokens": 24, "n": 4, "rounds": 1} | choices)
    repairer = Script(world, mended or ())
    result = critic_sampling(
        [problem or world.problems[0]],
        chosen,
        write=Script(world, texts),
        critic=world.critic,
        grade=world.grader.grade,
        write_repair=None if mended is None else repairer,
    )[0]
    return result, repairer


RIGHT = "    return a + b\n"
WRONG = ("    return a\n", "    return (\n", "    return a[0]\n", "    return a\n")


def test_the_best_failed_programs_are_repaired_with_what_the_examples_say(small_world: World) -> None:
    """Two of three distinct failed programs are shown, as the critic ranks them."""
    result, repairer = scripted(small_world, WRONG, ["    return b\n", RIGHT] * 2, keep=2)
    candidates = by_index(result)
    best = [candidate.index for candidate in ranked(candidates[:3])][:2]
    assert [candidate.parent for candidate in candidates[4:]] == [best[0], best[0], best[1], best[1]]
    found = {0: "Why: wrong_answer\nf(2, 3) -> 2, expected 5", 1: "SyntaxError in line 2: return (", 2: "TypeError in line 2: return a[0]"}  # fmt: skip
    for request, index in zip(repairer.requests, best, strict=True):
        assert request.prompt.mode == "repair"
        assert f"Wrong program:\n{candidates[index].rollout.program}" in request.prompt.text
        assert found[index] in request.prompt.text
        assert request.prompt.text.endswith(f"Right program:\n{small_world.problems[0].starter_code}")
    assert result.candidates[0].move is Move.REPAIR
    assert result.ledger.spent[Move.REPAIR].programs == 4
    plain_ids = small_world.policy.encode(plain(small_world.problems[0]).text)
    for candidate in candidates:  # the critic reads a repaired program as an answer to the problem, as it was fitted
        reading = read(small_world.critic, [replace(candidate.rollout, prompt_ids=plain_ids)])[0]
        assert candidate.pass_prob == pytest.approx(reading.pass_prob, abs=1e-6)


def test_what_was_repaired_is_refined(small_world: World) -> None:
    result, _ = scripted(small_world, [*WRONG, *[RIGHT] * 9], [RIGHT] * 4, drop=Drop.NOTHING, rounds=2)
    moves = [candidate.move for candidate in by_index(result)]
    assert moves == [Move.SAMPLE] * 4 + [Move.REPAIR] * 4 + [Move.REFINE] * 4
    assert {candidate.parent for candidate in by_index(result)[8:]} <= {4, 5, 6, 7}


def test_all_failing_without_a_repair_model_is_plain_sampling(small_world: World) -> None:
    result, _ = scripted(small_world, WRONG * 9, rounds=None)
    assert {candidate.move for candidate in result.candidates} == {Move.SAMPLE}
    assert result.ledger.rounds > 2


def test_all_passing_is_refined(small_world: World) -> None:
    result, repairer = scripted(small_world, [RIGHT] * 40, [], drop=Drop.NOTHING)
    assert [candidate.move for candidate in by_index(result)] == [Move.SAMPLE] * 4 + [Move.REFINE] * 4
    assert repairer.requests == []


def test_without_example_tests_all_is_sampled_and_the_critic_ranks(small_world: World) -> None:
    blind = replace(small_world.problems[0], example_tests=ExampleTests())
    result, _ = scripted(small_world, [RIGHT, *WRONG] * 9, [RIGHT] * 9, problem=blind, rounds=None)
    assert {candidate.move for candidate in result.candidates} == {Move.SAMPLE}
    assert {candidate.passed for candidate in result.candidates} == {None}
    scores = [candidate.pass_prob for candidate in result.candidates]
    assert scores == sorted(scores, reverse=True)


def test_what_nobody_could_tell_is_neither_refined_nor_repaired(small_world: World) -> None:
    def cannot_tell(requests: Iterable[GradeRequest]) -> list[Verdict]:
        return [Verdict(Outcome.SANDBOX_ERROR, 0, 1) for _ in requests]

    blind = replace(small_world, grader=SimpleNamespace(grade=cannot_tell))  # type: ignore[arg-type]
    result, repairer = scripted(blind, [RIGHT] * 9, [RIGHT] * 9)
    assert {candidate.move for candidate in result.candidates} == {Move.SAMPLE}
    assert repairer.requests == []


def test_empty_completions_rank_last_and_end_the_search(small_world: World) -> None:
    """A writer that gives not even an end of text spends nothing: the search must not wait for its budget to go."""

    class Silent(Script):
        def written(self, request: Request, text: str) -> Rollout:
            return replace(super().written(request, text), segments=())

    result = critic_sampling(
        [small_world.problems[0]],
        SamplingSettings(budget=100, max_new_tokens=24, n=2),
        write=Silent(small_world, ["", "    return 1\n"]),
        critic=small_world.critic,
        grade=small_world.grader.grade,
    )[0]
    assert [candidate.pass_prob for candidate in result.candidates] == [0.0, 0.0]
    assert (result.ledger.rounds, result.ledger.tokens, result.ledger.critic_tokens) == (1, 0, 0)


def test_one_token_that_passes_leaves_no_seed(small_world: World) -> None:
    """Its only token is the end of text, which is in no seed."""
    given_away = replace(small_world.problems[0], starter_code="def f(a, b):\n    return a + b\n")
    result, _ = scripted(small_world, [""] * 9, problem=given_away, drop=Drop.NOTHING)
    assert {candidate.passed for candidate in result.candidates} == {True}
    assert {candidate.move for candidate in result.candidates} == {Move.SAMPLE}
    assert result.ledger.empty_seeds == 4


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"budget": 23}, "budget: expected at least max_new_tokens .24., the tokens of one program; got 23"),
        ({"n": 0}, "n: expected at least 1; got 0"),
        ({"keep": 0}, "keep: expected at least 1"),
        ({"rounds": -1}, "rounds: expected at least 0; got -1"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, int], said: str) -> None:
    with pytest.raises(UserError, match=said):
        SamplingSettings(**{"budget": 100, "max_new_tokens": 24} | wrong)


def test_a_budget_of_one_program_is_spent_on_samples(small_world: World) -> None:
    result, _ = scripted(small_world, [RIGHT] * 4, budget=24, rounds=None)
    assert len(result.candidates) == 1
    assert result.ledger.tokens <= 24


def test_a_critic_without_a_class_for_passing_is_refused(small_world: World) -> None:
    critic = a_critic()
    critic.settings = replace(critic.settings, classes=SimpleNamespace(names=("slow", "fast")))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="expected a critic whose last class is 'passed'; got slow, fast"):
        searched(replace(small_world, critic=critic))


def test_a_writer_that_forgets_what_was_written_is_our_fault(small_world: World) -> None:
    class Forgetful(Script):
        def written(self, request: Request, text: str) -> Rollout:
            return super().written(replace(request, written_ids=()), text)

    with pytest.raises(RuntimeError, match="ids that begin with the"):
        critic_sampling(
            [small_world.problems[0]],
            SamplingSettings(budget=200, max_new_tokens=24, n=2, drop=Drop.NOTHING),
            write=Forgetful(small_world, [RIGHT, RIGHT, "", ""]),
            critic=small_world.critic,
            grade=small_world.grader.grade,
        )


def hashed_writer(lengths: list[int], spent: list[int]) -> Writer:
    """Rollouts of given lengths, and a note of every token that was generated."""

    def write(requests: Sequence[Request], max_new_tokens: int) -> list[list[Rollout]]:
        groups = []
        for request in requests:
            rollouts = []
            for seed in request.seeds:
                room = max_new_tokens - len(request.written_ids)
                added = min(room, lengths[seed % len(lengths)])
                spent.append(added)
                ids = (*request.written_ids, *(2 + (seed >> place) % 60 for place in range(added)))
                rollouts.append(replace(a_rollout((5, 6), ids), program=str(seed), prompt=request.prompt))
            groups.append(rollouts)
        return groups

    return write


def passing_share(share: int) -> Any:
    """A grader by the name of the program: some pass, some cannot be told, the others fail."""

    def grade(requests: Iterable[GradeRequest]) -> list[Verdict]:
        outcomes = [
            Outcome.PASSED if int(request.program) % 10 < share else Outcome.WRONG_ANSWER for request in requests
        ]
        return [Verdict(outcome, 0, 1) for outcome in outcomes]

    return grade


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    budget=st.integers(10, 150),
    n=st.integers(1, 6),
    keep=st.integers(1, 3),
    share=st.integers(0, 10),
    rounds=st.one_of(st.none(), st.integers(0, 3)),
    drop=st.sampled_from(Drop),
    cut=st.sampled_from(Cut),
    refine=st.booleans(),
    repairs=st.booleans(),
)
def test_every_token_is_in_the_ledger_and_the_budget_holds(
    lengths: list[int], budget: int, n: int, keep: int, share: int, rounds: int | None, drop: Drop, cut: Cut, refine: bool, repairs: bool
) -> None:  # fmt: skip
    chosen = SamplingSettings(budget, 10, n, rounds, refine, keep, cut, drop)
    spent: list[int] = []
    mending: list[int] = []
    write_repair = hashed_writer(lengths, mending) if repairs else None
    problems = [a_problem("one"), a_problem("two")]
    results = critic_sampling(
        problems, chosen, write=hashed_writer(lengths, spent), critic=CRITIC, grade=passing_share(share), write_repair=write_repair
    )  # fmt: skip
    ledgers = [result.ledger for result in results]
    assert sum(ledger.tokens for ledger in ledgers) == sum(spent) + sum(mending)
    assert sum(ledger.spent[Move.REPAIR].tokens for ledger in ledgers) == sum(mending)
    for result in results:
        ledger = result.ledger
        assert ledger.tokens <= budget
        assert rounds is not None or budget - ledger.tokens < 10  # not even one more of the longest would fit
        assert rounds is None or ledger.rounds <= rounds + 1
        for move in Move:
            of_move = [candidate for candidate in result.candidates if candidate.move is move]
            assert ledger.spent[move].programs == len(of_move)
            assert ledger.spent[move].tokens == sum(candidate.n_generated for candidate in of_move)
        assert ledger.empty_seeds == 0 or refine
        assert sorted(candidate.index for candidate in result.candidates) == list(range(len(result.candidates)))


CRITIC = a_critic()
CANARY = 987654321


def test_no_writer_ever_sees_a_hidden_test(small_world: World) -> None:
    """Hidden tests hold canaries; every prompt that is built, and every test that is run, is looked at.

    One problem cannot be solved, so that its programs are repaired.
    """
    hidden = HiddenTests((TestCase([CANARY, 1], CANARY), TestCase([0, CANARY], -CANARY)))
    *solvable, last = (replace(problem, hidden_tests=hidden) for problem in small_world.problems)
    planted = (*solvable, replace(last, example_tests=ExampleTests((TestCase([2, 3], 77),))))
    asked: list[Request] = []
    graded: list[GradeRequest] = []

    def watched(write: Writer) -> Writer:
        def also(requests: Sequence[Request], max_new_tokens: int) -> list[list[Rollout]]:
            asked.extend(requests)
            return write(requests, max_new_tokens)

        return also

    def grade(requests: Iterable[GradeRequest]) -> list[Verdict]:
        requests = list(requests)
        graded.extend(requests)
        return small_world.grader.grade(requests)

    write = continuing(small_world.policy, temperature=1.0)
    results = critic_sampling(
        planted,
        SamplingSettings(budget=BUDGET, max_new_tokens=MAX_NEW_TOKENS, n=8, keep=2, seed=5),
        write=watched(write),
        critic=small_world.critic,
        grade=grade,
        write_repair=watched(write),
    )
    assert {request.prompt.mode for request in asked} == {"plain", "repair"}
    assert any(request.written_ids for request in asked)
    assert not any(str(CANARY) in request.prompt.text for request in asked)
    assert {type(request.tests) for request in graded} == {ExampleTests}
    assert not any(str(CANARY) in str(result.as_dict()) for result in results)
