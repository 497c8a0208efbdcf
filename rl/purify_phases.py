"""Phases of purification: label a few of a teacher's programs, fit a critic to them, keep what it scores highest.

Programs that are not labelled carry no verdict until the corpus is chosen; then they may be run for the report.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from critics.filters import each_once
from critics.model import OutcomeCritic, save_critic
from critics.outcomes import OutcomeClasses, weigh
from critics.purify import (
    USUAL_RECALL,
    Corpus,
    Key,
    Quality,
    Threshold,
    among,
    describe,
    drawn,
    keep_rates,
    keys_of,
    quality,
    threshold_at,
)
from critics.score import read
from critics.variants import with_other_names, with_other_numbers
from envs.errors import UserError
from envs.problem import Problem
from envs.rollout import Group, Rollout
from envs.verdict import Outcome
from rl.config_purify import PurifySection
from rl.critic_phases import critic_of, fit
from rl.durable import whole_folder, write_json, write_text
from rl.engine import gather, is_main, share
from rl.experience import EVALUATION, read_rows
from rl.experiment import SEEDS_APART, Experiment
from rl.models import Policy
from rl.teacher_phases import TAUGHT, OpenTeacher, accepted, askable_lessons, preferred, programs_for
from rl.write import Write, from_experience, rewritten

LABELLED = "labelled_programs"
"""Phase whose programs a teacher wrote and the hidden tests labelled."""
MEASURED = "corpus"
"""Evaluation of all programs, for the report."""
THRESHOLD, REPORT, CORPUS = "threshold.json", "corpus.json", "corpus.jsonl"
"""The cut-off, beside the critic; what the selection did; every program with its score and what became of it."""
FAR = 0.02
"""Distance of the recall from its target that is warned of."""

Groups = dict[str, Group]
"""By problem id."""


@dataclass(frozen=True, slots=True)
class Programs:
    """What a teacher wrote, each program of a problem once."""

    fitted: Groups
    """Labelled programs that a critic learns from."""
    validation: Groups
    """Labelled programs that find its cut-off."""
    test: Groups
    """Labelled programs that say how good it is."""
    corpus: Groups
    """The others, without verdicts."""


def let_write_corpus(experiment: Experiment, teacher: OpenTeacher) -> Programs:
    """The teacher's programs for the lessons; those for `purify.problems` of them are run, the others are not."""
    config = experiment.config
    lessons = askable_lessons(experiment, teacher)
    parts = deal(lessons, config.purify, config.seed)
    names = {problem.id for part in parts for problem in part}
    labelled: Groups = {}
    if config.purify.keep != "all":
        labelled = programs_for(experiment, teacher, [p for p in lessons if p.id in names], LABELLED)
    corpus = programs_for(experiment, teacher, [p for p in lessons if p.id not in names], TAUGHT, run=False)
    fitted, validation, test = (
        _each_once({problem.id: labelled[problem.id] for problem in part if problem.id in labelled}) for part in parts
    )
    return Programs(fitted, validation, test, _each_once(corpus))


def deal(
    problems: Sequence[Problem], settings: PurifySection, seed: int
) -> tuple[list[Problem], list[Problem], list[Problem]]:
    """Problems whose programs fit a critic, find its cut-off, and test it; UserError where none would be left."""
    count = settings.problems
    n_validation, n_test = (max(1, round(part * count)) for part in (settings.validation, settings.test))
    if count >= len(problems) or n_validation + n_test >= count:
        raise UserError(
            f"purify.problems: expected fewer than the {len(problems)} train problems that the teacher attempts, and "
            f"more than the {n_validation + n_test} that validate and test; got {count}"
        )
    dealt = random.Random(f"purify {seed}").sample(list(problems), count)
    return dealt[n_validation + n_test :], dealt[:n_validation], dealt[n_validation : n_validation + n_test]


def purified(experiment: Experiment, programs: Programs) -> Groups:
    """The programs to imitate, as `purify.keep` says; reports how many, how diverse and how pure they are."""
    config = experiment.config
    pool = keys_of(programs.corpus.values())
    kept, scores, about = set(pool), {}, {}
    if config.purify.keep != "all":
        critic = _fitted(experiment, programs.fitted)
        threshold, tested = _calibrated(experiment, critic, programs)
        about = {"threshold": asdict(threshold), "critic": asdict(tested)}
        scores = pass_probs(experiment, critic, programs.corpus)
        kept = {key for key in pool if scores[key] >= threshold.cutoff}
    if config.purify.keep == "random":
        size = len(keys_of(preferred(experiment, programs.corpus, among(kept)).values()))
        kept = drawn(keys_of(preferred(experiment, programs.corpus, among(pool)).values()), size, config.seed)
    imitated = accepted(experiment, programs.corpus, among(kept))
    corpora = {"written": set(pool), "kept": kept, "imitated": set(keys_of(imitated.values()))}
    _report(experiment, programs.corpus, corpora, scores, about)
    return imitated


def pass_probs(experiment: Experiment, critic: OutcomeCritic, groups: Mapping[str, Group]) -> dict[Key, float]:
    """p(passed) of every program, the mean over `purify.passes` readings in other names and numbers."""
    config = experiment.config
    mine = share(list(groups.values()))
    write = varied(groups, experiment.policy, config.purify, config.seed + SEEDS_APART * 5)
    passes = config.purify.passes if config.purify.other_names or config.purify.other_numbers else 1
    sums = [0.0] * len(keys_of(mine))
    for number in range(passes):
        rollouts = [rollout for group in write([g.problem for g in mine], number) for rollout in group.rollouts]
        sums = [total + reading.pass_prob for total, reading in zip(sums, read(critic, rollouts), strict=True)]
    return dict(gather([(key, total / passes) for key, total in zip(keys_of(mine), sums, strict=True)]))


def varied(groups: Mapping[str, Group], policy: Policy, settings: PurifySection, seed: int) -> Write:
    """The programs of some groups, with their verdicts, in other names and numbers in every round."""

    def write(problems: Sequence[Problem], round_number: int) -> Iterator[Group]:
        for problem in problems:
            group = groups[problem.id]
            rng = random.Random(f"varied {seed} {round_number} {problem.id}")
            rollouts = tuple(_variant(rollout, problem, policy, settings, rng) for rollout in group.rollouts)
            yield Group(problem, rollouts, group.verdicts)

    return write


def _variant(
    rollout: Rollout, problem: Problem, policy: Policy, settings: PurifySection, rng: random.Random
) -> Rollout:
    program = rollout.program
    if settings.other_numbers:
        program, problem = with_other_numbers(program, problem, rng)
    if settings.other_names:
        program = with_other_names(program, problem, rng)
    found = rollout if program == rollout.program else rewritten(policy, rollout, problem, program)
    fits = policy.positions is None or len(found.prompt_ids) + len(found.completion_ids) <= policy.positions
    return found if fits else rollout


def _fitted(experiment: Experiment, groups: Groups) -> OutcomeCritic:
    """A critic of the labelled programs; raises UserError where all of them ended alike."""
    config = experiment.config
    weighting = weigh(list(groups.values()), OutcomeClasses.BINARY, balance=config.critic.balance)
    if weighting.n_occurring < 2:
        raise UserError(
            f"purify: all labelled programs for {len(groups)} problems ended alike, so that a critic has nothing to "
            "tell apart; label more (purify.problems, teacher.n) or sample hotter (teacher.temperature)"
        )
    write = varied(groups, experiment.policy, config.purify, config.seed)
    return critic_of(fit(experiment, [group.problem for group in groups.values()], write, weighting))


def _calibrated(experiment: Experiment, critic: OutcomeCritic, programs: Programs) -> tuple[Threshold, Quality]:
    """The cut-off by the validation programs, saved with the critic, and how good it is on the test programs."""
    config = experiment.config
    validation, test = (_judged(experiment, critic, groups) for groups in (programs.validation, programs.test))
    if not validation[1].any() or not len(test[1]):
        raise UserError(
            f"purify: {int(validation[1].sum())} of {len(validation[1])} validation programs are right, and "
            f"{len(test[1])} test programs could be judged; expected at least one of each; label more "
            "(purify.problems, teacher.n)"
        )
    threshold, tested = threshold_at(config.purify.recall, *validation), quality(*test)
    if is_main():
        with whole_folder(config.folder / "checkpoints" / "critic") as folder:
            save_critic(critic, experiment.policy.tokenizer, Path(folder))
            write_json(Path(folder) / THRESHOLD, asdict(threshold))
    experiment.log.say(
        f"critic: AUC {_shown(tested.auc)}, precision {_percent(tested.precision)} at {USUAL_RECALL:.0%} recall, "
        f"{tested.base_rate:.1%} of all right, on {tested.n_programs} programs for problems that it has not seen"
    )
    experiment.log.say(
        f"cut-off {threshold.cutoff:.4f}: keeps {threshold.recall:.1%} of {threshold.n_right} right validation programs"
    )
    if abs(threshold.recall - threshold.target) > FAR:
        experiment.log.say(
            f"warning: expected a recall of {threshold.target:.1%}: the scores of so few right programs have no "
            "cut-off nearer to it; label more (purify.problems, teacher.n)"
        )
    return threshold, tested


def _judged(experiment: Experiment, critic: OutcomeCritic, groups: Groups) -> tuple[torch.Tensor, torch.Tensor]:
    """scores_N and right_N of the labelled programs whose outcome is known."""
    known = {
        (name, rollout.program): verdict.passed
        for name, group in groups.items()
        for rollout, verdict in zip(group.rollouts, group.verdicts, strict=True)
        if verdict is not None and verdict.outcome is not Outcome.SANDBOX_ERROR
    }
    scores = pass_probs(experiment, critic, groups)
    scores_N = torch.tensor([scores[key] for key in known], dtype=torch.float64)
    return scores_N, torch.tensor(list(known.values()), dtype=torch.bool)


def _right(experiment: Experiment, groups: Groups) -> dict[Key, bool]:
    """Whether each program that the sandbox can judge passes; the programs are kept in the store as an evaluation."""
    problems = [group.problem for group in groups.values()]
    experiment.evaluate(MEASURED, problems, from_experience(groups), ks=(1,))
    rows = read_rows(
        experiment.store.folder,
        phases=(f"evaluation_{MEASURED}",),
        purpose=EVALUATION,
        columns=("problem_id", "program", "outcome"),
    )
    return {
        (row["problem_id"], row["program"]): row["outcome"] == Outcome.PASSED
        for row in rows
        if row["outcome"] != Outcome.SANDBOX_ERROR
    }


def _report(
    experiment: Experiment,
    groups: Groups,
    corpora: Mapping[str, set[Key]],
    scores: Mapping[Key, float],
    about: Mapping[str, object],
) -> None:
    """Say what the selection did, and keep it in the run folder with every program; only now they may be run."""
    right = _right(experiment, groups) if experiment.config.purify.measure else {}
    problems = {name: group.problem for name, group in groups.items()}
    found = {name: describe(keys, problems, right) for name, keys in corpora.items()}
    experiment.log.say(_table(found))
    if is_main():
        folder = experiment.config.folder
        rates = keep_rates(corpora["written"], corpora["kept"], problems)
        values = {name: asdict(corpus) | {"purity": corpus.purity} for name, corpus in found.items()}
        by_family = {family: {"written": n, "kept": n_kept} for family, (n, n_kept) in rates.items()}
        write_json(folder / REPORT, {**about, "corpora": values, "families": by_family})
        rows = (
            {"problem_id": key[0], "program": key[1], "score": scores.get(key), "right": right.get(key)}
            | {name: key in corpora[name] for name in ("kept", "imitated")}
            for key in keys_of(groups.values())
        )
        write_text(folder / CORPUS, "".join(json.dumps(row) + "\n" for row in rows))


def _table(corpora: Mapping[str, Corpus]) -> str:
    lines = [f"{'programs':10}{'number':>8}{'problems':>10}{'distinct':>10}{'chains':>8}{'right':>8}"]
    for name, corpus in corpora.items():
        counts = f"{corpus.n_programs:8}{corpus.n_problems:10}{corpus.n_distinct:10}{corpus.n_chains:8}"
        lines.append(f"{name:10}{counts}{_percent(corpus.purity):>8}")
    return "\n".join(lines)


def _each_once(groups: Groups) -> Groups:
    """The first of equal programs for each problem."""
    return {name: each_once(group) for name, group in groups.items()}


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(part: float | None) -> str:
    return "-" if part is None else f"{part:.1%}"
