# group: robustness
# problem: add
# verdict: passed
# must not: fail because the program's module is not in the table of modules
# --- program ---
from __future__ import annotations

import pickle
import typing
from dataclasses import dataclass, field


@dataclass(order=True)
class Pair:
    left: int
    right: int = 0
    rest: typing.ClassVar[list] = []
    more: list[int] = field(default_factory=list)


def add(a, b):
    pair = pickle.loads(pickle.dumps(Pair(a, b)))
    typing.get_type_hints(Pair)
    return pair.left + pair.right
