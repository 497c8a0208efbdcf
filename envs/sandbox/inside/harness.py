"""Runs one program in a child process that has given up everything, and writes down what it returned.

Nothing here decides: the results file holds typed values and the names of exceptions, and a program that forges its
lines must know the right answers to gain by it.
"""

from __future__ import annotations

import atexit
import mmap
import os
import re
import struct
import sys
import threading
from collections.abc import Callable
from types import CodeType, ModuleType, TracebackType
from typing import Any

from .typed_values import ValueTooLargeError, class_name, decode, dump_json, encode, load_json

JOB, RESULTS, CHANNEL = 3, 4, 5
"""Descriptors of a child: the sealed job, the results file, and the socket to the other process of a remote call."""
PROGRAM_FILE = "program.py"
_HEADER = struct.Struct("<II")
_COMPILED = b'{"compiled":1}\n'
_CODING = re.compile(rb"^[ \t\f]*#.*?coding[:=]")
_ballast = mmap.mmap(-1, 4 << 20)
"""Address space, never touched, that is given up when memory runs out, so that the harness can still say so."""


def pack_job(header: dict[str, Any], source: bytes, cases: list[str]) -> bytes:
    """Lay out one job: what to do, the program, and one line of typed JSON per case."""
    head = dump_json(header).encode()
    return b"".join((_HEADER.pack(len(head), len(source)), head, source, "\n".join(cases).encode()))


def run_job(size: int, modes: dict[str, Callable[[dict[str, Any], bytes, list[bytes]], None]]) -> None:
    """Read the job of `size` bytes and run it in the mode that it names."""
    job = os.pread(JOB, size, 0)
    os.close(JOB)
    n_head, n_source = _HEADER.unpack_from(job)
    start = _HEADER.size + n_head
    header = load_json(job[_HEADER.size : start])
    cases = job[start + n_source :].split(b"\n") if header.get("cases") else []
    modes[header["mode"]](header, job[start : start + n_source], cases)


def report(**record: Any) -> None:
    """Append one record to the results."""
    write_line(dump_json(record))


def write_line(text: str) -> None:
    """Append one line to the results, whole or not at all as far as a reader is concerned."""
    data = (text + "\n").encode()
    while data:
        data = data[os.write(RESULTS, data) :]


def describe(error: BaseException, trace: TracebackType | None) -> list[Any]:
    """Class name of an exception and the last line of the program that it passed through."""
    line = None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == PROGRAM_FILE:
            line = trace.tb_lineno
        trace = trace.tb_next
    return [class_name(type(error)), line]


def compile_program(source: bytes) -> CodeType | None:
    """Compile the bytes as they are; report why they do not compile."""
    try:
        _check_encoding(source)
        code = compile(source, PROGRAM_FILE, "exec", dont_inherit=True)
    except BaseException as error:
        report(syntax=[class_name(type(error)), getattr(error, "lineno", None)])
        return None
    os.write(RESULTS, _COMPILED)
    return code


def _check_encoding(source: bytes) -> None:
    """Refuse what a file of source may not hold: `compile` lets bytes pass in comments that are no UTF-8."""
    try:
        source.decode()
    except UnicodeDecodeError as error:
        if not any(_CODING.match(line) for line in source.split(b"\n", 2)[:2]):
            raise SyntaxError(str(error)) from None


def new_module(name: str) -> ModuleType:
    """Make the module in which a program runs, and make it what `import __main__` finds."""
    module = ModuleType(name)
    module.__dict__.update(__builtins__=sys.modules["builtins"], __file__=PROGRAM_FILE, __annotations__={})
    sys.modules[name] = sys.modules["__main__"] = module
    sys.argv[:] = [PROGRAM_FILE]
    sys.setrecursionlimit(sys.getrecursionlimit() + _depth())
    return module


def _depth() -> int:
    frame, depth = sys._getframe(), 0
    while frame.f_back is not None:
        frame, depth = frame.f_back, depth + 1
    return depth


def load_program(source: bytes) -> ModuleType | None:
    """Run the program's top level as an imported module; report why that fails."""
    code = compile_program(source)
    if code is None:
        return None
    module = new_module("program")
    try:
        exec(code, module.__dict__)  # noqa: S102 - in the jail
    except BaseException as error:
        report(importing=describe(error, sys.exc_info()[2]))
        return None
    return module


def find_entry(module: ModuleType, name: str) -> Callable[..., Any]:
    """Return the function that tests call: a global, or a method of a fresh `Solution`."""
    namespace = module.__dict__
    if name in namespace:
        return namespace[name]  # type: ignore[no-any-return]
    if isinstance(namespace.get("Solution"), type) and hasattr(namespace["Solution"], name):
        return getattr(namespace["Solution"](), name)  # type: ignore[no-any-return]
    raise NameError(f"name {name!r} is not defined")


def run_calls(header: dict[str, Any], source: bytes, cases: list[bytes]) -> None:
    """Make one call per case (name, arguments, keywords, whether its truth is enough) and write what it returned."""
    flush, leave = sys.stdout.flush, os._exit
    module = load_program(source)
    if module is not None:
        for index, case in enumerate(cases):
            _run_case_in_any_memory(module, index, case, header["max_parts"])
    try:
        flush()
    finally:
        leave(0)


def _run_case_in_any_memory(module: ModuleType, index: int, case: bytes, max_parts: int) -> None:
    try:
        _run_case(module, index, case, max_parts)
    except MemoryError:  # there was none left even to say so
        _ballast.close()
        report(i=index, e=["MemoryError", None])


def _run_case(module: ModuleType, index: int, case: bytes, max_parts: int) -> None:
    entry, arguments, keywords, as_condition = decode(case)
    try:
        value = find_entry(module, entry)(*arguments, **keywords)
        if as_condition:  # a test that asks no more gains nothing by it: the program could return True
            value = bool(value)
        text = encode(value, max_parts)
    except ValueTooLargeError:
        report(i=index, large=1)
    except BaseException as error:
        report(i=index, e=describe(error, sys.exc_info()[2]))
    else:
        write_line(f'{{"i":{index},"v":{text}}}')


def run_script(header: dict[str, Any], source: bytes, cases: list[bytes]) -> None:
    """Run the program as a script on standard input, and end as the interpreter would."""
    leave = os._exit
    status = 1
    try:
        code = compile_program(source)
        if code is not None:
            status = _run_main(code)
            status = _finish() or status
    finally:
        leave(status)


def _run_main(code: CodeType) -> int:
    module = new_module("__main__")
    try:
        exec(code, module.__dict__)  # noqa: S102 - in the jail
    except SystemExit as leaving:
        status = leaving.code
        if status is None:
            return 0
        return status & 0xFF if isinstance(status, int) else 1
    except BaseException as error:
        report(e=describe(error, sys.exc_info()[2]))
        if sys.excepthook is not sys.__excepthook__:
            sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _finish() -> int:
    """Do what ends an interpreter and can be seen: wait for threads, run exit functions, finalise, flush."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    status = _flush(sys.stdout)
    namespace = sys.modules["__main__"].__dict__
    for name in list(namespace):
        if not (name.startswith("__") and name.endswith("__")):
            namespace[name] = None
    return _flush(sys.__stdout__) or status


def _flush(stream: Any) -> int:
    try:
        if stream is not None and not stream.closed:
            stream.flush()
    except BaseException:
        return 120
    return 0


def rehearse() -> None:
    """Run the harness on a small program, so that a forked child finds its own code path warm."""
    main, argv, limit = sys.modules["__main__"], list(sys.argv), sys.getrecursionlimit()
    for descriptor in (JOB, RESULTS):
        os.dup2(os.memfd_create("rehearsal"), descriptor)
    source = b"""import math
class A:
    pass
def f(x, *, y=1):
    return [(x, {x: str(y)}), {1.5, b"b"}, 10**20, None, A()][: x + 5]
"""
    header = {"mode": "rehearsal", "max_parts": 1000, "cases": 1}
    calls = [("f", [1], {}, False), ("f", [1], {"y": 2.5}, True), ("g", [], {}, False)]
    job = pack_job(header, source, [encode(call) for call in calls])
    os.write(JOB, job)
    run_job(len(job), {"rehearsal": _rehearse_calls})
    os.closerange(JOB, CHANNEL + 1)
    _flush(sys.stdout)
    del sys.modules["program"]
    sys.modules["__main__"], sys.argv[:] = main, argv
    sys.setrecursionlimit(limit)


def _rehearse_calls(header: dict[str, Any], source: bytes, cases: list[bytes]) -> None:
    module = load_program(source)
    assert module is not None
    for index, case in enumerate(cases):
        _run_case(module, index, case, header["max_parts"])
