"""Every published format loads, is detected, and gives the tests that its columns say."""

import json
from pathlib import Path

import pytest

from envs.problem import Interface, Problem, TestCase
from envs.problem_sets import AUTO, PROBLEM_SETS, DataError, detect_format, load_problems
from envs.problem_sets.livecodebench import pickled_text, private_tests
from tests.envs.problem_sets import rows
from tests.envs.problem_sets.rows import FORMATS, SPLIT_OF


def load_row(tmp_path: Path, name: str, row: object) -> Problem:
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(row) + "\n")
    loaded = load_problems(name, SPLIT_OF.get(name, "train"), file)
    assert not loaded.dropped
    (problem,) = loaded
    return problem


@pytest.mark.parametrize("form", FORMATS)
def test_a_row_of_each_format_loads_and_is_detected(form: str, tmp_path: Path) -> None:
    name, row = FORMATS[form]
    problem = load_row(tmp_path, name, row)
    assert problem.hidden_tests
    assert problem.id
    detection = detect_format(tmp_path / "rows.jsonl")
    assert detection.name == name
    assert "rows.jsonl:1 has the keys" in detection.why
    assert list(load_problems(AUTO, SPLIT_OF.get(name, "train"), tmp_path / "rows.jsonl")) == [problem]


def test_every_set_that_reads_rows_has_a_fixture() -> None:
    assert {name for name, _ in FORMATS.values()} == set(PROBLEM_SETS) - {"basics", "gsm8k_socratic", "word_problems"}


def test_parquet_holds_the_same_problems(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow = pytest.importorskip("pyarrow")
    for form in ("CodeContests", "open-r1", "own", "LiveCodeBench stdin", "verl"):
        name, row = FORMATS[form]
        parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "rows.parquet")
        (problem,) = load_problems(name, "train", tmp_path / "rows.parquet")
        assert problem == load_row(tmp_path, name, row)


def test_humaneval_keeps_the_prompt_and_finds_its_examples(tmp_path: Path) -> None:
    problem = load_row(tmp_path, "humaneval", rows.HUMANEVAL)
    assert problem.starter_code == rows.HUMANEVAL["prompt"]
    assert [case.script for case in problem.example_tests] == ["assert double(3) == 6"]
    assert problem.solutions == (rows.HUMANEVAL["prompt"] + rows.HUMANEVAL["canonical_solution"],)


def test_mbpp_shows_one_assert_and_hides_the_others(tmp_path: Path) -> None:
    problem = load_row(tmp_path, "mbpp", rows.MBPP)
    assert [case.script for case in problem.example_tests] == ["assert double(1) == 2"]
    assert [case.script for case in problem.hidden_tests] == ["assert double(5) == 10", "assert double(-2) == -4"]
    assert "\r" not in problem.solutions[0]
    sanitized = load_row(tmp_path, "mbpp", rows.MBPP_SANITIZED)
    assert sanitized.example_tests.cases[0].script == "import math\nassert math.isclose(double(1), 2)"


def test_mbpp_is_divided_by_task_id(tmp_path: Path) -> None:
    file = tmp_path / "mbpp.jsonl"
    file.write_text("".join(json.dumps({**rows.MBPP, "task_id": n}) + "\n" for n in (1, 10, 11, 510, 511, 600, 601)))
    sizes = {split: len(load_problems("mbpp", split, tmp_path)) for split in ("prompt", "test", "validation", "train")}
    assert sizes == {"prompt": 2, "test": 2, "validation": 2, "train": 1}


def test_apps_examples_come_from_the_statement(tmp_path: Path) -> None:
    stdio = load_row(tmp_path, "apps", rows.APPS_STDIO)
    assert stdio.example_tests.cases == (TestCase("3\n", "6\n"), TestCase("1\n", "2\n"))
    assert stdio.hidden_tests.cases == (TestCase("5\n", "10\n"), TestCase("6\n", "12"))
    call = load_row(tmp_path, "apps", rows.APPS_CALL)
    assert call.interface is Interface.FUNCTION
    assert call.example_tests.cases == (TestCase([3], 6),)
    assert call.solutions[0].startswith("import bisect")


def test_outputs_that_codewars_wraps_are_unwrapped(tmp_path: Path) -> None:
    problem = load_row(tmp_path, "taco", rows.TACO)
    assert problem.hidden_tests.cases == (TestCase([1], 2), TestCase([2], 4))
    assert problem.limits.cpu_s == 6.0
    assert problem.limits.memory_mb == 2048
    assert problem.tags == ("introductory", "Mathematics", "Implementation")


def test_code_contests_keeps_python_3_and_the_wrong_programs(tmp_path: Path) -> None:
    problem = load_row(tmp_path, "code_contests", rows.CODE_CONTESTS)
    assert problem.solutions == (rows.ECHO,)
    assert problem.wrong_programs == ("print(int(input()))\n",)
    assert len(problem.hidden_tests) == 3
    assert problem.example_tests.cases == (TestCase("3\n", "6\n"),)
    assert problem.limits.cpu_s == 7.0


def test_livecodebench_values_are_parsed(tmp_path: Path) -> None:
    problem = load_row(tmp_path, "livecodebench", rows.LCB_FUNCTIONAL)
    assert problem.hidden_tests.cases == (TestCase([[1, 2], 2], True),)
    assert problem.entry_point == "has"
    assert "date:2024-09-14" in problem.tags
    file = tmp_path / "rows.jsonl"
    with pytest.raises(DataError, match="contest_date: expected 2024-10-01"):
        load_problems("livecodebench", "test", file, first_date="2024-10-01")


@pytest.mark.parametrize(
    "content",
    [
        b"cos\nsystem\n(S'true'\ntR.",  # a call
        b"\x80\x04]\x94(\x8c\x01a\x94\x8c\x01b\x94e.",  # a list
        b"\x80\x04K\x01.",  # a number
        b"\x80\x04.",
        b"\x80\x04\x8c\x05ab",  # torn
        b"",
        b"\xff",
        b"\x80\x04\x8c\x01a\x94\x8c\x01b\x94\x86\x94.",  # a tuple of texts
    ],
)
def test_pickles_of_anything_but_one_text_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="expected the pickle of one text"):
        pickled_text(content)


def test_private_tests_are_read_packed_and_plain() -> None:
    assert private_tests(rows.packed("[1]")) == private_tests("[1]") == [1]
    for bad in ("?", "aGVsbG8=", rows.packed("[")):
        with pytest.raises(ValueError, match="private_test_cases: expected"):
            private_tests(bad)


def test_gsm8k_answers_steps_and_programs(tmp_path: Path) -> None:
    problem = load_row(tmp_path, "gsm8k", rows.GSM8K)
    assert problem.hidden_tests.cases == (TestCase(output=1012),)
    assert [(step.expression, step.value) for step in problem.steps] == [("3*4", 12), ("12+1000", 1012)]
    assert problem.solutions == ("def solution():\n    t0 = 3*4\n    t1 = 12+1000\n    return t1\n",)
    assert "<<" not in problem.rationale
    socratic = load_row(tmp_path, "gsm8k", rows.GSM8K_SOCRATIC)
    assert [step.question for step in socratic.steps] == ["How many pens?", "In all?"]
    assert socratic.steps[1].expression == ""
    assert socratic.solutions == ()


def test_kodcode_tests_become_scripts(tmp_path: Path) -> None:
    problem = load_row(tmp_path, "kodcode", rows.KODCODE)
    assert len(problem.example_tests) == len(problem.hidden_tests) == 1
    assert problem.hidden_tests.cases[0].script == "def test_two():\n    assert double(2) == 4\ntest_two()\n"
    needy = {
        **rows.KODCODE,
        "test": "import pytest\nfrom solution import double\ndef test_a():\n    assert double(1)\n",
    }
    (tmp_path / "rows.jsonl").write_text(json.dumps(needy))
    with pytest.raises(DataError, match=r"rows\.jsonl:1: test: expected plain asserts"):
        load_problems("kodcode", "train", tmp_path / "rows.jsonl")


def test_verifiable_function_calls_are_unwrapped(tmp_path: Path) -> None:
    problem = load_row(tmp_path, "verifiable", rows.OPEN_R1)
    assert problem.example_tests.cases == (TestCase([1], 2),)
    assert problem.hidden_tests.cases == (TestCase([3], 6),)


def test_an_empty_test_list_is_never_a_problem(tmp_path: Path) -> None:
    empty = {
        "apps": {**rows.APPS_STDIO, "input_output": json.dumps({"inputs": [], "outputs": []})},
        "code_contests": {**rows.CODE_CONTESTS, "private_tests": {}, "generated_tests": {}},
        "livecodebench": {**rows.LCB_STDIN, "private_test_cases": "[]"},
        "mbpp": {**rows.MBPP, "test_list": ["assert double(1) == 2"]},
        "verifiable": {**rows.DEEPCODER_DICT, "tests": "[]"},
        "files": {**rows.OWN, "hidden_tests": []},
    }
    for name, row in empty.items():
        (tmp_path / "rows.jsonl").write_text(json.dumps(row))
        with pytest.raises(DataError, match=r"rows\.jsonl:1: .*expected"):
            load_problems(name, SPLIT_OF.get(name, "train"), tmp_path / "rows.jsonl")


def test_detection_names_the_nearest_format_and_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps({"task_id": 1, "text": "a", "test_list": []}))
    with pytest.raises(
        DataError, match=r"rows\.jsonl:1: no known format; nearest is mbpp, which lacks code; got task_id"
    ):
        detect_format(tmp_path / "rows.jsonl")
