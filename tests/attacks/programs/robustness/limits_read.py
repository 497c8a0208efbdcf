# group: robustness
# problem: add
# verdict: passed
# must not: fail because a program looks at its limits
# --- program ---
import os
import resource
import sys


def add(a, b):
    resource.getrlimit(resource.RLIMIT_AS), resource.getrusage(resource.RUSAGE_SELF)
    os.getpid(), os.getcwd(), os.cpu_count(), sys.getrecursionlimit(), os.environ.get("HOME")
    return a + b
