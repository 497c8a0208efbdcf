# group: cheating
# problem: add
# verdict: runtime_error
# must not: be a sandbox_error, a timeout or a memory_limit because of the number it exits with
# --- program ---
import os


def add(a, b):
    os._exit(137)
