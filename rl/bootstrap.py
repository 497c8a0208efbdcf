"""Intervals over seeds and problems: a hierarchical bootstrap, paired where two arms met the same problems.

Axes: S seeds, P problems; N resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from rl.evaluate import Estimate

N_RESAMPLES = 4000

Scores = npt.NDArray[np.float64]
"""scores_SP: a number per seed and problem, such as the share of programs that passed."""


def mean_over_seeds(scores_SP: Scores) -> Estimate:
    """Mean over seeds and problems, with its 95 % interval when both are drawn anew with replacement."""
    n_seeds, n_problems = scores_SP.shape
    rng = np.random.default_rng(0)
    seeds_NS = rng.integers(n_seeds, size=(N_RESAMPLES, n_seeds))
    problems_NP = rng.integers(n_problems, size=(N_RESAMPLES, n_problems))
    means_N = np.array([scores_SP[s][:, p].mean() for s, p in zip(seeds_NS, problems_NP, strict=True)])
    low, high = np.quantile(means_N, [0.025, 0.975])
    return Estimate(float(scores_SP.mean()), float(low), float(high))


def over_seeds(values: Sequence[Scores], statistic: Callable[[Sequence[Scores]], float]) -> Estimate:
    """A statistic of seeds that each have rows (first axis) of their own, with its 95 % interval.

    Seeds, then each drawn seed's rows, are drawn anew with replacement.
    """
    rng = np.random.default_rng(0)
    drawn_N = []
    for _ in range(N_RESAMPLES):
        seeds = [values[s] for s in rng.integers(len(values), size=len(values))]
        drawn_N.append(statistic([of_seed[rng.integers(len(of_seed), size=len(of_seed))] for of_seed in seeds]))
    low, high = np.quantile(drawn_N, [0.025, 0.975])
    return Estimate(statistic(values), float(low), float(high))


def difference(ours_SP: Scores, theirs_SP: Scores) -> Estimate:
    """Mean of ours minus theirs over the same seeds and problems, with its 95 % interval."""
    if ours_SP.shape != theirs_SP.shape:
        raise ValueError(
            f"a paired difference needs the same seeds and problems; got {ours_SP.shape}, {theirs_SP.shape}"
        )
    return mean_over_seeds(ours_SP - theirs_SP)
