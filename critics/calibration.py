"""How far a critic can be trusted, and where in a program, against two judges that read no program.

majority: the class that is most frequent among the judged programs, for every program.
problem: how the other programs for the same problem ended (leave-one-out), and one more as all other programs did.

Both are computed from the outcomes that are judged, so they know more than a judge in the field would.

Axes: N programs, K outcome classes, F fractions of a program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import torch

FRACTIONS = (0.25, 0.5, 0.75, 1.0)
"""Shares of a program's tokens after which the critic is asked."""
BINS = 10
"""Bins of equal width between 0 and 1 in which confidence is compared with frequency."""
ROUNDING = 1e-9
"""Two F1 that are closer than this are equal."""
FREQUENT = 0.05
"""Share of the programs from which an outcome counts in `Calibration.better_inside`."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a critic said of programs whose outcome is known; generated ones only, no reference solutions."""

    classes: tuple[str, ...]
    """Names of the outcome classes; the last is `passed`."""
    probs_FNK: torch.Tensor
    """Probabilities after each of FRACTIONS of each program."""
    labels_N: torch.Tensor
    """What happened: index into `classes`."""
    problem_ids: tuple[str, ...]
    """The problem of each program."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Programs with about the same p(passed)."""

    count: int
    """How many."""
    said: float
    """Mean p(passed)."""
    happened: float
    """Share that passed."""


@dataclass(frozen=True, slots=True)
class Scores:
    """How well one judge guessed. Per class: None where it did not occur, or nothing else did."""

    accuracy: float
    """Share of programs whose most probable class is what happened."""
    macro_f1: float
    """Mean of `f1` over the classes that occurred."""
    f1: tuple[float | None, ...]
    """2 * hits / (guesses of the class + occurrences), per class."""
    recall: tuple[float | None, ...]
    """Hits / occurrences, per class."""
    auc: tuple[float | None, ...]
    """Area under the ROC curve of each class against the others; the last is that of passing."""
    calibration_error: float
    """Expected calibration error of the most probable class (arXiv 1706.04599), in BINS bins."""
    pass_calibration_error: float
    """The same of p(passed)."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A critic beside the two judges that read no program."""

    classes: tuple[str, ...]
    """Names of the outcome classes."""
    n_programs: int
    """Generated programs that were judged."""
    n_problems: int
    """Problems that they answer."""
    shares: tuple[float, ...]
    """Share of the programs per class."""
    critic: Mapping[float, Scores]
    """The critic's scores after each of FRACTIONS of the tokens."""
    majority: Scores
    """Scores of always guessing the most frequent class."""
    problem: Scores
    """Scores of guessing by the other programs for the same problem. Its AUC is too low, since leaving a program out
    lowers the guess at just what it was: compare F1 and accuracy."""
    confusion: tuple[tuple[int, ...], ...]
    """Programs by what happened (rows) and what the critic guessed at the end (columns)."""
    reliability: tuple[Bin, ...]
    """p(passed) against how often it happened, at the end, by rising p; empty bins are left out."""

    def better_inside(self, fraction: float = 0.5) -> Mapping[str, bool]:
        """Per class of at least FREQUENT share: is the critic's F1 inside the program above that of both judges?

        And above 2 share / (1 + share), the F1 of always guessing this class: no judge that reads nothing has more,
        and both judges have 0 for a class that they never guess.
        """
        better = {}
        for k, (name, share) in enumerate(zip(self.classes, self.shares, strict=True)):
            if share >= FREQUENT:
                critic, *judges = (s.f1[k] or 0.0 for s in (self.critic[fraction], self.majority, self.problem))
                better[name] = critic > max(*judges, 2 * share / (1 + share) + ROUNDING)
        return better

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return asdict(self) | {"critic": {f"{fraction:g}": asdict(scores) for fraction, scores in self.critic.items()}}

    def table(self) -> str:
        """The scores as lines of text for a person."""
        rows = [(f"critic at {fraction:.0%}", s, _shown(s.auc[-1])) for fraction, s in self.critic.items()]
        rows += [("majority class", self.majority, "-"), ("same problem", self.problem, "-")]
        head = f"{'':16}{'accuracy':>9}{'macro-F1':>10}{'ECE':>7}{'pass AUC':>10}{'pass ECE':>10}"
        lines = [f"{self.n_programs} generated programs for {self.n_problems} problems", head]
        for name, s, pass_auc in rows:
            numbers = f"{s.accuracy:9.3f}{s.macro_f1:10.3f}{s.calibration_error:7.3f}{pass_auc:>10}"
            lines.append(f"{name:16}{numbers}{s.pass_calibration_error:10.3f}")
        lines.append(f"{'F1 per outcome':16}" + "".join(f"{name:>15}" for name in self.classes))
        lines.append(f"{'share':16}" + "".join(f"{share:15.1%}" for share in self.shares))
        lines += [f"{name:16}" + "".join(f"{_shown(value):>15}" for value in s.f1) for name, s, _ in rows]
        return "\n".join(lines)


def calibrate(judged: Judged) -> Calibration:
    """Compare what a critic said with what happened. Raises ValueError where there is no program to compare."""
    labels_N, n_classes = judged.labels_N, len(judged.classes)
    if not len(labels_N):
        raise ValueError("a critic cannot be calibrated on no generated program with a known outcome")
    counts_K = torch.bincount(labels_N, minlength=n_classes)
    majority_NK = torch.zeros(len(labels_N), n_classes, dtype=torch.float64)
    majority_NK[:, int(counts_K.argmax())] = 1.0
    final_NK = judged.probs_FNK[-1]
    return Calibration(
        classes=judged.classes,
        n_programs=len(labels_N),
        n_problems=len(set(judged.problem_ids)),
        shares=tuple((counts_K.double() / len(labels_N)).tolist()),
        critic={f: scores(probs_NK, labels_N) for f, probs_NK in zip(FRACTIONS, judged.probs_FNK, strict=True)},
        majority=scores(majority_NK, labels_N),
        problem=scores(problem_prior(labels_N, judged.problem_ids, n_classes), labels_N),
        confusion=tuple(tuple(row) for row in confusion(final_NK.argmax(dim=1), labels_N, n_classes).tolist()),
        reliability=reliability(final_NK[:, -1], labels_N == n_classes - 1),
    )


def scores(probs_NK: torch.Tensor, labels_N: torch.Tensor) -> Scores:
    """Scores of a judge's probabilities."""
    n_classes = probs_NK.shape[1]
    confidence_N, guesses_N = probs_NK.amax(dim=1), probs_NK.argmax(dim=1)
    table_KK = confusion(guesses_N, labels_N, n_classes).double()
    hits_K, occurred_K, guessed_K = table_KK.diagonal(), table_KK.sum(dim=1), table_KK.sum(dim=0)
    f1_K, recall_K = 2 * hits_K / (guessed_K + occurred_K), hits_K / occurred_K
    occurs_K = occurred_K > 0
    return Scores(
        accuracy=float(hits_K.sum() / len(labels_N)),
        macro_f1=float(f1_K[occurs_K].mean()),
        f1=_where(occurs_K, f1_K),
        recall=_where(occurs_K, recall_K),
        auc=tuple(auc(probs_NK[:, k], labels_N == k) for k in range(n_classes)),
        calibration_error=calibration_error(confidence_N, guesses_N == labels_N),
        pass_calibration_error=calibration_error(probs_NK[:, -1], labels_N == n_classes - 1),
    )


def auc(scores_N: torch.Tensor, positive_N: torch.Tensor) -> float | None:
    """Chance that a positive has the higher score than a negative, ties counting half (Mann-Whitney U / pairs).

    None where there are no positives or no negatives.
    """
    n_positive = int(positive_N.sum())
    n_pairs = n_positive * (len(positive_N) - n_positive)
    if not n_pairs:
        return None
    _, place_N, count = torch.unique(scores_N, return_inverse=True, return_counts=True)
    count = count.double()
    rank = count.cumsum(0) - (count - 1) / 2  # mean of the ranks, from 1, that tied scores take up
    u = float(rank[place_N][positive_N].sum()) - n_positive * (n_positive + 1) / 2
    return u / n_pairs


def reliability(probs_N: torch.Tensor, happened_N: torch.Tensor) -> tuple[Bin, ...]:
    """Bins of equal width by rising probability; empty ones are left out."""
    bin_N = (probs_N * BINS).long().clamp(max=BINS - 1)
    return tuple(
        Bin(int((bin_N == b).sum()), float(probs_N[bin_N == b].mean()), float(happened_N[bin_N == b].double().mean()))
        for b in range(BINS)
        if (bin_N == b).any()
    )


def calibration_error(probs_N: torch.Tensor, happened_N: torch.Tensor) -> float:
    """Mean over programs of |mean probability - frequency| of their bin (arXiv 1706.04599, equation 5)."""
    bins = reliability(probs_N, happened_N)
    return sum(b.count * abs(b.said - b.happened) for b in bins) / len(probs_N)


def confusion(guesses_N: torch.Tensor, labels_N: torch.Tensor, n_classes: int) -> torch.Tensor:
    """Counts by what happened (rows) and what was guessed (columns), (K, K)."""
    return torch.bincount(labels_N * n_classes + guesses_N, minlength=n_classes**2).reshape(n_classes, n_classes)


def problem_prior(labels_N: torch.Tensor, problem_ids: Sequence[str], n_classes: int) -> torch.Tensor:
    """Per program the outcome frequencies of the problem's other programs, (N, K).

    One observation that is distributed as all other programs is added: it breaks ties, and decides alone for the only
    program of a problem.
    """
    number = {problem_id: index for index, problem_id in enumerate(dict.fromkeys(problem_ids))}
    problem_N = torch.tensor([number[problem_id] for problem_id in problem_ids])
    own_NK = torch.nn.functional.one_hot(labels_N, n_classes).double()
    siblings_NK = torch.zeros(len(number), n_classes, dtype=torch.float64).index_add_(0, problem_N, own_NK)[problem_N]
    all_others_NK = (own_NK.sum(dim=0) - own_NK) / max(1, len(labels_N) - 1)
    counts_NK = siblings_NK - own_NK + all_others_NK
    # A lone program in the data has no other to go by.
    return torch.where(counts_NK.sum(1, keepdim=True) > 0, counts_NK / counts_NK.sum(1, keepdim=True), 1 / n_classes)


def _where(occurs_K: torch.Tensor, values_K: torch.Tensor) -> tuple[float | None, ...]:
    return tuple(float(v) if occurs else None for occurs, v in zip(occurs_K, values_K, strict=True))


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
