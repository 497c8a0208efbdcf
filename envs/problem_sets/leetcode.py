"""The names that LeetCode-style problems take for granted: `List`, `deque`, `inf` and their like, imported openly."""

from __future__ import annotations

IMPORTS = """\
import bisect, collections, copy, functools, heapq, itertools, math, operator, re, string
from typing import *
from bisect import *
from collections import *
from functools import *
from heapq import *
from itertools import *
from math import *
"""
"""Put before a `class Solution` starter, so that a solver sees what is there."""


def starter_with_imports(starter: str) -> str:
    """The starter code, with the imports where it is a `class Solution`."""
    return f"{IMPORTS}\n{starter}" if "class Solution" in starter else starter


def whole_program(code: str, starter: str) -> str:
    """A published solution as a program of its own: with the imports where its starter code has them."""
    return f"{IMPORTS}\n{code}" if starter.startswith(IMPORTS) else code
