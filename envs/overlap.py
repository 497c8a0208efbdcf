"""Near-duplicate texts by word shingles: candidates from bottom-k sketches, then the exact Jaccard similarity."""

from __future__ import annotations

import ast
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from envs.extract import parse_program

SHINGLE_WORDS = 5
SKETCH_SIZE = 48
"""Smallest hashes kept of a text; texts with Jaccard 0.8 share about 0.8 of them."""
MAX_POSTINGS = 400
"""A hash that more texts share is boilerplate and proposes no candidate."""
MAX_CANDIDATES = 40
"""Texts compared exactly with one text: those that share most of its sketch."""


@dataclass(frozen=True, slots=True)
class Match:
    """One text that is nearly another."""

    index: int
    """Position of the text."""
    other: int
    """Position of the text it resembles."""
    similarity: float
    """Jaccard similarity of their shingles, in [0, 1]."""


class ShingleIndex:
    """Texts by their shingles; `nearest` compares a text with all that were added before."""

    def __init__(self) -> None:
        self._shingles: list[frozenset[int]] = []
        self._postings: dict[int, list[int]] = defaultdict(list)

    def add(self, text: str) -> None:
        """Append a text; its position is the number of texts before it."""
        shingles = shingle_hashes(text)
        for value in _sketch(shingles):
            self._postings[value].append(len(self._shingles))
        self._shingles.append(shingles)

    def nearest(self, text: str) -> tuple[int, float] | None:
        """Position and similarity of the most similar text; the earliest of equals; None where none shares a sketch."""
        shingles = shingle_hashes(text)
        shared: Counter[int] = Counter()
        for value in _sketch(shingles):
            postings = self._postings.get(value, ())
            if len(postings) <= MAX_POSTINGS:
                shared.update(postings)
        scored = [(jaccard(shingles, self._shingles[i]), -i) for i, _ in shared.most_common(MAX_CANDIDATES)]
        if not scored:
            return None
        similarity, negative = max(scored)
        return -negative, similarity


def near_duplicates(texts: Sequence[str], threshold: float = 0.8) -> list[Match]:
    """Each text that resembles an earlier one at least as much as `threshold`, with the most similar earlier one."""
    index, matches = ShingleIndex(), []
    for position, text in enumerate(texts):
        found = index.nearest(text)
        if found and found[1] >= threshold:
            matches.append(Match(position, found[0], found[1]))
        index.add(text)
    return matches


def overlaps(texts: Sequence[str], others: Sequence[str], threshold: float = 0.8) -> list[Match]:
    """Each text that resembles one of `others` at least as much as `threshold`."""
    index = ShingleIndex()
    for other in others:
        index.add(other)
    found = ((position, index.nearest(text)) for position, text in enumerate(texts))
    return [Match(position, near[0], near[1]) for position, near in found if near and near[1] >= threshold]


def shingle_hashes(text: str) -> frozenset[int]:
    """Hashes of all runs of five words, lower case, punctuation dropped; of the whole text where it is shorter."""
    words = re.findall(r"\w+", text.lower())
    runs = [" ".join(words[i : i + SHINGLE_WORDS]) for i in range(max(1, len(words) - SHINGLE_WORDS + 1))]
    return frozenset(_hash(run) for run in runs)


def jaccard(first: frozenset[int], second: frozenset[int]) -> float:
    """Size of the intersection over that of the union; 0 for two empty sets."""
    union = len(first | second)
    return len(first & second) / union if union else 0.0


def program_key(program: str) -> str | None:
    """A key that programs share when they differ in comments, layout and docstrings only; None for invalid programs."""
    tree = parse_program(program)
    if tree is None:
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
            node.body = [part for part in node.body if not _is_text(part)] or [ast.Pass()]
    try:
        return hashlib.sha256(ast.dump(tree).encode(errors="surrogatepass")).hexdigest()
    except RecursionError:
        return None


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _sketch(shingles: frozenset[int]) -> list[int]:
    return sorted(shingles)[:SKETCH_SIZE]


def _hash(run: str) -> int:
    return int.from_bytes(hashlib.blake2b(run.encode(errors="surrogatepass"), digest_size=8).digest(), "big")
