"""One program under one list of tests: what is run in the jail, and how the outcome of every test is read from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from envs.compare import same_text, same_value
from envs.problem import Interface, Limits, Problem, TestCase
from envs.sandbox.inside.harness import pack_job
from envs.sandbox.inside.typed_values import Opaque, decode, encode
from envs.sandbox.runner import Ended, Killed, memory_file
from envs.verdict import Failure, Integrity, Outcome, Verdict

RunJob = Callable[..., Ended]
"""`run(job, limits, given=None)` of a worker."""
_SHORT = 400


@dataclass
class Evidence:
    """What the processes of one program have shown so far."""

    outcomes: list[Outcome | None]
    """Outcome per test."""
    details: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    """Input, expected and got of failing tests, as texts; empty unless the tests are examples."""
    error: tuple[str | None, int | None] = (None, None)
    """Class and line of the first error."""
    cpu_s: float = 0.0
    wall_s: float = 0.0
    peak_memory_mb: float = 0.0
    integrity: Integrity = Integrity.ISOLATED
    digest: Any = field(default_factory=hashlib.sha256)
    """Over all that the program returned and printed: two runs of a deterministic program agree."""

    def add(self, ended: Ended) -> None:
        """Count what one process used and hash what it gave."""
        self.cpu_s += ended.cpu_s
        self.wall_s += ended.wall_s
        self.peak_memory_mb = max(self.peak_memory_mb, ended.peak_memory_mb)
        for part in (ended.results, ended.printed, str(ended.status).encode()):
            self.digest.update(len(part).to_bytes(8, "little") + part)

    def fail(self, index: int, outcome: Outcome, error: Any = None) -> None:
        """Record that a test failed, and the first error."""
        self.outcomes[index] = outcome
        if error is not None and self.error == (None, None):
            self.error = _readable_error(error)

    def verdict(self, level: str) -> Verdict:
        """Sum up: the first failing test in order decides."""
        failing = next((index for index, outcome in enumerate(self.outcomes) if outcome is not Outcome.PASSED), None)
        failure = None
        if failing is not None and failing in self.details:
            failure = Failure(failing, *self.details[failing])
        decisive = Outcome.PASSED if failing is None else self.outcomes[failing]
        assert decisive is not None
        return Verdict(
            outcome=decisive,
            n_passed=sum(outcome is Outcome.PASSED for outcome in self.outcomes),
            n_tests=len(self.outcomes),
            outcomes=tuple(self.outcomes),
            first_failure=failure,
            error_type=self.error[0] if decisive is not Outcome.PASSED else None,
            error_line=self.error[1] if decisive is not Outcome.PASSED else None,
            cpu_s=round(self.cpu_s, 6),
            wall_s=round(self.wall_s, 6),
            peak_memory_mb=round(self.peak_memory_mb, 3),
            integrity=self.integrity,
            level=level,
        )


def judge(problem: Problem, cases: Sequence[TestCase], program: bytes, run: RunJob, explain: bool) -> Evidence:
    """Run `program` under `cases` and return the evidence; `explain` keeps the details of failures (example tests).

    Raises SandboxError where we could not tell.
    """
    evidence = Evidence([None] * len(cases))
    if problem.interface is Interface.STDIO:
        _judge_texts(problem, cases, program, run, explain, evidence)
    else:
        calls = [
            Call(index, [] if problem.interface is Interface.ANSWER else list(case.input), {}, case.output)
            for index, case in enumerate(cases)
        ]
        judge_calls(problem, calls, program, run, explain, evidence)
    return evidence


@dataclass(frozen=True)
class Call:
    """One call of the entry point whose value is compared outside."""

    test: int
    """The test that it belongs to."""
    arguments: list[Any]
    keywords: dict[str, Any]
    expected: Any
    strict: bool = False
    """Whether a list is not a tuple."""


def judge_calls(
    problem: Problem, calls: Sequence[Call], program: bytes, run: RunJob, explain: bool, evidence: Evidence
) -> None:
    """Make all calls in one process and compare their values; a test passes when all of its calls do."""
    cases = [encode((call.arguments, call.keywords)) for call in calls]
    header = {
        "mode": "call",
        "entry": problem.entry_point,
        "cases": len(cases),
        "max_parts": problem.limits.output_kb * 1024,
    }
    ended = run_once(run, pack_job(header, program, cases), problem.limits)
    evidence.add(ended)
    records = read_records(ended.results)
    loading = failure_to_load(records, ended)
    if loading is not None:
        outcome, error = loading
        evidence.fail(calls[0].test, Outcome.OUTPUT_LIMIT if ended.output_exceeded else outcome, error)
        return
    by_index = _by_index(records, len(calls))
    for position, call in enumerate(calls):
        record = by_index.get(position)
        last = position == len(calls) - 1
        if record is None or (last and ended.killed is not None):
            evidence.fail(call.test, outcome_of_death(ended), None)
            return
        _judge_record(problem, call, record, explain, evidence)
    if ended.output_exceeded:
        _blame_output(evidence)


def _blame_output(evidence: Evidence) -> None:
    """Too much was printed: that, and no error that followed from it, is why the first failing call failed."""
    errors = (index for index, outcome in enumerate(evidence.outcomes) if outcome is Outcome.RUNTIME_ERROR)
    evidence.outcomes[next(errors, len(evidence.outcomes) - 1)] = Outcome.OUTPUT_LIMIT


def _judge_record(problem: Problem, call: Call, record: dict[str, Any], explain: bool, evidence: Evidence) -> None:
    if evidence.outcomes[call.test] not in (None, Outcome.PASSED):
        return
    if "large" in record:
        evidence.fail(call.test, Outcome.OUTPUT_LIMIT)
    elif "e" in record:
        evidence.fail(call.test, outcome_of_error(record["e"]), record["e"])
        got = "raised " + (_readable_error(record["e"])[0] or "an exception")
    else:
        value = _decode_record(record)
        got = ""
        if same_value(call.expected, value, tolerance=problem.tolerance, strict=call.strict):
            evidence.outcomes[call.test] = Outcome.PASSED
            return
        evidence.fail(call.test, Outcome.WRONG_ANSWER)
        got = short(value) if explain else ""
    if explain and call.test not in evidence.details and "large" not in record:
        evidence.details[call.test] = (short_arguments(call), short(call.expected), got)


def _judge_texts(
    problem: Problem, cases: Sequence[TestCase], program: bytes, run: RunJob, explain: bool, evidence: Evidence
) -> None:
    """Run the program once per test as a script on standard input."""
    job = memory_file(pack_job({"mode": "script"}, program, []))
    try:
        for index, case in enumerate(cases):
            with OpenFile(memory_file(case.input.encode("utf-8", "surrogatepass"))) as given:
                ended = run(job, problem.limits, given)
            evidence.add(ended)
            outcome, error = _outcome_of_script(problem, case, ended)
            evidence.outcomes[index] = outcome
            if outcome is Outcome.PASSED:
                continue
            evidence.fail(index, outcome, error)
            if explain and not evidence.details:
                printed = ended.printed.decode("utf-8", "backslashreplace")
                evidence.details[index] = (cut(case.input), cut(case.output), cut(printed))
            if outcome not in (Outcome.WRONG_ANSWER, Outcome.RUNTIME_ERROR):
                return
    finally:
        OpenFile(job).close()


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
        self.close()

    def close(self) -> None:
        """Close it."""
        import os

        os.close(self.descriptor)


def run_once(run: RunJob, job: bytes, limits: Limits) -> Ended:
    """Run one job that is needed only once."""
    with OpenFile(memory_file(job)) as descriptor:
        return run(descriptor, limits)


def read_records(results: bytes) -> list[dict[str, Any]]:
    """Read the lines of a results file up to the first that is not a whole record."""
    records: list[dict[str, Any]] = []
    for line in results.split(b"\n")[:-1]:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(record, dict):
            break
        records.append(record)
    return records


def _by_index(records: list[dict[str, Any]], n: int) -> dict[int, dict[str, Any]]:
    """First record per index, indices rising."""
    found: dict[int, dict[str, Any]] = {}
    for record in records:
        if record.get("i") == len(found) < n and ("v" in record or "e" in record or "large" in record):
            found[len(found)] = record
    return found


def failure_to_load(records: list[dict[str, Any]], ended: Ended) -> tuple[Outcome, Any] | None:
    """Why the program never came to a test, if it did not."""
    for record in records:
        if "compiled" in record:
            break
        if "syntax" in record:
            return Outcome.COMPILE_ERROR, record["syntax"]
    else:
        return (outcome_of_death(ended) if ended.killed else Outcome.COMPILE_ERROR), None
    for record in records:
        if "importing" in record:
            return outcome_of_error(record["importing"]), record["importing"]
    return None


def outcome_of_death(ended: Ended) -> Outcome:
    """What the end of a process says about the test that it did not finish."""
    if ended.output_exceeded:
        return Outcome.OUTPUT_LIMIT
    if ended.killed in (Killed.CPU, Killed.WALL):
        return Outcome.TIMEOUT
    return Outcome.RUNTIME_ERROR


def outcome_of_error(error: Any) -> Outcome:
    """memory_limit for MemoryError, runtime_error for every other exception."""
    return Outcome.MEMORY_LIMIT if _readable_error(error)[0] == "MemoryError" else Outcome.RUNTIME_ERROR


def _readable_error(error: Any) -> tuple[str | None, int | None]:
    """Class and line as the child reported them; a program may have written anything there."""
    if not isinstance(error, list) or len(error) != 2:
        return None, None
    name, line = error
    if not isinstance(name, str) or not name.isidentifier():
        name = None
    if isinstance(line, bool) or not isinstance(line, int) or not 0 <= line < 1 << 31:
        line = None
    return (name if name is None else name[:80]), line


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
