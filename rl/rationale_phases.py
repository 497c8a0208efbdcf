"""Phases of worked solutions: which of a teacher's are learned, answers without any, and imitation of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial

from critics.filters import each_once, keeping, passing
from critics.rationales import mentions_hint, only_restates, steps_hold
from envs.errors import UserError
from envs.hints import hint, with_hint
from envs.rollout import Group
from rl.durable import write_json
from rl.engine import is_main
from rl.experience import groups_by_problem
from rl.experiment import Experiment
from rl.models import Policy
from rl.phases import attempt, imitation_objective
from rl.teacher_phases import OpenTeacher, imitate_teacher, lessons
from rl.write import by_reference, one_each

ANSWERS = "answers"
"""Phase that holds the answers of the train problems, where they alone are learned."""
HARVEST = "rationales.json"
"""File of a run that says what became of the teacher's solutions."""
Filter = Callable[[Group], Group]
"""Solutions of one problem -> those that are worth learning from."""


@dataclass(frozen=True, slots=True)
class Harvest:
    """How many of a teacher's solutions were left after each filter, in their order."""

    problems: int
    """Problems with a solution that was written."""
    written: int
    """Solutions that fit the learner."""
    right: int
    """Those that are whole and have the right answer."""
    honest: int
    """Those of them that neither speak of a hint nor only say the answer again; without a hint, all of them."""
    sound: int
    """Those of them that state no wrong equation, where `reasoning.check_steps` asks for it."""
    distinct: int
    """Those of them that differ, which are learned."""
    solved: int
    """Problems with at least one that is learned."""


def harvest(experiment: Experiment, groups: Mapping[str, Group], *, hinted: bool = False) -> dict[str, Group]:
    """The distinct right solutions of each problem; what the filters left is said and kept as `rationales.json`.

    Raises UserError where nothing is left.
    """
    filters: dict[str, Filter] = {
        "right": passing,
        "honest": _honest if hinted else _all,
        "sound": _sound if experiment.config.reasoning.check_steps else _all,
        "distinct": each_once,
    }
    left, counts_left = dict(groups), {}
    for name, keep in filters.items():
        left = {problem_id: keep(group) for problem_id, group in left.items()}
        counts_left[name] = _count(left)
    learned = {problem_id: group for problem_id, group in left.items() if group.rollouts}
    counts = Harvest(problems=len(groups), written=_count(groups), solved=len(learned), **counts_left)
    if is_main():
        write_json(experiment.config.folder / HARVEST, asdict(counts))
    experiment.log.say(
        f"of {counts.written} solutions {counts.right} are right, {counts.honest} of them honest, {counts.sound} "
        f"sound, {counts.distinct} distinct: these are learned, for {counts.solved} of {counts.problems} problems"
    )
    if not learned:
        raise UserError(
            f"{experiment.config.recipe}: not one solution of the teacher is left, so there is nothing to imitate; "
            f"{experiment.config.folder / HARVEST} counts what each filter took; take a better teacher, more solutions "
            f"(teacher.n) or another prompt (teacher.ask, teacher.shots)"
        )
    return learned


def told_the_answer(teacher: OpenTeacher) -> OpenTeacher:
    """The teacher as it writes with a hint after each question, exemplars included."""
    return replace(teacher, tell=with_hint)


def refuse_hints(policy: Policy, groups: Mapping[str, Group]) -> None:
    """Raise RuntimeError where anything that the learner reads or writes holds the hint that its teacher was given."""
    for name, group in groups.items():
        told = hint(group.problem)
        for rollout in group.rollouts:
            if told and told in policy.decode(rollout.prompt_ids + rollout.completion_ids):
                raise RuntimeError(f"the hint of problem {name} is in what the policy shall learn")


def answers_alone(experiment: Experiment) -> dict[str, Group]:
    """The answers of the lessons without a word before them, stored: what fine-tuning on labels learns."""
    problems = lessons(experiment, experiment.config.ekt.problems)
    attempt(experiment, ANSWERS, problems, by_reference(experiment.policy, ask=experiment.ask))
    return groups_by_problem(experiment.store.folder, problems, (ANSWERS,))


def imitate_solutions(experiment: Experiment, groups: Mapping[str, Group]) -> None:
    """Cross-entropy on one solution of each problem in a pass over the problems, drawn anew in each."""
    show = partial(one_each, seed=experiment.config.seed)
    imitate_teacher(experiment, "imitate_solutions", groups, imitation_objective(), show=show)


def _all(group: Group) -> Group:
    return group


def _honest(group: Group) -> Group:
    return keeping(group, lambda rollout: not (mentions_hint(rollout) or only_restates(rollout, group.problem)))


def _sound(group: Group) -> Group:
    return keeping(group, lambda rollout: steps_hold(rollout.text))


def _count(groups: Mapping[str, Group]) -> int:
    return sum(len(group.rollouts) for group in groups.values())
