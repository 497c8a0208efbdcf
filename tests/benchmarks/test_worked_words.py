"""The corpora of the study of rationales are wrong where they say, and what they tell fits its own answer."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from critics.rationales import equations, only_restates, steps_hold
from envs.forms import Form, gold_answer, worked
from envs.problem_sets.word_problems import load
from tests.benchmarks.biased_words import MAX_STEPS
from tests.benchmarks.worked_words import LARGEST, derives, told_in_words, told_with_hints
from tests.critics.test_rationales import told

PROBLEMS = load("train", n=200, max_steps=MAX_STEPS, largest=LARGEST).problems
GOLD = {problem.id: [step.value for step in problem.steps] for problem in PROBLEMS}


@pytest.mark.parametrize("kind", ["right", "systematic", "random"])
def test_a_wrong_step_is_computed_right(kind: str) -> None:
    rng = Random(kind)
    for problem in PROBLEMS:
        wrong = told_in_words(problem, kind, rng)
        assert len(equations(wrong.rationale)) == len(problem.steps)
        assert steps_hold(wrong.rationale)
        assert f"= {gold_answer(wrong)}" in wrong.rationale
        assert derives(worked(wrong, Form.NATURAL), GOLD[problem.id]) is (gold_answer(wrong) == gold_answer(problem))
        assert kind != "right" or gold_answer(wrong) == gold_answer(problem)


def test_solutions_are_worded_in_many_ways() -> None:
    problem = next(p for p in PROBLEMS if len(p.steps) == 2 and "*" in p.steps[0].expression)
    texts = {told_in_words(problem, "right", Random(seed)).rationale for seed in range(40)}
    assert len(texts) == 4
    assert all(derives(text, GOLD[problem.id]) for text in texts)


def test_with_a_hint_errors_are_mended_bent_or_left_out() -> None:
    rng = Random(0)
    found = Counter[str]()
    for problem in PROBLEMS * 5:
        corpus = told_with_hints(problem, "systematic", rng)
        if "Hint: " not in corpus.statement:
            found["plain"] += 1
            continue
        assert gold_answer(corpus) == gold_answer(problem)
        rationale = told(worked(corpus, Form.TOKEN), problem=corpus)
        if only_restates(rationale, corpus):
            found["restated"] += 1
        else:
            found["mended" if steps_hold(corpus.rationale) else "bent"] += 1
    shares = {name: count / 1000 for name, count in found.items()}
    assert shares == pytest.approx({"plain": 0.5, "mended": 0.25, "bent": 0.125, "restated": 0.125}, abs=0.06)
