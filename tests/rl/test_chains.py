"""The calculator inside decoding, and chains that two models write turn by turn."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from critics.sampling import Request
from envs.decompose import turns
from envs.errors import UserError
from envs.problem import Problem
from envs.problem_sets import load_problems
from envs.prompts import socratic
from envs.rollout import StopReason
from rl.calculator import Calculator
from rl.chains import Chain, Said, Speak, alone, asks_as_given, asks_in_advance, by_chains, in_turns, lesson, speaker
from rl.collect import collect
from rl.decode import sample
from rl.models import Policy, load_policy
from rl.socratic_phases import ROWS, answers, one_by_one, own_questions, unified
from rl.write import continuing, ungraded
from tests.small_world import fit_policy

PROBLEMS = load_problems("word_problems", "train", n=40).problems
PROBLEM = next(problem for problem in PROBLEMS if len(problem.steps) == 2)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy("scratch:nano", [socratic(p).text + unified(p)[0][1] for p in PROBLEMS], seed=1)


def of_words(tokens: Sequence[str]) -> Policy:
    """A policy whose tokenizer has exactly these tokens and their characters, and takes the longest that fits."""
    characters = sorted({character for token in tokens for character in token} | set("0123456789.->=< *"))
    vocabulary = {token: place for place, token in enumerate(dict.fromkeys(["<e>", "a", *characters, *tokens]))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="a"))
    alternatives = "|".join(sorted(map(_escaped, vocabulary), key=len, reverse=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(alternatives), "isolated")
    tokenizer.decoder = decoders.Fuse()
    nano = load_policy("scratch:nano", [], seed=0)
    return Policy(nano.model, PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<e>"))


def _escaped(token: str) -> str:
    return "".join(f"\\{character}" if not character.isalnum() else character for character in token)


def after(policy: Policy, text: str) -> str | None:
    """A text with what the calculator puts in behind its last token; None where it keeps quiet."""
    ids = policy.encode(text)
    found = Calculator(policy)(ids) if ids[-1] in Calculator(policy).triggers else ()
    return policy.decode((*ids[:-1], *found)) if found else None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("There are <<3*4=", "There are <<3*4=12>>"),
        ("<<1+1=2>>2 and <<10/4=", "<<1+1=2>>2 and <<10/4=2.5>>"),
        ("<<2-5=", "<<2-5=-3>>"),
        ("3*4=", None),
        ("<<3*4=12>>12 =", None),
        ("<<three=", None),
        ("<<1/0=", None),
    ],
)
def test_the_value_is_put_in_behind_an_open_mark(policy: Policy, text: str, wanted: str | None) -> None:
    assert after(policy, text) == wanted


def test_a_token_that_goes_on_behind_the_sign_is_written_anew() -> None:
    assert after(of_words(["=7", ">>", "12"]), "<<3*4=7") == "<<3*4=12>>"
    assert after(of_words(["*4=", "12>>"]), "<<3*4=") == "<<3*4=12>>"
    assert after(of_words([]), "<<3*4=") == "<<3*4=12>>"


def test_a_tokenizer_without_digits_is_refused() -> None:
    letters = Tokenizer(models.WordLevel({"<e>": 0, "a": 1, "=": 2}, unk_token="a"))
    policy = Policy(
        load_policy("scratch:nano", []).model, PreTrainedTokenizerFast(tokenizer_object=letters, eos_token="<e>")
    )
    with pytest.raises(UserError, match="has no token for '0'"):
        Calculator(policy)


class Says:
    """An Insert that puts fixed ids behind each of some ids."""

    def __init__(self, behind: dict[int, tuple[int, ...]]) -> None:
        self.behind, self.triggers = behind, frozenset(behind)

    def __call__(self, ids: Sequence[int]) -> tuple[int, ...]:
        return self.behind[ids[-1]]


def sampled(policy: Policy, prompts: list[list[int]], insert: Says | None = None) -> list[tuple[int, ...]]:
    seeds = [[10 * place, 10 * place + 1] for place in range(len(prompts))]
    groups = sample(policy.model, prompts, seeds, temperature=1.0, max_new_tokens=16, end_id=0, insert=insert)
    return [completion.ids for group in groups for completion in group]


def test_what_is_put_in_is_read_by_the_model_and_marked_in_the_rollout(policy: Policy) -> None:
    """Forced ids replace draws; whatever follows is what the model would say behind them."""
    prompts = [[9, 8, 7], [40]]
    plain = sampled(policy, prompts)
    trigger = plain[0][2]
    insert = Says({trigger: (trigger, 5, 6)})
    with_insert = sampled(policy, prompts, insert)
    place = plain[0].index(trigger)
    assert with_insert[0][: place + 3] == (*plain[0][: place + 1], 5, 6)
    seeds = [[0, 1], [10, 11]]
    groups = sample(policy.model, prompts, seeds, temperature=1.0, max_new_tokens=16, end_id=0, insert=insert)
    completion = groups[0][0]
    assert {place + 1, place + 2} <= completion.inserted
    assert place not in completion.inserted
    assert all(completion.log_probs[i] == 0 for i in completion.inserted)
    ids = torch.tensor([[*prompts[0], *completion.ids]])
    with torch.no_grad():
        log_probs = policy.model(ids).logits[0, 2:-1].float().log_softmax(-1)
    for i, (token, said) in enumerate(zip(completion.ids, completion.log_probs, strict=True)):
        if i not in completion.inserted:
            assert said == pytest.approx(float(log_probs[i, token]), abs=1e-4)


def test_rows_that_nothing_is_put_into_are_as_without_it(policy: Policy) -> None:
    assert sampled(policy, [[9, 8, 7], [40]], Says({})) == sampled(policy, [[9, 8, 7], [40]])


def test_nobody_learns_what_was_put_in(policy: Policy) -> None:
    first = continuing(policy, temperature=1.0)([Request(PROBLEM, socratic(PROBLEM), (3,))], 12)[0][0].completion_ids[0]
    insert = Says({first: (first, 7, 7)})
    (rollout,) = continuing(policy, temperature=1.0, insert=insert)([Request(PROBLEM, socratic(PROBLEM), (3,))], 12)[0]
    assert [(segment.author, segment.learn) for segment in rollout.segments[:2]] == [
        ("policy", True),
        ("environment", False),
    ]
    assert rollout.segments[1].ids == (7, 7)
    assert rollout.loss_mask[:4] == (True, False, False, True)
    assert rollout.behavior_log_probs is not None


@pytest.mark.slow
def test_a_model_that_cannot_multiply_is_right_with_a_calculator(policy: Policy) -> None:
    """It has learned to mark what is to be multiplied, with a result that is wrong."""
    text = " 7 * 8 = <<7 * 8=11>>11 pens.\n"
    policy = Policy(copy.deepcopy(policy.model), policy.tokenizer)
    fit_policy(policy, [ungraded(PROBLEM, [lesson(policy, PROBLEM, "", text)])], steps=60)
    for insert, said in ((None, text), (Calculator(policy), " 7 * 8 = <<7 * 8=56>>")):
        speak = speaker(policy, "solver", temperature=0.0, max_new_tokens=40, insert=insert)
        assert speak([Chain(PROBLEM, 1)])[0].text.startswith(said)


def scripted(*lines: str, whole: bool = True) -> Speak:
    """Somebody who says one line after another, whatever is asked, and counts by the questions of the chain."""
    return lambda chains: [Said(lines[min(len(chain.asked), len(lines)) - 1], (), whole) for chain in chains]


def own(problem: Problem) -> Speak:
    said = [turn.answered for turn in turns(problem)]
    return lambda chains: [Said(said[len(chain.asked) - 1], (), True) for chain in chains]


def written(policy: Policy, ask: Speak, answer: Speak, max_steps: int = 5) -> tuple[str, StopReason, str]:
    write = by_chains(policy, in_turns(ask, answer, max_steps), n=1, temperature=1.0, seed=0)
    (group,) = collect([PROBLEM], write, grade=None)
    return group.rollouts[0].text, group.rollouts[0].stop, group.rollouts[0].program


def test_own_questions_with_own_answers_are_the_own_chain(policy: Policy) -> None:
    chain, answer = unified(PROBLEM)[0][1], PROBLEM.hidden_tests.cases[0].output
    program = f"def solution():\n    return {answer}\n"
    given = asks_as_given(own_questions, policy)
    assert written(policy, given, own(PROBLEM)) == (chain, StopReason.END_OF_TEXT, program)
    at_once = asks_in_advance(
        lambda chains: [Said("\n\n".join(own_questions(PROBLEM)), (), True)] * len(chains), policy
    )
    assert written(policy, at_once, own(PROBLEM)) == (chain, StopReason.END_OF_TEXT, program)


def test_a_chain_that_runs_astray_is_ended(policy: Policy) -> None:
    answer = scripted(" 1\n")
    questions = [f"What is {n}? **" for n in range(9)]
    endless = asks_as_given(lambda problem: questions, policy)
    assert written(policy, endless, answer, max_steps=2)[:2] == (
        "What is 0? ** 1\nWhat is 1? ** 1\nWhat is 2? ** 1\n", StopReason.LENGTH,
    )  # fmt: skip
    loop = asks_as_given(lambda problem: [questions[0], questions[1], questions[0], "####"], policy)
    assert written(policy, loop, answer)[:2] == ("What is 0? ** 1\nWhat is 1? ** 1\n", StopReason.LENGTH)
    short = asks_as_given(lambda problem: questions[:1], policy)
    text, stop, program = written(policy, short, answer)
    assert (text, stop, program) == ("What is 0? ** 1\n", StopReason.LENGTH, "def solution():\n")
    cut = scripted(" 1", whole=False)
    assert written(policy, endless, cut)[:2] == ("What is 0? ** 1", StopReason.LENGTH)


def test_a_chain_ends_where_positions_do(policy: Policy) -> None:
    speak = speaker(policy, "solver", temperature=1.0, max_new_tokens=16)
    room = Chain(PROBLEM, 1), replace(Chain(PROBLEM, 1), text="pens " * 2000)
    fits, does_not = speak(room)
    assert fits.segments
    assert (does_not.text, does_not.whole) == ("", False)
    whole = by_chains(policy, alone(speak), n=2, temperature=1.0, seed=0)
    (group,) = collect([PROBLEM], whole, grade=None)
    assert len(group.rollouts) == 2
    assert group.rollouts[0].completion_ids != group.rollouts[1].completion_ids


def test_every_turn_is_learned_once_behind_all_before_it() -> None:
    chain = unified(PROBLEM)[0][1]
    for asked, answered in zip(one_by_one(PROBLEM), answers(PROBLEM), strict=True):
        assert asked[0] + asked[1] == answered[0]
        assert chain.startswith(answered[0] + answered[1])
    assert answers(PROBLEM)[-1][0] + answers(PROBLEM)[-1][1] == chain
    assert set(ROWS) == {"iterative", "all_at_once", "unified", "chain_of_thought", "answer_only"}


def test_what_is_learned_is_tokenised_as_what_is_written(policy: Policy) -> None:
    """The prompt of a turn is the same ids when it is learned from and when it is asked."""
    before, text = answers(PROBLEM)[1]
    learned = lesson(policy, PROBLEM, before, text)
    (asked,) = continuing(policy, temperature=0.0)([Request(PROBLEM, socratic(PROBLEM, before), (1,))], 8)[0]
    assert learned.prompt_ids == asked.prompt_ids
    assert learned.completion_ids == (*policy.encode(text), policy.end_id)
