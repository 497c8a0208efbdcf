"""Run the corpus against the real grader, here or as another user: `python -m tests.attacks.run_corpus L2`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import count

from envs.grading import Grader, GradeRequest
from envs.verdict import Outcome, Verdict
from tests.attacks.corpus import Attack, load_attacks, right_canary, wrong_canary
from tests.attacks.surroundings import Surroundings, lay_out

CHUNK = 24
"""Programs between two looks at the surroundings: the programs at fault are among these."""


def grader_at(level: str, workers: int | None = None) -> Grader:
    """A grader that runs every program at this very level. Raises where this machine cannot."""
    return Grader(workers, isolation=level)


def faults_of_corpus(level: str) -> list[str]:
    """One sentence for each program that was judged wrongly, and for each thing that was touched or left behind."""
    faults: list[str] = []
    with lay_out() as surroundings:
        attacks = [attack for attack in load_attacks(surroundings.places) if attack.level in (None, level)]
        with grader_at(level) as grader:
            if grader.level != level:
                return [f"asked for {level}, got {grader.level}"]
            serials = count()
            for start in range(0, len(attacks), CHUNK):
                faults += _faults_of_chunk(grader, attacks[start : start + CHUNK], serials, surroundings)
        faults += surroundings.processes_left()
    return faults


def faults_of(grader: Grader, attacks: Iterable[Attack], serials: Iterable[int]) -> list[str]:
    """Judge programs with a right and a wrong canary of the same problem after each; one sentence for each fault."""
    attacks, serials = list(attacks), iter(serials)
    requests: list[GradeRequest] = []
    for attack in attacks:
        problem, serial = attack.request.problem, next(serials)
        requests += [attack.request, right_canary(problem, serial), wrong_canary(problem, serial)]
    verdicts = grader.grade(requests)
    faults: list[str] = []
    for index, attack in enumerate(attacks):
        judged, right, wrong = verdicts[3 * index : 3 * index + 3]
        name = f"{attack.group}/{attack.name}"
        if judged.outcome not in attack.verdicts:
            faults.append(f"{name}: expected {' or '.join(sorted(attack.verdicts))}; got {_told(judged)}")
        if judged.level != grader.level:
            faults.append(f"{name}: ran at {judged.level} instead of {grader.level}")
        if right.outcome is not Outcome.PASSED:
            faults.append(f"{name}: the right canary after it got {_told(right)}")
        if wrong.outcome is not Outcome.WRONG_ANSWER:
            faults.append(f"{name}: the wrong canary after it got {_told(wrong)}")
    return faults


def _faults_of_chunk(
    grader: Grader, attacks: list[Attack], serials: Iterable[int], surroundings: Surroundings
) -> list[str]:
    names = f"{attacks[0].name} ... {attacks[-1].name}"
    touched_before = surroundings.complaints()
    faults = faults_of(grader, attacks, serials)
    return faults + [f"{names}: {touched}" for touched in surroundings.complaints() if touched not in touched_before]


def _told(verdict: Verdict) -> str:
    details = [verdict.outcome, f"{verdict.n_passed}/{verdict.n_tests}", verdict.error_type, verdict.reason]
    usage = f"cpu {verdict.cpu_s:.2f} s, wall {verdict.wall_s:.2f} s, {verdict.peak_memory_mb:.0f} MiB"
    return f"{' '.join(str(detail) for detail in details if detail is not None)} ({usage})"


if __name__ == "__main__":
    found = faults_of_corpus(sys.argv[1])
    print("\n".join(found) or "no fault")
    sys.exit(bool(found))
