"""One program under one list of tests: what is run in the jail, and how the outcome of every test is read from it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from envs.compare import same_text, same_value
from envs.problem import Interface, Problem, TestCase
from envs.sandbox.evidence import (
    Evidence,
    failure_to_load,
    first_by_index,
    outcome_of_death,
    outcome_of_error,
    read_records,
    readable_error,
)
from envs.sandbox.inside.harness import pack_job
from envs.sandbox.inside.typed_values import Opaque, decode, encode
from envs.sandbox.runner import Ended, Jail, memory_file
from envs.sandbox.scripts import (
    Check,
    free_names,
    given_source,
    needs_one_process,
    parses,
    predicate_name,
    script_calls,
)
from envs.verdict import Integrity, Outcome

_SHORT = 400


def judge(problem: Problem, cases: Sequence[TestCase], program: bytes, jail: Jail, explain: bool) -> Evidence:
    """Run `program` under `cases` and return the evidence; `explain` keeps the details of failures (example tests).

    Raises SandboxError where we could not tell.
    """
    trial = Trial(problem, cases, program, jail, explain, Evidence([None] * len(cases)))
    match problem.interface:
        case Interface.STDIO:
            _judge_texts(trial)
        case Interface.ASSERT:
            _judge_scripts(trial)
        case Interface.PUZZLE:
            _judge_answers(trial)
        case _:
            name = str(problem.entry_point)
            answer = problem.interface is Interface.ANSWER
            judge_calls(
                trial, [Call(i, name, [] if answer else case.input, case.output) for i, case in enumerate(cases)]
            )
    return trial.evidence


@dataclass(frozen=True)
class Trial:
    """One program before its judge."""

    problem: Problem
    cases: Sequence[TestCase]
    program: bytes
    jail: Jail
    explain: bool
    """Whether the details of failures may be told."""
    evidence: Evidence


@dataclass(frozen=True)
class Call:
    """One call of the program whose value is compared outside."""

    test: int
    """The test that it belongs to."""
    entry: str
    """The function."""
    arguments: Sequence[Any]
    expected: Any
    keywords: dict[str, Any] = field(default_factory=dict)
    check: Check = Check.EQUAL
    strict: bool = False
    """Whether a list is not a tuple."""
    margin: float = 0.0
    """Allowed difference of Check.NEAR."""

    def accepts(self, got: Any, tolerance: float | None) -> bool:
        """Whether a plain value is the right one."""
        if isinstance(got, Opaque):
            return self.check is Check.TRUE  # as objects are; who could forge one could return True as well
        match self.check:
            case Check.EQUAL:
                return same_value(self.expected, got, tolerance=tolerance, strict=self.strict)
            case Check.SAME:
                return got is self.expected
            case Check.TRUE:
                return bool(got)
            case Check.FALSE:
                return not got
            case Check.ANY:
                return True
            case Check.NEAR:
                return type(got) in (int, float) and _near(got, self.expected, self.margin)


def _near(got: float, expected: Any, margin: float) -> bool:
    try:
        return bool(abs(got - expected) < margin)
    except (OverflowError, TypeError):  # an integer beyond every float; an expectation that is no number
        return False


def judge_calls(trial: Trial, calls: Sequence[Call]) -> dict[int, Any]:
    """Make all calls in one process and compare their values; a test passes when all of its calls do.

    Returns the value of each call that gave one.
    """
    limits, evidence = trial.problem.limits, trial.evidence
    cases = [encode((call.entry, list(call.arguments), call.keywords)) for call in calls]
    header = {"mode": "call", "cases": len(cases), "max_parts": limits.output_kb * 1024}
    with OpenFile(memory_file(pack_job(header, trial.program, cases))) as job:
        ended = trial.jail.run(job, limits)
    evidence.add(ended)
    records = read_records(ended.results)
    loading = failure_to_load(records, ended)
    if loading is not None:
        outcome, error = loading
        evidence.fail(calls[0].test, Outcome.OUTPUT_LIMIT if ended.output_exceeded else outcome, error)
        return {}
    by_index = first_by_index(records, len(calls))
    values: dict[int, Any] = {}
    for position, call in enumerate(calls):
        record = by_index.get(position)
        last = position == len(calls) - 1
        if record is None or (last and ended.killed is not None):
            evidence.fail(call.test, outcome_of_death(ended), None)
            return values
        if "v" in record:
            values[position] = _decode_record(record)
        _judge_record(trial, call, record, values.get(position))
    if ended.output_exceeded:
        _blame_output(evidence)
    return values


def _blame_output(evidence: Evidence) -> None:
    """Too much was printed: that, and no error that followed from it, is why the first failing call failed."""
    errors = (index for index, outcome in enumerate(evidence.outcomes) if outcome is Outcome.RUNTIME_ERROR)
    evidence.outcomes[next(errors, len(evidence.outcomes) - 1)] = Outcome.OUTPUT_LIMIT


def _judge_record(trial: Trial, call: Call, record: dict[str, Any], value: Any) -> None:
    evidence = trial.evidence
    if evidence.outcomes[call.test] not in (None, Outcome.PASSED):
        return
    if "large" in record:
        evidence.fail(call.test, Outcome.OUTPUT_LIMIT)
        return
    if "e" in record:
        evidence.fail(call.test, outcome_of_error(record["e"]), record["e"])
        got = "raised " + (readable_error(record["e"])[0] or "an exception")
    elif call.accepts(value, trial.problem.tolerance):
        evidence.outcomes[call.test] = Outcome.PASSED
        return
    else:
        evidence.fail(call.test, Outcome.WRONG_ANSWER)
        got = short(value) if trial.explain else ""
    if trial.explain:
        script = trial.cases[call.test].script
        expected = short(call.expected) if script is None else cut(script)
        evidence.details[call.test] = (short_arguments(call), expected, got)


def _judge_scripts(trial: Trial) -> None:
    """Compare values where every script is no more than calls; otherwise let the scripts call the program from afar."""
    problem = trial.problem
    scripts = [case.script or "" for case in trial.cases]
    converted = [script_calls(script, problem.entry_point) for script in scripts]
    if all(converted):
        calls = [
            Call(index, call.entry, call.arguments, call.expected, call.keywords, call.check, True, call.margin)
            for index, calls in enumerate(converted)
            for call in calls or ()
        ]
        judge_calls(trial, calls)
        return
    given = given_source(problem.starter_code)
    names = sorted({name for script in scripts for name in _program_names(script, given, problem.entry_point)})
    if any(needs_one_process(script, names) for script in scripts if parses(script)):
        trial.evidence.integrity = Integrity.IN_PROCESS
        header: dict[str, Any] = {"mode": "together", "entry": problem.entry_point, "cases": len(scripts)}
        with OpenFile(memory_file(pack_job(header, trial.program, [encode(script) for script in scripts]))) as job:
            ended = trial.jail.run(job, problem.limits)
        _judge_reports(trial, ended, ended)
        return
    trial.evidence.integrity = Integrity.REMOTE_CALL
    largest = problem.limits.output_kb * 1024
    test = {"mode": "test", "entry": problem.entry_point, "names": names, "largest": largest, "cases": len(scripts)}
    with (
        OpenFile(memory_file(pack_job({"mode": "serve", "max_parts": largest}, trial.program, []))) as program_job,
        OpenFile(memory_file(pack_job(test, given.encode(), [encode(script) for script in scripts]))) as test_job,
    ):
        _judge_reports(trial, *trial.jail.run_pair(program_job, test_job, problem.limits))


def _program_names(script: str, given: str, entry_point: str | None) -> list[str]:
    names = free_names(script, given) if parses(script) else []
    return names if entry_point is None else [*names, entry_point]


def _judge_reports(trial: Trial, program: Ended, test: Ended) -> None:
    """Read what became of each script from the process that ran them, and of the program from its own."""
    evidence = trial.evidence
    evidence.add(program)
    if test is not program:
        evidence.digest.update(test.results)
    loading = failure_to_load(read_records(program.results), program)
    if loading is not None:
        evidence.fail(0, *loading)
        return
    reports = first_by_index(read_records(test.results), len(trial.cases))
    for index, case in enumerate(trial.cases):
        record = reports.get(index, {})
        if "passed" in record:
            evidence.outcomes[index] = Outcome.PASSED
        elif "e" in record:
            by_test = record.get("by") == "test"
            evidence.fail(index, Outcome.WRONG_ANSWER if by_test else outcome_of_error(record["e"]), record["e"])
            if trial.explain:
                evidence.details[index] = ("", cut(case.script or ""), readable_error(record["e"])[0] or "")
        else:
            large = any("large" in record for record in read_records(program.results))
            evidence.fail(index, Outcome.OUTPUT_LIMIT if large else outcome_of_death(program))
            return
    if program.output_exceeded:
        _blame_output(evidence)


def _judge_answers(trial: Trial) -> None:
    """Have the program compute its answer, and the puzzle's predicate judge that value in another process."""
    calls = [Call(i, str(trial.problem.entry_point), [], None, check=Check.ANY) for i in range(len(trial.cases))]
    values = judge_calls(trial, calls)
    for index, value in values.items():
        case, evidence = trial.cases[index], trial.evidence
        if evidence.outcomes[index] is not Outcome.PASSED:
            continue
        script = case.script or ""
        header = {"mode": "predicate", "entry": predicate_name(script), "cases": 1}
        with OpenFile(memory_file(pack_job(header, script.encode(), [encode(value)]))) as job:
            ended = trial.jail.run_test(job, trial.problem.limits)
        record = (read_records(ended.results) or [{}])[-1]
        if ended.killed is not None:
            evidence.fail(index, Outcome.TIMEOUT)
        elif record.get("v") is not True:
            evidence.fail(index, Outcome.WRONG_ANSWER)
            if trial.explain:
                evidence.details[index] = ("", cut(script), short(value))


def _judge_texts(trial: Trial) -> None:
    """Run the program once per test as a script on standard input."""
    problem, evidence = trial.problem, trial.evidence
    with OpenFile(memory_file(pack_job({"mode": "script"}, trial.program, []))) as job:
        for index, case in enumerate(trial.cases):
            with OpenFile(memory_file(case.input.encode("utf-8", "surrogatepass"))) as given:
                ended = trial.jail.run(job, problem.limits, given)
            evidence.add(ended)
            outcome, error = _outcome_of_script(problem, case, ended)
            if outcome is Outcome.PASSED:
                evidence.outcomes[index] = outcome
                continue
            evidence.fail(index, outcome, error)
            if trial.explain and not evidence.details:
                printed = ended.printed.decode("utf-8", "backslashreplace")
                evidence.details[index] = (cut(case.input), cut(case.output), cut(printed))
            if outcome not in (Outcome.WRONG_ANSWER, Outcome.RUNTIME_ERROR):
                return


def _outcome_of_script(problem: Problem, case: TestCase, ended: Ended) -> tuple[Outcome, Any]:
    records = read_records(ended.results)
    loading = failure_to_load(records, ended)
    error = next((record["e"] for record in records if "e" in record), None)
    if loading is not None:
        return loading
    if ended.output_exceeded or ended.killed is not None or ended.status < 0:
        return outcome_of_death(ended), None
    if ended.status != 0:
        return (Outcome.RUNTIME_ERROR, None) if error is None else (outcome_of_error(error), error)
    printed = ended.printed.decode("utf-8", "backslashreplace")
    if same_text(case.output, printed, tolerance=problem.tolerance):
        return Outcome.PASSED, None
    return Outcome.WRONG_ANSWER, None


class OpenFile:
    """A descriptor that is closed at the end of a block."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __enter__(self) -> int:
        return self.descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)


def _decode_record(record: dict[str, Any]) -> Any:
    """Rebuild a returned value; what is not one, whoever wrote it, equals nothing."""
    try:
        return decode(json.dumps(record["v"]))
    except (ValueError, RecursionError):
        return Opaque("not a value")


def short_arguments(call: Call) -> str:
    """The arguments of a call, as written in source."""
    parts = [short(value) for value in call.arguments]
    parts += [f"{name}={short(value)}" for name, value in call.keywords.items()]
    return cut(", ".join(parts))


def short(value: Any) -> str:
    """`repr` of a plain value, shortened."""
    try:
        return cut(repr(value))
    except (ValueError, RecursionError):  # an int of more than 4300 digits; a deep list
        return f"<{type(value).__name__} too large to show>"


def cut(text: str) -> str:
    """Shorten a text in the middle, and make it printable."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _SHORT else f"{text[: _SHORT // 2]} ... {text[-_SHORT // 2 :]}"
