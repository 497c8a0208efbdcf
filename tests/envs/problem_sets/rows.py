"""One row per published schema, written for these tests: small problems of our own in the columns of each set."""

import base64
import json
import pickle
import zlib
from typing import Any

DOUBLE = "def double(x):\n    return 2 * x\n"
ECHO = "print(int(input()) * 2)\n"


def packed(text: str) -> str:
    """Private tests as LiveCodeBench releases them."""
    return base64.b64encode(zlib.compress(pickle.dumps(text))).decode()


STDIN_TESTS = [{"input": "2\n", "output": "4\n", "testtype": "stdin"}]
FUNCTIONAL_TESTS = [{"input": "[1, 2]\n2", "output": "true", "testtype": "functional"}]

HUMANEVAL = {
    "task_id": "HumanEval/900",
    "prompt": 'def double(x):\n    """Twice x.\n    >>> double(3)\n    6\n    """\n',
    "entry_point": "double",
    "canonical_solution": "    return 2 * x\n",
    "test": "def check(candidate):\n    assert candidate(4) == 8\n    assert candidate(0) == 0\n",
}
HUMANEVAL_PLUS = {
    **{key: value for key, value in HUMANEVAL.items() if key != "test"},
    "contract": "",
    "base_input": [[4], [0]],
    "plus_input": [[-7], [float("inf")]],
    "atol": 0,
}
HUMANEVAL_PLUS_SCRIPT = {
    **HUMANEVAL,
    "test": (
        "import numpy as np\n\n"
        "def near(got, expected):\n    if isinstance(expected, np.ndarray):\n        return False\n"
        "    return got == expected or np.allclose(got, expected, rtol=1e-07, atol=1e-06)\n\n"
        "def check(candidate):\n    for given, expected in zip([[4], [0.1], [-7]], [8, 0.2, -14]):\n"
        "        assert near(candidate(*given), expected)\n"
    ),
}
MBPP = {
    "task_id": 20,
    "text": "Write a function to double a number.",
    "code": DOUBLE.replace("\n", "\r\n"),
    "test_setup_code": "",
    "test_list": ["assert double(1) == 2", "assert double(5) == 10", "assert double(-2) == -4"],
    "challenge_test_list": [],
}
MBPP_SANITIZED = {
    "task_id": 21,
    "prompt": "Write a function to double a number.",
    "code": DOUBLE,
    "test_imports": ["import math"],
    "test_list": ["assert math.isclose(double(1), 2)", "assert double(5) == 10"],
    "source_file": "",
}
MBPP_PLUS = {**MBPP_SANITIZED, "task_id": "Mbpp/22", "test": "for x in range(9):\n    assert double(x) == x + x\n"}
APPS_STDIO = {
    "problem_id": 7,
    "question": "Print 2n.\n\n-----Examples-----\nInput\n3\n\nOutput\n6\n\nInput\n1\n\nOutput\n2\n\n-----Note-----\nx",
    "solutions": json.dumps([ECHO]),
    "input_output": json.dumps({"inputs": ["5\n", ["6", ""]], "outputs": ["10\n", ["12"]]}),
    "difficulty": "interview",
    "url": "https://codeforces.com/x",
    "starter_code": "",
}
APPS_CALL = {
    "problem_id": 8,
    "question": "Double x.\n\nExample 1:\nInput: x = 3\nOutput: 6\n",
    "solutions": json.dumps(["class Solution:\n    def double(self, x: int) -> int:\n        return 2 * x\n"]),
    "input_output": json.dumps({"fn_name": "double", "inputs": [[1], [2]], "outputs": [2, 4]}),
    "difficulty": "introductory",
    "url": "https://leetcode.com/x",
    "starter_code": "class Solution:\n    def double(self, x: int) -> int:\n        ",
}
TACO = {
    **{key: value for key, value in APPS_CALL.items() if key not in ("problem_id", "url")},
    "solutions": json.dumps([DOUBLE]),
    "starter_code": "def double(x):\n\t",
    "url": "https://www.codewars.com/kata/x",
    "input_output": json.dumps({"fn_name": "double", "inputs": [[1], [2]], "outputs": [[2], [4]]}),
    "raw_tags": "['Mathematics']",
    "tags": "['Mathematics', 'Implementation']",
    "skill_types": "[]",
    "time_limit": "3.0 seconds",
    "memory_limit": "2048.0 megabytes",
}
CODE_CONTESTS = {
    "name": "900_A. Double",
    "description": "Print twice n.",
    "public_tests": {"input": ["3\n"], "output": ["6\n"]},
    "private_tests": {"input": ["4\n"], "output": ["8\n"]},
    "generated_tests": {"input": ["5\n", "6\n"], "output": ["10\n", "12\n"]},
    "solutions": {"language": [3, 2, 1], "solution": [ECHO, "int main() {}", "print 1"]},
    "incorrect_solutions": {"language": [3], "solution": ["print(int(input()))\n"]},
    "difficulty": 7,
    "cf_rating": 800,
    "cf_tags": ["math"],
    "source": 2,
    "time_limit": {"seconds": 3, "nanos": 500_000_000},
    "memory_limit_bytes": 268_435_456,
    "input_file": "",
    "output_file": "",
}
LCB_STDIN = {
    "question_title": "Double",
    "question_content": "Print twice n.",
    "platform": "atcoder",
    "question_id": "abc900_a",
    "contest_id": "abc900",
    "contest_date": "2024-09-14T00:00:00",
    "starter_code": "",
    "difficulty": "easy",
    "public_test_cases": json.dumps(STDIN_TESTS),
    "private_test_cases": packed(json.dumps(STDIN_TESTS)),
    "metadata": "{}",
}
LCB_FUNCTIONAL = {
    **LCB_STDIN,
    "question_id": "3999",
    "platform": "leetcode",
    "starter_code": "class Solution:\n    def has(self, xs: List[int], x: int) -> bool:\n        ",
    "public_test_cases": json.dumps(FUNCTIONAL_TESTS),
    "private_test_cases": json.dumps(FUNCTIONAL_TESTS),
    "metadata": json.dumps({"func_name": "has"}),
}
GSM8K = {
    "question": "A box holds 3 pens. How many pens are in 4 boxes if 1,000 more are added?",
    "answer": "There are 3*4=<<3*4=12>>12 pens.\nIn all 12+1000=<<12+1000=1012>>1,012.\n#### 1,012",
}
GSM8K_SOCRATIC = {
    "question": GSM8K["question"],
    "answer": "How many pens? ** There are 3*4=<<3*4=12>>12 pens.\nIn all? ** That is 1,012 in all.\n#### 1,012",
}
PUZZLE = {
    "name": "Twice:0",
    "sat": "def sat(x: int, n=10):\n    return x + x == n",
    "ans_type": "int",
    "sol_header": "def sol(n=10):",
    "sol_docstring": '    """Half of n"""',
    "sol_bodies": ["    return n // 2"],
    "module": "own.py",
    "notes": "",
    "weight": 1.0,
}
KODCODE = {
    "version": "v1.0",
    "style": "instruct",
    "subset": "Prefill",
    "question_id": "Prefill_1_I",
    "question": "Double a number.",
    "solution": DOUBLE,
    "test": (
        "from solution import double\n\ndef test_one():\n    assert double(1) == 2\n\n"
        "def test_two():\n    assert double(2) == 4\n"
    ),
    "test_info": [{"function_name": "double", "parameter_list": "(x)", "docstring": ""}],
    "gpt_difficulty": "easy",
}
KODCODE_OLD = {
    **{key: value for key, value in KODCODE.items() if key not in ("test", "test_info")},
    "question_id": "old",
    "test_code": KODCODE["test"],
    "test_entry_point": "double",
}
PRIME_INTELLECT = {
    "source": "apps",
    "task_type": "verifiable_code",
    "in_source_id": "1",
    "prompt": "Solve: print twice n.",
    "gold_standard_solution": f"```python\n{ECHO}```",
    "verification_info": json.dumps(
        {
            "language": "python",
            "test_cases": [
                {"type": "stdin_stdout", "input": "1\n", "output": "2\n"},
                {"type": "stdin_stdout", "input": "2\n", "output": "4\n"},
            ],
        }
    ),
    "metadata": "{}",
    "problem_id": "vcp_1",
}
OPEN_R1 = {
    "problem_statement": "Double x.",
    "gold_standard_solution": DOUBLE,
    "verification_info": {
        "language": "python",
        "test_cases": [
            {"fn_name": "double", "input": [1], "output": [2], "type": "function_call"},
            {"fn_name": "double", "input": [3], "output": [6], "type": "function_call"},
        ],
    },
    "metadata": {"difficulty": None},
    "problem_id": "vcp_2",
}
DEEPCODER_LIST = {
    "problem": "Does xs hold x?",
    "solutions": ["class Solution:\n    def has(self, xs, x):\n        return x in xs\n"],
    "tests": json.dumps([{**FUNCTIONAL_TESTS[0], "metadata": {"func_name": "has"}}] * 2),
    "starter_code": "class Solution:\n    def has(self, xs: List[int], x: int) -> bool:\n        ",
}
DEEPCODER_DICT = {
    "problem": "Print twice n.",
    "tests": json.dumps({"inputs": ["1\n", "2\n"], "outputs": ["2\n", "4\n"]}),
}
ACECODE = {"id": "ace_1", "source": "own", "question": "Double it.", "test_cases": MBPP["test_list"], "inferences": []}
VERL = {
    "data_source": "codecontests",
    "prompt": [{"role": "system", "content": "You code."}, {"role": "user", "content": "Print twice n."}],
    "ability": "code",
    "reward_model": {"style": "rule", "ground_truth": json.dumps({"inputs": ["1\n", "2\n"], "outputs": ["2", "4"]})},
}
OWN = {
    "id": "double",
    "statement": "Double x.",
    "interface": "function",
    "entry_point": "double",
    "hidden_tests": [{"input": [2], "output": 4}],
    "solutions": [DOUBLE],
}

FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    "HumanEval": ("humaneval", HUMANEVAL),
    "HumanEval+ inputs": ("humaneval", HUMANEVAL_PLUS),
    "HumanEval+ script": ("humaneval", HUMANEVAL_PLUS_SCRIPT),
    "MBPP": ("mbpp", MBPP),
    "MBPP sanitized": ("mbpp", MBPP_SANITIZED),
    "MBPP+": ("mbpp", MBPP_PLUS),
    "APPS stdio": ("apps", APPS_STDIO),
    "APPS call": ("apps", APPS_CALL),
    "TACO": ("taco", TACO),
    "CodeContests": ("code_contests", CODE_CONTESTS),
    "LiveCodeBench stdin": ("livecodebench", LCB_STDIN),
    "LiveCodeBench functional": ("livecodebench", LCB_FUNCTIONAL),
    "GSM8K": ("gsm8k", GSM8K),
    "GSM8K socratic": ("gsm8k", GSM8K_SOCRATIC),
    "P3": ("puzzles", PUZZLE),
    "KodCode": ("kodcode", KODCODE),
    "KodCode old": ("kodcode", KODCODE_OLD),
    "PrimeIntellect": ("verifiable", PRIME_INTELLECT),
    "open-r1": ("verifiable", OPEN_R1),
    "DeepCoder list": ("verifiable", DEEPCODER_LIST),
    "DeepCoder dict": ("verifiable", DEEPCODER_DICT),
    "AceCode": ("verifiable", ACECODE),
    "verl": ("verifiable", VERL),
    "own": ("files", OWN),
}
"""Every schema: name of its set and one good row."""

SPLIT_OF = {"humaneval": "test", "mbpp": "all", "puzzles": "all"}
"""The split under which one file is loaded, where it is not `train`."""
