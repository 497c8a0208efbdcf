"""The corpus: hostile and awkward programs, the problems that they attack, and what each must be judged.

A program file is a header of comment lines, the line `# --- program ---`, and the raw bytes of the program:

    # group: cheating                      resource, escape, cheating or robustness
    # problem: add                         id of a row of problems.jsonl
    # verdict: wrong_answer                the right outcome, or several separated by ` | `
    # must not: pass by a forged __eq__    what a weak grader would let happen
    # why open: ...                        needed with several outcomes: why the design allows each of them
    # level: L2                            only there, where the verdict differs by level
    # control: yes                         safe for, and likely to fool, the weak grader that the tests compare with
    # generate: two_megabyte_line          the program is made by this function of GENERATORS; no bytes follow

Words such as @TCP_PORT@ in a program stand for places that a test has prepared around the sandbox (see Places).
The programs run in a sandbox only. Each is bounded, so that one that escaped would harm nothing and end by itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from envs.grading import GradeRequest
from envs.problem import Interface, Problem, problem_from_row
from envs.verdict import Outcome

FOLDER = Path(__file__).resolve().parent
PROGRAMS = FOLDER / "programs"
PROBLEMS = FOLDER / "problems.jsonl"
GROUPS = ("resource", "escape", "cheating", "robustness")
MARKER = b"# --- program ---\n"
PATIENT_CPU_S = 10.0
_REQUIRED = ("group", "problem", "verdict", "must not")
_KNOWN = (*_REQUIRED, "why open", "level", "control", "generate")
_PLACE = re.compile(rb"@([A-Z][A-Z_]+)@")


@dataclass(frozen=True)
class Places:
    """What a test has prepared around the sandbox for programs to reach for; the defaults lead nowhere."""

    tcp_port: int = 9
    """A loopback TCP port whose listener must see no connection."""
    udp_port: int = 9
    """A loopback UDP port that must receive nothing."""
    unix_socket: str = "/nonexistent/socket"
    """Path of a socket that must see no connection."""
    abstract_socket: str = "rl-train-nobody"
    """Name of an abstract socket that must see no connection."""
    secret_file: str = "/nonexistent/secret"
    """A private file below the user's home."""
    open_file: str = "/nonexistent/open"
    """The same, readable by everybody."""
    canary_dir: str = "/nonexistent"
    """A folder of the test in which no file may appear."""
    canary_pid: int = 2**22
    """A process of the test that must receive no signal."""
    problems_file: str = str(PROBLEMS)
    """The file with every expected value."""


@dataclass(frozen=True)
class Attack:
    """One program of the corpus and how it must be judged."""

    name: str
    """Name of its file."""
    group: str
    """resource, escape, cheating or robustness."""
    request: GradeRequest
    """The program under the hidden tests of its problem."""
    verdicts: frozenset[Outcome]
    """The right outcomes: one, or the few between which the design leaves the choice."""
    must_not: str
    """What must not happen."""
    level: str | None = None
    """The only isolation level at which it is tried; None for all."""
    control: bool = False
    """Whether the weak grader of the tests may run it, and is expected to be fooled."""


def load_problems() -> dict[str, Problem]:
    """Read the problems that the programs attack, by id."""
    with PROBLEMS.open(encoding="utf-8", newline="\n") as lines:  # str.splitlines would cut at U+2028 inside a text
        rows = [json.loads(line) for line in lines]
    problems = {problem.id: problem for problem in map(problem_from_row, [*rows, _count_lines_row()])}
    if len(problems) != len(rows) + 1:
        raise ValueError(f"{PROBLEMS.name}: two problems have the same id")
    return problems


def load_attacks(places: Places | None = None, folder: Path = PROGRAMS) -> list[Attack]:
    """Read every program, sorted by group and name. Raises ValueError that names the file and the fault."""
    problems, known_places = load_problems(), _place_texts(places or Places())
    paths = sorted(folder.glob("*/*.py"), key=lambda path: (GROUPS.index(path.parent.name), path.stem))
    return [read_attack(path, problems, known_places) for path in paths]


def read_attack(path: Path, problems: Mapping[str, Problem], places: Mapping[bytes, bytes]) -> Attack:
    """Read one program file. Raises ValueError that names the file and the fault."""
    head, marker, program = path.read_bytes().partition(MARKER)
    try:
        if not marker:
            raise ValueError(f"the line {MARKER.decode().strip()!r} is missing")
        header = _header(head)
        if header["group"] != path.parent.name:
            raise ValueError(f"group: expected {path.parent.name}, as its folder says; got {header['group']}")
        if header["problem"] not in problems:
            raise ValueError(f"problem: no row of problems.jsonl has the id {header['problem']!r}")
        if "generate" in header:
            program = _generated(header["generate"], program)
        verdicts = _verdicts(header)
        problem = _with_time_enough(problems[header["problem"]], verdicts)
        return Attack(
            name=path.stem,
            group=header["group"],
            request=GradeRequest(problem, _filled_in(program, places), problem.hidden_tests),
            verdicts=verdicts,
            must_not=header["must not"],
            level=_one_of(header, "level", ("L1", "L2", "L3")),
            control=_one_of(header, "control", ("yes",)) is not None,
        )
    except ValueError as error:
        raise ValueError(f"{path.parent.name}/{path.name}: {error}") from None


def right_canary(problem: Problem, serial: int) -> GradeRequest:
    """A program that is right; `serial` keeps it different from every other, so that no cache answers for it."""
    return GradeRequest(problem, f"{problem.solutions[0]}# right canary {serial}\n", problem.hidden_tests)


def wrong_canary(problem: Problem, serial: int) -> GradeRequest:
    """A program that runs well and is wrong; `serial` keeps it different from every other."""
    answer = _WRONG_PUZZLE_ANSWERS.get(problem.id, '"a wrong canary"')
    if problem.interface is Interface.STDIO:
        program = f"print({answer})\n"
    elif "class Solution" in problem.starter_code:
        program = f"class Solution:\n    def {problem.entry_point}(self, *values):\n        return {answer}\n"
    else:
        program = f"def {problem.entry_point}(*values):\n    return {answer}\n"
    return GradeRequest(problem, f"{program}# wrong canary {serial}\n", problem.hidden_tests)


_WRONG_PUZZLE_ANSWERS = {"puzzle_square": "1235", "puzzle_palindrome": '"abcdefgh"', "puzzle_collatz": "3"}


def _header(head: bytes) -> dict[str, str]:
    header: dict[str, str] = {}
    for number, line in enumerate(head.decode("utf-8").splitlines(), start=1):
        match = re.fullmatch(r"# ([a-z ]+): (\S.*)", line)
        if match is None:
            raise ValueError(f"line {number}: expected `# key: value`; got {line!r}")
        key, value = match.groups()
        if key not in _KNOWN:
            raise ValueError(f"line {number}: unknown key {key!r}; a header has {', '.join(_KNOWN)}")
        if key in header:
            raise ValueError(f"line {number}: {key!r} is given twice")
        header[key] = value
    missing = [key for key in _REQUIRED if key not in header]
    if missing:
        raise ValueError(f"the header lacks {', '.join(missing)}")
    return header


def _verdicts(header: Mapping[str, str]) -> frozenset[Outcome]:
    words = header["verdict"].split(" | ")
    try:
        verdicts = frozenset(map(Outcome, words))
    except ValueError:
        raise ValueError(f"verdict: expected outcomes separated by ` | `; got {header['verdict']!r}") from None
    if Outcome.SANDBOX_ERROR in verdicts:
        raise ValueError("verdict: no program may earn a sandbox_error")
    if (len(words) > 1) is not ("why open" in header):
        raise ValueError("`why open` goes with several verdicts, and only with them")
    return verdicts


def _with_time_enough(problem: Problem, verdicts: frozenset[Outcome]) -> Problem:
    """Only a program that must run out of time is held to a short limit: no slow machine decides about another."""
    if Outcome.TIMEOUT in verdicts:
        return problem
    return replace(problem, limits=replace(problem.limits, cpu_s=PATIENT_CPU_S))


def _one_of(header: Mapping[str, str], key: str, allowed: tuple[str, ...]) -> str | None:
    value = header.get(key)
    if value is not None and value not in allowed:
        raise ValueError(f"{key}: expected {' or '.join(allowed)}; got {value!r}")
    return value


def _place_texts(places: Places) -> dict[bytes, bytes]:
    return {field.name.upper().encode(): str(getattr(places, field.name)).encode() for field in fields(places)}


def _filled_in(program: bytes, places: Mapping[bytes, bytes]) -> bytes:
    def fill(match: re.Match[bytes]) -> bytes:
        if match[1] not in places:
            raise ValueError(f"{match[0].decode()}: no such place; there are {b', '.join(places).decode()}")
        return places[match[1]]

    return _PLACE.sub(fill, program)


def _generated(name: str, program: bytes) -> bytes:
    if program:
        raise ValueError("generate: a generated program has no bytes of its own")
    if name not in GENERATORS:
        raise ValueError(f"generate: expected one of {', '.join(GENERATORS)}; got {name!r}")
    return GENERATORS[name]()


_ADD = b"\n\n\ndef add(a, b):\n    return a + b\n"

GENERATORS: dict[str, Callable[[], bytes]] = {
    "nested_brackets": lambda: b"VALUE = " + b"(" * 10_000 + b"1" + b")" * 10_000 + _ADD,
    "unary_chain": lambda: b"VALUE = " + b"-" * 200_000 + b"1" + _ADD,
    "long_sum": lambda: b"VALUE = a" + b" + a" * 200_000 + _ADD,
    "many_statements": lambda: b"value = [1, 2, 3]\n" * 400_000 + _ADD,
    "two_megabyte_line": lambda: b'TEXT = "' + b"x" * 2_000_000 + b'"' + _ADD,
}
"""Programs that are too big to be kept."""


def _count_lines_row() -> dict[str, object]:
    """A problem with three hundred kilobytes of expected output."""
    output = "".join(f"{number}\n" for number in range(60_000))
    return {
        "id": "count_lines",
        "statement": "Read n and print the integers below n, one to a line.",
        "interface": "stdio",
        "hidden_tests": [{"input": "60000\n", "output": output}],
        "limits": {"cpu_s": 1.0, "memory_mb": 256},
        "solutions": ['print(*range(int(input())), sep="\\n")\n'],
    }
