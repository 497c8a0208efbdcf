# group: escape
# problem: add
# verdict: runtime_error
# must not: open a kernel setting for writing; nothing is written
# --- program ---
import os

PATHS = ["/proc/sys/kernel/core_pattern", "/proc/self/oom_score_adj", "/proc/self/uid_map", "/proc/sysrq-trigger",
         "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory/tasks", "/sys/fs/cgroup/pids/tasks", "/sys/kernel/uevent_helper"]


def add(a, b):
    for path in PATHS:
        try:
            os.close(os.open(path, os.O_WRONLY))
            return a + b
        except OSError:
            continue
    raise PermissionError("no setting could be opened")
