# group: robustness
# problem: add
# verdict: passed
# must not: fail because a module of the standard library is missing, or time out on importing them
# --- program ---
import array, bisect, collections, copy, dataclasses, datetime, decimal, enum, fractions, functools, heapq, io, itertools
import json, math, operator, os, queue, random, re, statistics, string, struct, sys, textwrap, time, types, typing
from collections import *
from math import *
from typing import *


def add(a, b):
    return int(fsum(deque([a, b])))
