"""The system-call filter: the blobs in the package are the ones that the list gives, and decide as it says."""

from __future__ import annotations

import struct

import pytest

from envs.sandbox.seccomp import ARCHITECTURES, NUMBERS, allowed_names, build_filter, filter_path

ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
MACHINES = list(ARCHITECTURES)


def decide(code: bytes, arch: int, number: int, arguments: tuple[int, ...] = ()) -> int:
    """Run a filter on one call, as the kernel would."""
    data = struct.pack("<IIQ6Q", number, arch, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    at, accumulator = 0, 0
    while True:
        operation, if_true, if_false, operand = struct.unpack_from("<HBBI", code, 8 * at)
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, operand)
        elif operation == 0x54:
            accumulator &= operand
        elif operation == 0x15:
            at += if_true if accumulator == operand else if_false
        elif operation == 0x35:
            at += if_true if accumulator >= operand else if_false
        else:
            assert operation == 0x06
            return operand


def verdict(machine: str, name: str, *arguments: int) -> int:
    return decide(build_filter(machine), ARCHITECTURES[machine], NUMBERS[machine][name], arguments)


@pytest.mark.parametrize("machine", MACHINES)
def test_blobs_are_reproducible(machine: str) -> None:
    assert filter_path(machine).read_bytes() == build_filter(machine)
    assert len(build_filter(machine)) // 8 < 4096


@pytest.mark.parametrize("machine", MACHINES)
def test_every_number_is_decided_as_listed(machine: str) -> None:
    allowed = {NUMBERS[machine][name] for name in allowed_names(machine)}
    conditional = {NUMBERS[machine][name] for name in ("clone", "fcntl", "ioctl", "prctl", "prlimit64", "socketpair")}
    conditional.add(NUMBERS[machine]["sched_getaffinity"])
    code = build_filter(machine)
    for number in range(600):
        if number in conditional:
            continue
        expected = ALLOW if number in allowed else ENOSYS if number == NUMBERS[machine]["clone3"] else EPERM
        assert decide(code, ARCHITECTURES[machine], number) == expected, number


@pytest.mark.parametrize("machine", MACHINES)
def test_arguments_decide(machine: str) -> None:
    thread = 0x3D0F00
    assert verdict(machine, "clone", thread) == ALLOW
    assert verdict(machine, "clone", 17) == EPERM
    assert verdict(machine, "clone", thread | 0x10000000) == EPERM
    assert verdict(machine, "fcntl", 0, 3) == ALLOW
    assert verdict(machine, "fcntl", 0, 6) == EPERM  # F_SETLK
    assert verdict(machine, "fcntl", 0, 8) == EPERM  # F_SETOWN
    assert verdict(machine, "ioctl", 0, 0x5412) == EPERM  # TIOCSTI
    assert verdict(machine, "ioctl", 0, 0x1_0000_5401) == ALLOW  # the kernel reads 32 bits, and so does the filter
    assert verdict(machine, "prctl", 22) == EPERM
    assert verdict(machine, "prlimit64", 0, 7, 0) == ALLOW
    assert verdict(machine, "prlimit64", 0, 7, 1) == EPERM
    assert verdict(machine, "prlimit64", 0, 7, 1 << 40) == EPERM
    assert verdict(machine, "prlimit64", 1, 7, 0) == EPERM
    assert verdict(machine, "socketpair", 1, 0o2004001) == ALLOW
    assert verdict(machine, "socketpair", 1, 2) == EPERM  # a datagram socket could send to a named one
    assert verdict(machine, "socketpair", 2, 1) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_other_architectures_are_killed(machine: str) -> None:
    code = build_filter(machine)
    for other in {*ARCHITECTURES.values(), 0x40000003, 0x40000028} - {ARCHITECTURES[machine]}:
        assert decide(code, other, 0) == KILL
    if machine == "x86_64":
        assert decide(code, ARCHITECTURES[machine], 0x40000000 | 1) == KILL
