# group: robustness
# problem: add
# verdict: passed
# must not: fail because the harness shares its names with the program
# --- program ---
import builtins


def print(*args, **options):
    raise RuntimeError("not yours")


len = str = type = isinstance = repr = list = dict = open = range = json = sys = os = print
result = results = value = values = encode = main = run = args = source = namespace = program = print


def add(a, b):
    return builtins.sum([a, b])
