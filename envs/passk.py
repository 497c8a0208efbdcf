"""Unbiased pass@k, the chance that k of n programs hold a right one: 1 - C(n-c, k) / C(n, k) (arXiv 2107.03374)."""

from __future__ import annotations

from collections.abc import Iterable


def pass_at_k(n: int, c: int, k: int) -> float:
    """Estimate pass@k of one problem from n programs of which c are right; a probability in [0, 1].

    Raises ValueError unless 0 <= c <= n and 1 <= k <= n.
    """
    _check_counts(n, c)
    if not 1 <= k <= n:
        raise ValueError(f"pass@k: expected 1 <= k <= n; got k={k}, n={n}")
    all_wrong = 1.0
    for i in range(k):
        all_wrong *= max(n - c - i, 0) / (n - i)
    return 1.0 - all_wrong


def mean_pass_at_k(counts: Iterable[tuple[int, int]], k: int) -> float:
    """Average pass@k over problems, each given as (n, c); raises ValueError where there is no problem."""
    values = [pass_at_k(n, c, k) for n, c in counts]
    if not values:
        raise ValueError("pass@k: expected at least one problem; got none")
    return sum(values) / len(values)


def n_at_k(passed_examples: Iterable[bool], passed_hidden: Iterable[bool], n: int) -> bool:
    """Is one of the n programs handed in right? Programs that pass the example tests are handed in first, in order.

    `passed_examples` and `passed_hidden` hold one flag per program, K of them (arXiv 2203.07814, 10@k with n = 10).
    """
    if n < 1:
        raise ValueError(f"n@k: expected n >= 1; got n={n}")
    programs = list(zip(passed_examples, passed_hidden, strict=True))
    programs.sort(key=lambda flags: not flags[0])
    return any(hidden for _, hidden in programs[:n])


def _check_counts(n: int, c: int) -> None:
    if not 0 <= c <= n:
        raise ValueError(f"pass@k: expected 0 <= c <= n; got c={c}, n={n}")
