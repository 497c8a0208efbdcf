"""pass@k against brute force and known values."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.passk import mean_pass_at_k, n_at_k, pass_at_k


@given(st.integers(1, 9).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_equals_share_of_all_draws_that_hold_a_right_program(case: tuple[int, int, int]) -> None:
    n, c, k = case
    draws = list(combinations(range(n), k))
    brute = sum(any(program < c for program in draw) for draw in draws) / len(draws)
    assert pass_at_k(n, c, k) == pytest.approx(brute, abs=1e-12)


def test_golden_values() -> None:
    assert pass_at_k(200, 0, 100) == 0.0
    assert pass_at_k(200, 200, 1) == 1.0
    assert pass_at_k(10, 3, 1) == pytest.approx(0.3)
    assert pass_at_k(100, 1, 100) == 1.0
    assert mean_pass_at_k([(2, 1), (4, 0)], 1) == pytest.approx(0.25)


@pytest.mark.parametrize(("n", "c", "k"), [(1, 2, 1), (2, -1, 1), (2, 1, 3), (2, 1, 0)])
def test_impossible_counts_are_refused(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError, match="pass@k: expected"):
        pass_at_k(n, c, k)


def test_mean_over_no_problem_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one problem"):
        mean_pass_at_k([], 1)


def test_n_at_k_hands_in_programs_that_pass_the_examples_first() -> None:
    assert not n_at_k([False, True], [True, False], 1)
    assert n_at_k([False, True], [False, True], 1)
    assert n_at_k([False, True], [True, False], 2)
