"""Near-duplicates and overlap."""

import random

from envs.overlap import near_duplicates, overlaps, program_key

WORDS = [f"w{number}" for number in range(300)]


def paragraph(seed: int, length: int = 120) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=length))


def test_planted_near_duplicates_are_found_and_nothing_else() -> None:
    texts = [paragraph(seed) for seed in range(400)]
    edited = texts[17].split()
    edited[60] = "other"
    texts += [" ".join(edited), texts[3].upper() + "!"]
    assert [(match.index, match.other) for match in near_duplicates(texts)] == [(400, 17), (401, 3)]
    assert near_duplicates(texts)[1].similarity == 1.0


def test_short_texts_match_only_as_a_whole() -> None:
    assert near_duplicates(["add two numbers", "add three numbers", "Add two numbers."])[0].other == 0
    assert len(near_duplicates(["add two numbers", "add three numbers"])) == 0
    assert near_duplicates([]) == []


def test_overlap_with_an_evaluation_set() -> None:
    evaluation = [paragraph(seed) for seed in range(50)]
    training = [paragraph(seed) for seed in range(1000, 1050)]
    training[7] = evaluation[30] + " and a little more"
    assert [(match.index, match.other) for match in overlaps(training, evaluation)] == [(7, 30)]


def test_boilerplate_shared_by_all_is_no_match() -> None:
    boilerplate = "write a python function that does what the following statement says please "
    texts = [boilerplate + paragraph(seed, 40) for seed in range(500)]
    assert near_duplicates(texts) == []


def test_programs_are_the_same_up_to_layout_and_comments() -> None:
    one = 'def f(x):\n    """Doc."""\n    return x+1  # add\n'
    assert program_key(one) == program_key("def f(x):\n  return x + 1\n")
    assert program_key(one) != program_key("def f(x):\n  return x + 2\n")
    assert program_key("def f(:") is None
