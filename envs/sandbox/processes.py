"""What the kernel says of a running process, as /proc and its clocks have it."""

from __future__ import annotations

import contextlib
import os
import time


def cpu_time(pid: int) -> float:
    """CPU seconds of a process and its threads, from its clock."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def longest_wait(pid: int) -> float:
    """Seconds that one of its threads, at most, was ready to run and had no processor."""
    longest = 0.0
    with contextlib.suppress(OSError, IndexError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            longest = max(longest, int(_read(f"/proc/{pid}/task/{thread}/schedstat").split()[1]) / 1e9)
    return longest


def thread_count(pid: int) -> int:
    """Threads of a process; 1 where it is gone."""
    try:
        return int(_read(f"/proc/{pid}/stat").rpartition(")")[2].split()[17])
    except (OSError, IndexError):
        return 1


def address_space(pid: int) -> int:
    """Bytes that a process has mapped, whether it uses them or not."""
    return int(_read(f"/proc/{pid}/statm").split()[0]) * os.sysconf("SC_PAGESIZE")


def prefer_as_victim(pid: int) -> None:
    """When the system runs out of memory, programs are killed before anything else."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/oom_score_adj", "w") as file:
        file.write("1000")


def _read(path: str) -> str:
    with open(path) as file:
        return file.read()
