"""Completion text -> program text: whole programs and continuations, fenced or bare, with or without prose around them.

Extraction finds code; it never mends it. Text that is no valid program stays as it is and fails to compile.
"""

from __future__ import annotations

import ast
import re
import warnings
from itertools import islice

from envs.problem import Problem

_END_MARKS = re.compile(
    r"<\|(?:im_end|endoftext|eot_id|end_of_text|end|return|eom_id|EOT)\|>|</s>|<end_of_turn>|<eos>|<\uff5cend\u2581of\u2581sentence\uff5c>"
)
_ROLE_MARK = re.compile(r"\A\s*(?:<\|im_start\|>|<\|start_header_id\|>|<start_of_turn>)[^\n]*\n")
_FENCE = re.compile(
    r"^(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<language>[\w+.#-]*)[^\n]*\n"
    r"(?P<body>.*?)(?:^[ \t]*(?P=fence)[ \t]*$|\Z)",
    re.DOTALL | re.MULTILINE,
)
_PYTHON_NAMES = {"", "python", "py", "python3", "py3", "python2"}
_STATEMENT_START = re.compile(
    r"(?:def|class|import|from|if|elif|else|for|while|try|except|finally|with|async|return|raise|assert|pass|break|"
    r"continue|global|nonlocal|del|yield|lambda|match|case|print)\b|@|[\w.]+\(|"
    r"[\w.\[\], \t]+(?:[-+*/%&|^]|//|\*\*|<<|>>)?=(?!=)"
)
NUMBER = re.compile(r"[-+]?(?:[0-9][0-9,]*(?:\.[0-9]+)?|\.[0-9]+)")
_ANSWER_MARK = re.compile(r"####|-->|\banswer is\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?][ \t]|\n")
_MAX_DIGITS = 300
"""Longer numbers are noise, and floats end there."""
_MAX_PARSED = 200_000
"""Longer texts are not parsed here; the sandbox judges them as they are."""
_MAX_CUTS = 50
"""Lines of prose at which a cut is tried: margin text inside a string looks like prose too."""


def extract_program(completion: str, problem: Problem) -> str:
    """Take the program out of a completion.

    A completion that is valid as it stands is taken whole. Otherwise a fenced block wins over bare text; of several
    blocks the last that defines the entry point, else the last that is valid, else the last. A continuation of
    `starter_code` is joined to it; a whole program gets those imports and helpers of the starter code that it lacks.
    """
    if is_valid(_complete(completion, problem)):
        return _complete(completion, problem)
    text = _without_chat_marks(completion)
    blocks = _python_blocks(text)
    if blocks:
        return _complete(_choose(blocks, problem), problem)
    return _without_prose(text, problem)


def extract_answer(completion: str) -> int | float | None:
    """Take the final number out of a worked solution in words; None where there is none.

    The number after the last `####`, `-->` or `answer is` counts, otherwise the last number of the text.
    """
    text = _without_chat_marks(completion)
    marks = list(_ANSWER_MARK.finditer(text))
    if marks:
        number = NUMBER.search(text, marks[-1].end())
        return parse_number(number[0]) if number else None
    numbers = NUMBER.findall(text)
    return parse_number(numbers[-1]) if numbers else None


def extract_rationale(completion: str) -> str:
    """Take the worked solution out of a completion in words, without its final answer.

    It ends before the last mark, or before the sentence that says `answer is`; without a mark it is the whole text.
    """
    text = _without_chat_marks(completion)
    marks = list(_ANSWER_MARK.finditer(text))
    if not marks:
        return text.strip()
    head = text[: marks[-1].start()]
    if marks[-1][0] not in ("-->", "####"):
        head = head[: max((border.end() for border in _SENTENCE_END.finditer(head)), default=0)]
    return head.strip()


def parse_number(text: str) -> int | float | None:
    """The number that a text consists of, without currency, per cent signs, commas and a final full stop; else None."""
    cleaned = text.strip().strip("$€£% ").rstrip(".").strip()
    if len(cleaned) > _MAX_DIGITS or not NUMBER.fullmatch(cleaned):
        return None
    cleaned = cleaned.replace(",", "")
    if "." not in cleaned:
        return int(cleaned)
    number = float(cleaned)
    return int(number) if number.is_integer() else number


def is_valid(program: str) -> bool:
    """Whether the text parses as Python; it is not run."""
    return parse_program(program) is not None


def defines(program: str, name: str) -> bool:
    """Whether a line at the margin defines or assigns `name`, or is the class `Solution` that holds it."""
    entry = (
        rf"^(?:(?:async[ \t]+)?def[ \t]+{re.escape(name)}[ \t]*\(|{re.escape(name)}[ \t]*=(?!=)|class[ \t]+Solution\b)"
    )
    return re.search(entry, program, re.MULTILINE) is not None


def _without_chat_marks(completion: str) -> str:
    text = _ROLE_MARK.sub("", completion).rpartition("</think>")[2]
    end = _END_MARKS.search(text)
    return text[: end.start()] if end else text


def _python_blocks(text: str) -> list[str]:
    """Bodies of the fenced blocks, without the indentation of an indented fence."""
    return [
        re.sub(rf"^{match['indent']}", "", match["body"], flags=re.MULTILINE)
        for match in _FENCE.finditer(text)
        if match["language"].lower() in _PYTHON_NAMES
    ]


def _choose(blocks: list[str], problem: Problem) -> str:
    if problem.entry_point is not None:
        defining = [block for block in blocks if defines(block, problem.entry_point)]
        blocks = defining or blocks
    valid = [block for block in blocks if is_valid(block) or is_valid(problem.starter_code + block)]
    return (valid or blocks)[-1]


def _complete(text: str, problem: Problem) -> str:
    """Join a continuation to the starter code, or give a whole program the starter's preamble."""
    return _with_preamble(text, problem) if _is_whole(text, problem) else problem.starter_code + text


def _is_whole(text: str, problem: Problem) -> bool:
    return not problem.starter_code or (problem.entry_point is not None and defines(text, problem.entry_point))


def _with_preamble(program: str, problem: Problem) -> str:
    """Put the starter's imports and helpers before a whole program that lacks any of them."""
    preamble = starter_preamble(problem)
    tree = parse_program(program)
    if not preamble.strip() or tree is None:
        return program
    missing = _bound_names(parse_program(preamble)) - _bound_names(tree)
    starts_with_future = any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body)
    return program if not missing or starts_with_future else f"{preamble.rstrip()}\n\n{program}"


def starter_preamble(problem: Problem) -> str:
    """The part of the starter code before the entry point (or its class `Solution`): imports and helper functions."""
    if problem.entry_point is None:
        return ""
    entry = rf"^(?:(?:async\s+)?def\s+{re.escape(problem.entry_point)}\s*\(|class\s+Solution\b)"
    start = re.search(entry, problem.starter_code, re.MULTILINE)
    return problem.starter_code[: start.start()] if start else ""


def _bound_names(tree: ast.Module | None) -> set[str]:
    names: set[str] = set()
    for node in tree.body if tree is not None else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return names


def _without_prose(text: str, problem: Problem) -> str:
    """Bare text without the prose before and after its code, completed to a program."""
    if not _is_whole(text, problem):
        return _without_trailing_prose(problem.starter_code + text)
    lines = text.splitlines(keepends=True)
    first = next((index for index, line in enumerate(lines) if line.strip() and not _is_prose(line)), 0)
    return _with_preamble(_without_trailing_prose("".join(lines[first:])), problem)


def _without_trailing_prose(text: str) -> str:
    """Cut at the first line of prose that leaves a valid program above it."""
    lines = text.splitlines(keepends=True)
    borders = (index for index, line in enumerate(lines) if index > 0 and _is_prose(line))
    for index in islice(borders, _MAX_CUTS):
        if is_valid(head := "".join(lines[:index])):
            return head
    return text


def _is_prose(line: str) -> bool:
    """A line at the margin that is words, not an attempt at a statement."""
    if not line.strip() or line[0] in " \t" or _STATEMENT_START.match(line):
        return False
    return len(line.split()) > 1 and not is_valid(line)


def parse_program(program: str) -> ast.Module | None:
    """The syntax tree of a program that is not run; None where it is not valid Python."""
    if len(program) > _MAX_PARSED:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(program)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
