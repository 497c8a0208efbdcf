"""The published files load completely, with known counts, and their references pass in the real grader."""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from envs.extract import extract_program, parse_program
from envs.grading import Grader, GradeRequest
from envs.problem import Interface, Problem
from envs.problem_sets import ProblemSet, detect_format, load_problems
from envs.prompts import completion_for, fenced, plain
from envs.verdict import Outcome

SETS = {
    "humaneval": ("humaneval", "test", {}, 164),
    "mbpp": ("mbpp", "all", {}, 974),
    "mbpp sanitized": ("mbpp", "all", {"sanitized": True}, 427),
    "apps_sample": ("apps", "train", {}, 5),
    "gsm8k": ("gsm8k", "train", {}, 7473),
    "gsm8k test": ("gsm8k", "test", {}, 1319),
    "gsm8k socratic": ("gsm8k", "test", {"socratic": True}, 1319),
    "p3": ("puzzles", "all", {}, 1715),
}

SLOW = {"Mbpp/123": 15.0}
"""CPU seconds for references that nearly use up their limit: this one takes 4.5 of 5 s on two idle cores."""


def load(key: str, data: Path) -> ProblemSet:
    name, split, options, _ = SETS[key]
    return load_problems(name, split, data / key.split()[0], **options)


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader(workers=2) as grader:
        yield grader


def with_time_enough(problem: Problem) -> Problem:
    """The problem, with more CPU time where its own reference nearly uses up what it has."""
    if problem.id not in SLOW:
        return problem
    return replace(problem, limits=replace(problem.limits, cpu_s=SLOW[problem.id]))


def failures(grader: Grader, problems: ProblemSet, n_references: int | None = 1) -> dict[str, Counter[Outcome]]:
    """Outcomes of the references that do not pass, by problem; hidden tests, then example tests."""
    jobs = [
        (problem.id, GradeRequest(with_time_enough(problem), program, tests))
        for problem in problems
        for program in problem.solutions[:n_references]
        for tests in (problem.hidden_tests, problem.example_tests)
        if tests
    ]
    found: dict[str, Counter[Outcome]] = {}
    for (problem_id, _), verdict in zip(jobs, grader.grade(request for _, request in jobs), strict=True):
        if not verdict.passed:
            found.setdefault(problem_id, Counter())[verdict.outcome] += 1
    return found


@pytest.mark.parametrize("key", SETS)
def test_every_row_of_a_published_file_is_read(key: str, real_data: Path) -> None:
    loaded = load(key, real_data)
    assert len(loaded) == SETS[key][3]
    assert loaded.dropped == ()
    name, split, _, _ = SETS[key]
    assert detect_format(real_data / key.split()[0], split).name == name


def test_published_splits(real_data: Path) -> None:
    data = real_data / "mbpp"
    assert {split: len(load_problems("mbpp", split, data)) for split in ("prompt", "test", "validation", "train")} == {
        "prompt": 10,
        "test": 500,
        "validation": 90,
        "train": 374,
    }
    puzzles = real_data / "p3"
    train, test = (load_problems("puzzles", split, puzzles) for split in ("train", "test"))
    assert not {p.id.split(":")[0] for p in train} & {p.id.split(":")[0] for p in test}
    assert len(train) + len(test) == 1645  # the other 70 puzzles are of classes in neither split


def test_example_tests_of_codes_own_file_are_taken(real_data: Path) -> None:
    data = real_data / "apps_sample"
    examples = data / "test_example_tests.jsonl"
    (problem, *_) = load_problems("apps", "train", data, examples=examples)
    assert len(problem.example_tests) == 3  # row 1 of that file; the statement of this problem has one


def test_gsm8k_answers_and_steps(real_data: Path) -> None:
    problems = [*load("gsm8k", real_data), *load("gsm8k test", real_data)]
    assert all(isinstance(problem.hidden_tests.cases[0].output, int | float) for problem in problems)
    socratic = load("gsm8k socratic", real_data)
    assert all(step.question for problem in socratic for step in problem.steps)
    unmarked = sum(not step.expression for problem in socratic for step in problem.steps)
    assert (unmarked, sum(len(problem.steps) for problem in socratic)) == (539, 4821)
    assert sum(bool(problem.solutions) for problem in problems) > 0.9 * len(problems)


@pytest.mark.parametrize("key", ["humaneval", "mbpp", "apps_sample", "gsm8k test", "p3"])
def test_references_come_back_out_of_completions(key: str, real_data: Path) -> None:
    for problem in load(key, real_data):
        assert plain(problem).text
        for program in problem.solutions:
            assert extract_program(completion_for(problem, program), problem) == program
            assert extract_program(f"Sure!\n{fenced(program)}Done.", problem).rstrip() == program.rstrip()


@pytest.mark.slow
def test_humaneval_references_pass(grader: Grader, real_data: Path) -> None:
    problems = load("humaneval", real_data)
    verdicts = grader.grade(GradeRequest(p, p.solutions[0], p.hidden_tests) for p in problems)
    assert [p.id for p, verdict in zip(problems, verdicts, strict=True) if not verdict.passed] == []


@pytest.mark.slow
def test_a_mutated_program_fails_on_each_humaneval_problem(grader: Grader, real_data: Path) -> None:
    problems = load("humaneval", real_data)
    requests = [GradeRequest(p, wrong_returns(p), p.hidden_tests) for p in problems]
    verdicts = grader.grade(requests)
    assert [p.id for p, verdict in zip(problems, verdicts, strict=True) if verdict.passed] == []
    assert Counter(verdict.outcome for verdict in verdicts) == {Outcome.WRONG_ANSWER: 164}


WRONG = """

def _mutant(value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float, complex)):
        return value + 1
    if isinstance(value, str):
        return value + "?"
    if isinstance(value, (list, tuple)):
        return type(value)([*value, 0])
    return {**value, "?": 0} if isinstance(value, dict) else 0
"""


def wrong_returns(problem: Problem) -> str:
    """The reference with every value that its entry function returns made wrong."""
    tree = parse_program(problem.solutions[0])
    assert tree is not None

    class Mutate(ast.NodeTransformer):
        def visit_Return(self, node: ast.Return) -> ast.Return:
            node.value = ast.Call(ast.Name("_mutant"), [node.value or ast.Constant(None)], [])
            return node

        def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
            return node  # a helper inside the function returns what it did

    (entry,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == problem.entry_point)
    entry.body = [Mutate().visit(statement) for statement in entry.body]
    return ast.unparse(ast.fix_missing_locations(tree)) + WRONG


@pytest.mark.slow
def test_mbpp_references_pass(grader: Grader, real_data: Path) -> None:
    assert len(failures(grader, load("mbpp", real_data))) <= 1


@pytest.mark.slow
def test_sanitized_mbpp_references_pass(grader: Grader, real_data: Path) -> None:
    assert failures(grader, load("mbpp sanitized", real_data)) == {}


@pytest.mark.slow
def test_puzzle_references_pass(grader: Grader, real_data: Path) -> None:
    problems = load("p3", real_data)
    assert sum(bool(problem.solutions) for problem in problems) == 1661
    assert len(failures(grader, problems)) <= 6


@pytest.mark.slow
def test_apps_references_pass(grader: Grader, real_data: Path) -> None:
    problems = load("apps_sample", real_data)
    assert sum(len(problem.solutions) for problem in problems) == 101
    # three programs of 2287 end with a `return` outside a function: APPS runs its stdio programs inside one
    assert failures(grader, problems, n_references=None) == {"apps/train/2287": Counter({Outcome.COMPILE_ERROR: 6})}


@pytest.mark.slow
def test_programs_that_apps_calls_wrong_fail(grader: Grader, real_data: Path) -> None:
    problems = load("apps_sample", real_data)
    quick = [replace(p, limits=replace(p.limits, cpu_s=1.0)) for p in problems]
    requests = [GradeRequest(p, code, p.hidden_tests) for p in quick for code in p.wrong_programs]
    assert len(requests) == 48
    assert not any(verdict.passed for verdict in grader.grade(requests))


@pytest.mark.slow
def test_gsm8k_programs_give_the_published_answers(grader: Grader, real_data: Path) -> None:
    problems = load("gsm8k test", real_data)
    solved = replace(problems, problems=tuple(problem for problem in problems if problem.solutions))
    assert all(problem.interface is Interface.ANSWER for problem in solved)
    assert failures(grader, solved) == {}
