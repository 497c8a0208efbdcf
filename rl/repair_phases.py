"""Phases of repair: what is learned from, imitation of it, and what repairing failed programs is worth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from critics.filters import chosen, first, passing, repair_pairs
from critics.model import same_ids
from critics.sampling import Writer
from envs.errors import UserError
from envs.feedback import GradeAll, by_examples
from envs.problem import Problem
from envs.prompts import completion_for, repair
from envs.rollout import Group, Prompt, Rollout
from envs.verdict import Verdict
from rl.engine import gather
from rl.evaluate import Evaluation, evaluate
from rl.experience import groups_by_problem
from rl.experiment import SEEDS_APART, Experiment
from rl.models import Policy, load_policy, policy_folder
from rl.phases import attempt, imitate_groups, readable
from rl.run import holds_a_run
from rl.turns import Again, Keep, every_turn, in_turns, last_turn, later_turns
from rl.write import Write, continuing, from_experience, ungraded, written

ATTEMPTED, REPAIRS = "repair_programs", "repair_pairs"
"""Phases that hold the policy's programs, and repair prompts with programs that pass."""


def check_run(experiment: Experiment) -> None:
    """Raise UserError where the programs of `repair.run` cannot be learned by this policy."""
    run = experiment.config.repair.run
    if run is None:
        return
    if not holds_a_run(run):
        raise UserError(f"repair.run: {run} holds no run; expected a run folder, whose stored programs are learned")
    final = policy_folder(run)
    if final == run:
        raise UserError(f"repair.run: {run} has no checkpoints/final: expected a run that ended")
    if not same_ids(load_policy(str(final)).tokenizer, experiment.policy.tokenizer):
        raise UserError(
            f"repair.run: the model of {run} has another tokenizer than this policy, which could not learn its ids; "
            f"begin with model.name = {str(final)!r}"
        )


def find_repairs(experiment: Experiment) -> dict[str, Group]:
    """Repair prompts of failed programs with programs that pass, by problem id, from the policy or `repair.run`.

    They are stored, so that a run that goes on learns from the same. Without any the mapping is empty.
    """
    settings = experiment.config.repair
    held_out = {problem.id for problem in (*experiment.dev, *experiment.test)}
    problems = [problem for problem in experiment.train if problem.id not in held_out]
    if settings.run is None:
        problems = problems[: settings.problems]
        attempt(experiment, ATTEMPTED, problems, experiment.write(seed=experiment.config.seed + SEEDS_APART))
        tried = groups_by_problem(experiment.store.folder, problems, (ATTEMPTED,))
    else:
        tried = groups_by_problem(settings.run / "experience", problems)

    def write(problems: Sequence[Problem], round_number: int) -> Iterator[Group]:
        groups = [tried[problem.id] for problem in problems]
        yield from repairs(experiment.policy, groups, experiment.grader.grade, settings.programs_per_problem).values()

    attempt(experiment, REPAIRS, [problem for problem in problems if problem.id in tried], write)
    found = readable(experiment, groups_by_problem(experiment.store.folder, problems, (REPAIRS,)), "repairs")
    count = sum(len(group.rollouts) for group in found.values())
    experiment.log.say(f"{count} repairs to learn from, of programs for {len(found)} of {len(tried)} problems")
    if settings.also_plain:
        passed = {name: chosen(passing(tried[name]), first, settings.programs_per_problem) for name in found}
        return {name: _both(group, passed[name]) for name, group in found.items()}
    return found


def imitate_repairs(experiment: Experiment, groups: Mapping[str, Group]) -> None:
    """Cross-entropy on repairs, with a look at the share of failed dev programs that are repaired."""
    failed = failed_programs(experiment, "dev", experiment.dev)
    problems = [group.problem for group in failed.values()]
    write = again(experiment, failed)

    def repaired() -> float:
        return evaluate(problems, write, experiment.grader.submit).pass_at_1

    look = repaired if problems else experiment.dev_pass_rate
    imitate_groups(experiment, "repair", groups, experiment.config.repair, evaluate=look)


def failed_programs(experiment: Experiment, name: str, problems: Sequence[Problem]) -> dict[str, Group]:
    """The policy's programs for some problems that fail an example test, by problem id, the same on every rank.

    What it writes is kept in the store as evaluation_<name>_programs.
    """
    write = experiment.evaluation_write(seed_offset=3)
    stored = f"{name}_programs"
    experiment.evaluate(stored, problems, write, ks=(1,))
    groups = experiment.store.groups(f"evaluation_{stored}", 0)
    attempts = [(group.problem, rollout) for group in groups for rollout in group.rollouts]
    feedbacks = by_examples([(problem, rollout.program) for problem, rollout in attempts], experiment.grader.grade)
    failed = [
        (problem.id, rollout)
        for (problem, rollout), feedback in zip(attempts, feedbacks, strict=True)
        if feedback is not None and feedback.passed is False
    ]
    by_id: dict[str, list[Rollout]] = {}
    for problem_id, rollout in gather(failed):
        by_id.setdefault(problem_id, []).append(rollout)
    return {p.id: ungraded(p, by_id[p.id]) for p in problems if p.id in by_id}


def again(experiment: Experiment, failed: Mapping[str, Group], ask: Again = repair) -> Write:
    """One more program by the policy, as it is when it writes, for each failed one."""
    return turned(experiment, from_experience(failed), 2, writer(experiment, evaluation=True), ask, later_turns)


def measure_again(experiment: Experiment, name: str, failed: Mapping[str, Group], ask: Again = repair) -> Evaluation:
    """pass@1 of one more program for each failed one: the share that is mended, the mean over problems."""
    problems = [group.problem for group in failed.values()]
    return experiment.measure(name, again(experiment, failed, ask), problems, ks=(1,))


def measure_turns(experiment: Experiment, name: str, ask: Again = repair) -> Evaluation:
    """pass@k of what attempts on the test problems end with, each of up to `rlef.turns` programs."""
    begin = experiment.evaluation_write(seed_offset=2)
    ends = turned(experiment, begin, experiment.config.rlef.turns, writer(experiment, evaluation=True), ask, last_turn)
    return experiment.measure(name, ends)


def turned(
    experiment: Experiment, begin: Write, turns: int, later: Writer, ask: Again = repair, keep: Keep = every_turn
) -> Write:
    """`begin`, whose failed programs are written again: `in_turns` with the grader and the limits of a run."""
    longest = experiment.config.sampling.max_new_tokens
    fits = partial(_fits, experiment, longest)
    grade = experiment.grader.grade
    return in_turns(begin, later, turns=turns, grade=grade, max_new_tokens=longest, ask=ask, keep=keep, fits=fits)


def writer(experiment: Experiment, *, evaluation: bool = False) -> Writer:
    """The policy as it writes after any prompt, at the temperature of training or of evaluation."""
    config = experiment.config
    temperature = config.evaluation.temperature if evaluation else config.sampling.temperature
    return continuing(experiment.policy, temperature=temperature, stop=experiment.stop())


def _fits(experiment: Experiment, longest: int, prompt: Prompt) -> bool:
    positions = experiment.policy.positions
    return positions is None or len(experiment.policy.encode(prompt.text)) + longest <= positions


def _both(repairs_of: Group, passed: Group) -> Group:
    """Repairs of a problem's programs, and programs that passed, from the prompt that they were written from."""
    rollouts, verdicts = (*repairs_of.rollouts, *passed.rollouts), (*repairs_of.verdicts, *passed.verdicts)
    return Group(repairs_of.problem, rollouts, verdicts)


def repairs(policy: Policy, groups: Iterable[Group], grade: GradeAll, at_most: int = 4) -> dict[str, Group]:
    """What a repair model learns from: per problem, repair prompts of failed programs with a program that passes.

    `groups` are graded rollouts, from the store; at most `at_most` failed programs of each are run again, on the
    example tests, whose findings the prompts show. Left out are those that pass the example tests, with which a repair
    model has nothing to go by, and problems of which nothing is left.
    """
    pairs = [(group.problem, pair) for group in groups for pair in repair_pairs(group, at_most)]
    feedbacks = by_examples([(problem, pair.failed.program) for problem, pair in pairs], grade)
    rows: dict[str, list[tuple[Problem, Rollout, Verdict]]] = {}
    for (problem, pair), feedback in zip(pairs, feedbacks, strict=True):
        if feedback is not None and feedback.passed is False:
            prompt = repair(problem, pair.failed.program, feedback)
            rows.setdefault(problem.id, []).append(
                (problem, _mended(policy, problem, prompt, pair.passed), pair.verdict)
            )
    return {name: Group(of[0][0], tuple(r for _, r, _ in of), tuple(v for *_, v in of)) for name, of in rows.items()}


def _mended(policy: Policy, problem: Problem, prompt: Prompt, passed: Rollout) -> Rollout:
    """A program that passes as the completion of a repair prompt, with the ids that it was written in.

    Only a completion of another form than the plain prompt's is tokenised anew. Log-probs under another prompt are
    none under this one.
    """
    ids = policy.encode(prompt.text)
    if passed.prompt.mode not in ("plain", "repair"):
        return written(policy, prompt, ids, completion_for(problem, passed.program), passed.program)
    segments = tuple(replace(segment, log_probs=None) for segment in passed.segments)
    return replace(passed, prompt=prompt, prompt_ids=ids, segments=segments)
