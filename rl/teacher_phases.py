"""Phases of a teacher: open it, say how good it is, let it write programs, and imitate what was chosen of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from critics.filters import CHOICES, chosen, only, passing
from critics.programs import literals_from_text, without_dead_code
from envs.answers import checked_as_in_paper
from envs.errors import UserError
from envs.forms import CUE, Form
from envs.problem import Problem
from envs.rollout import Group, Prompt
from rl.asking import Asking, asking, exemplars_for, stop_strings
from rl.config_teacher import TeacherSection
from rl.credit import imitate
from rl.draw import in_epochs
from rl.engine import make_accelerator, rank, world_size
from rl.experience import groups_by_problem
from rl.experiment import SEEDS_APART, Experiment
from rl.learner import Learner
from rl.loop import train
from rl.losses import Term
from rl.models import Policy, load_policy, policy_folder
from rl.phases import Show, attempt, best_of, imitate_groups, readable
from rl.score import Score, nobody
from rl.teacher_cache import AnswerCache
from rl.teacher_scores import LikeliestTokens, teacher_distribution
from rl.teacher_server import ServerSettings, server_teacher
from rl.teachers import Teacher, stored_teacher, two_step
from rl.write import Write, by_teacher, from_experience, local_teacher, stop_at, with_question

TAUGHT = "teacher_programs"
"""Phase whose programs a teacher wrote."""
ANSWER_TOKENS = 16
"""Longest answer after a rationale, where it is asked for apart."""
WEAK, STRONG = 0.3, 0.8
"""Pass rates of a teacher between which a learner's gain can be seen."""


@dataclass(frozen=True, slots=True)
class OpenTeacher:
    """A teacher that is ready to be asked."""

    teacher: Teacher
    """Who answers."""
    asking: Asking
    """How it is asked, given exemplars."""
    exemplars: Callable[[Problem], Sequence[Problem]]
    """Solved problems that are shown before another."""
    settings: TeacherSection
    """How much it writes."""
    policy: Policy | None = None
    """Its model, where that is in this process."""
    tell: Callable[[Problem], Problem] = lambda problem: problem
    """What is done to a problem, and to exemplars, before they are shown."""

    def ask(self, problem: Problem) -> Prompt:
        """What it is shown for a problem."""
        return self.asking(self.tell(problem), [self.tell(exemplar) for exemplar in self.exemplars(problem)])

    def write(self, experiment: Experiment, n: int, seed: int) -> Write:
        """`n` solutions per problem, for a learner that reads the bare problem."""
        return by_teacher(
            self.teacher,
            experiment.policy,
            ask=self.ask,
            prompt=experiment.ask,
            n=n,
            temperature=self.settings.temperature,
            seed=seed,
        )


@contextmanager
def open_teacher(experiment: Experiment) -> Iterator[OpenTeacher]:
    """The teacher of the config; what a server answers is kept in `teacher.cache`.

    Raises UserError where its model, file or server cannot be used.
    """
    settings, form, exemplars = experiment.config.teacher, experiment.form, exemplars_for(experiment)
    if settings.file is not None:
        yield OpenTeacher(stored_teacher(settings.file), asking(settings.ask, form, json.dumps), exemplars, settings)
    elif settings.server:
        budgets = {"max_requests": settings.max_requests, "max_tokens": settings.max_tokens}
        with AnswerCache(settings.cache, part=rank(), parts=world_size(), **budgets) as cache:
            teacher = _in_steps(settings, lambda part: server_teacher(_server(part, form), cache))
            yield OpenTeacher(teacher, asking(settings.ask, form, json.dumps), exemplars, settings)
    else:
        policy = _load(settings.model)
        teacher = _in_steps(settings, lambda part: _local(policy, part, form))
        template = partial(policy.tokenizer.apply_chat_template, tokenize=False, add_generation_prompt=True)
        yield OpenTeacher(teacher, asking(settings.ask, form, template), exemplars, settings, policy)


def lessons(experiment: Experiment, at_most: int) -> tuple[Problem, ...]:
    """Train problems that a teacher attempts: the first ones that decide nothing, neither as dev nor as test."""
    held_out = {problem.id for problem in (*experiment.dev, *experiment.test)}
    return tuple(problem for problem in experiment.train if problem.id not in held_out)[:at_most]


def say_how_good(experiment: Experiment, teacher: OpenTeacher) -> None:
    """Print the teacher's pass@1 on the dev problems, and warn where little can be learned from what follows.

    A file of answers need not speak of them: then only its programs for the train problems say how good it is.
    """
    if teacher.settings.file is not None:
        return
    config = experiment.config
    write = teacher.write(experiment, config.evaluation.n, config.seed + SEEDS_APART * 3)
    dev = _askable(experiment, teacher, experiment.dev)
    rate = experiment.evaluate("teacher", dev, write, ks=(1,)).pass_at_1
    experiment.log.say(f"teacher, {teacher.settings.ask}: pass@1 {rate:.1%} on {len(dev)} dev problems")
    if not WEAK <= rate <= STRONG:
        experiment.log.say(
            f"warning: pass@1 of the teacher is {rate:.2f}, not between {WEAK} and {STRONG}: a weaker one solves too "
            f"few problems to teach, of a stronger one a learner's own gain is hard to see"
        )


def measure_teacher(experiment: Experiment, name: str, n: int, temperature: float) -> None:
    """Let the config's teacher write `n` programs for each test problem at a temperature, into the store."""
    config = experiment.config
    settings = config.teacher.model_copy(update={"temperature": temperature})
    experiment = replace(experiment, config=config.model_copy(update={"teacher": settings}))
    with open_teacher(experiment) as teacher:
        write = teacher.write(experiment, n, config.seed + SEEDS_APART * 4)
        experiment.evaluate(name, _askable(experiment, teacher, experiment.test), write, ks=(1,))


def askable_lessons(experiment: Experiment, teacher: OpenTeacher) -> tuple[Problem, ...]:
    """The lessons whose prompt fits the teacher."""
    return _askable(experiment, teacher, lessons(experiment, experiment.config.ekt.problems))


def let_write(experiment: Experiment, teacher: OpenTeacher) -> dict[str, Group]:
    """The teacher's programs for the lessons, all of them run; see `programs_for`."""
    return programs_for(experiment, teacher, askable_lessons(experiment, teacher), TAUGHT)


def programs_for(
    experiment: Experiment, teacher: OpenTeacher, problems: Sequence[Problem], phase: str, *, run: bool = True
) -> dict[str, Group]:
    """The teacher's programs for some problems, stored as a phase and `run`; returns those that fit the learner.

    Raises UserError where there are none.
    """
    as_in_paper = experiment.config.ekt.check == "paper"
    checked = [_checked_as_in_paper(problem) if as_in_paper else problem for problem in problems]
    write = teacher.write(experiment, teacher.settings.n, experiment.config.seed)
    attempt(experiment, phase, checked, write, run=run)
    groups = groups_by_problem(experiment.store.folder, problems, (phase,))
    if run:
        solved = sum(any(v is not None and v.passed for v in group.verdicts) for group in groups.values())
        experiment.log.say(
            f"teacher, {teacher.settings.ask}: {solved} of {len(problems)} train problems solved with "
            f"{teacher.settings.n} tries"
        )
    fitting = readable(experiment, groups, "programs of the teacher")
    if not fitting:
        raise UserError(
            "teacher: not one program for the train problems that fits the policy; see teacher.file, teacher.n"
        )
    return fitting


def accepted(
    experiment: Experiment, groups: Mapping[str, Group], judge: Callable[[Group], Group] = passing
) -> dict[str, Group]:
    """The `preferred` programs that `judge` lets through; raises UserError where nothing is left to imitate."""
    kept = preferred(experiment, groups, judge)
    if not kept:
        raise UserError(
            f"{experiment.config.recipe}: not one program of the teacher was accepted, so there is nothing to imitate; "
            "take a better teacher, more programs (teacher.n), another prompt (teacher.ask, teacher.shots) "
            "or fewer filters"
        )
    experiment.log.say(
        f"{sum(len(group.rollouts) for group in kept.values())} programs to imitate for {len(kept)} problems"
    )
    return kept


def preferred(experiment: Experiment, groups: Mapping[str, Group], judge: Callable[[Group], Group]) -> dict[str, Group]:
    """Of the programs that `judge` and the filters of `config.ekt` let through, those that `ekt.choose` prefers."""
    settings = experiment.config.ekt
    filters: list[Callable[[str, Problem], bool]] = []
    filters += [without_dead_code] if settings.without_dead_code else []
    filters += [literals_from_text] if settings.literals_from_text else []
    kept: dict[str, Group] = {}
    for name, group in groups.items():
        found = judge(group)
        for keep in filters:
            found = only(found, keep)
        found = chosen(found, CHOICES[settings.choose], settings.programs_per_problem)
        if found.rollouts:
            kept[name] = found
    return kept


def imitate_teacher(
    experiment: Experiment,
    phase: str,
    groups: Mapping[str, Group],
    objective: tuple[Term, ...],
    score: Score = nobody,
    show: Show = from_experience,
) -> None:
    """Learn from a teacher's solutions, which no verdict weighs any more, for `ekt.epochs` passes over the problems."""
    settings = experiment.config.ekt
    held_out = {problem.id for problem in (*experiment.dev, *experiment.test)}
    assert not held_out & set(groups), "a problem that decides or measures is never learned from"
    if settings.question_loss:
        groups = {
            name: replace(group, rollouts=tuple(map(with_question, group.rollouts))) for name, group in groups.items()
        }
    imitate_groups(experiment, phase, groups, settings, objective, score, show=show)


def distil_on_policy(experiment: Experiment, objective: tuple[Term, ...], score: Score) -> None:
    """Learn the teacher's distributions on the policy's own programs for the lessons, for `distil.rounds` rounds."""
    config = experiment.config
    settings = config.distil
    learner = experiment.learner(settings.learning_rate)
    problems = lessons(experiment, len(experiment.train))
    draw = in_epochs(problems, settings.problems_per_round, config.seed)
    write = experiment.write(policy_version=lambda: learner.n_steps)
    rounds = experiment.rounds("distil", draw, write, rounds=settings.rounds)
    best = best_of(experiment)
    train(
        learner,
        rounds,
        score=score,
        credit=imitate,
        objective=objective,
        rounds=settings.rounds,
        temperature=config.sampling.temperature,
        seed=config.seed,
        log=experiment.log,
        checkpoints=experiment.phase("distil", learner=learner, rounds=rounds, best=best),
        evaluate=best.watching(experiment.dev_pass_rate),
        evaluate_every=settings.evaluate_every,
    )


def distribution_of(experiment: Experiment, teacher: OpenTeacher) -> Score:
    """What the teacher's model says about the tokens of a batch; its own prompt is read where `distil.prompted`.

    Raises UserError where its tokenizer is not the learner's: then their tokens are not comparable.
    """
    policy, settings, asked = experiment.policy, experiment.config.distil, teacher.policy
    assert asked is not None, "a config with another kind of teacher is refused before"
    if asked.tokenizer.get_vocab() != policy.tokenizer.get_vocab():
        raise UserError(
            f"teacher.model: {teacher.settings.model} has another tokenizer than the policy, so that distributions "
            f"over tokens cannot be compared; choose a model of one family, or recipe ekt or seqkd, which compare none"
        )
    width = policy.model.config.get_text_config().vocab_size
    learner = Learner(
        LikeliestTokens(asked.model, vocabulary=width, top_k=settings.top_k),
        learning_rate=0.0,
        micro_batch_tokens=experiment.config.learner.micro_batch_tokens,
    )

    def prompt_ids(problem: Problem) -> tuple[int, ...]:
        return asked.encode(teacher.ask(problem).text)

    return teacher_distribution(learner, settings.temperature, prompt_ids if settings.prompted else None)


def _askable(experiment: Experiment, teacher: OpenTeacher, problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """The problems whose prompt, with an answer, fits a teacher in this process; says how many do not."""
    positions = None if teacher.policy is None else teacher.policy.positions
    if teacher.policy is None or positions is None:
        return tuple(problems)
    room = positions - teacher.settings.max_new_tokens - _second_step(teacher.policy, teacher.settings)
    lengths = teacher.policy.prompt_lengths([teacher.ask(problem).text for problem in problems])
    kept = tuple(problem for problem, length in zip(problems, lengths, strict=True) if length <= room)
    if not kept:
        raise UserError(
            f"teacher.max_new_tokens: no prompt fits: the shortest has {min(lengths, default=0)} tokens, "
            f"{teacher.settings.max_new_tokens} new ones are asked for, and the teacher has {positions} positions"
        )
    if len(kept) < len(problems):
        experiment.log.say(f"{len(problems) - len(kept)} of {len(problems)} prompts do not fit the teacher; left out")
    return kept


def _load(name: str) -> Policy:
    try:
        policy = load_policy(str(policy_folder(Path(name))))
    except UserError as error:
        raise UserError(str(error).replace("model.name", "teacher.model", 1)) from None
    policy.model.to(make_accelerator().device)
    return policy


def _in_steps(settings: TeacherSection, open_part: Callable[[TeacherSection], Teacher]) -> Teacher:
    """A teacher that is asked once or, for `ask = "two_step"`, for a rationale and then for the answer."""
    if settings.ask != "two_step":
        return open_part(settings)
    reasoning = settings.model_copy(update={"stop": (CUE, *settings.stop)})
    return two_step(open_part(reasoning), open_part(settings.model_copy(update={"max_new_tokens": ANSWER_TOKENS})))


def _second_step(policy: Policy, settings: TeacherSection) -> int:
    """Tokens that a prompt grows by after the rationale."""
    return len(policy.encode(CUE)) + ANSWER_TOKENS if settings.ask == "two_step" else 0


def _local(policy: Policy, settings: TeacherSection, form: Form) -> Teacher:
    return local_teacher(
        policy,
        temperature=settings.temperature,
        max_new_tokens=settings.max_new_tokens,
        stop=stop_at(policy, stop_strings(settings, form)),
    )


def _server(settings: TeacherSection, form: Form) -> ServerSettings:
    shared = (
        "server",
        "model",
        "temperature",
        "max_new_tokens",
        "api",
        "per_request",
        "parallel",
        "tries",
        "timeout_s",
    )
    values = settings.model_dump(include={*shared, "key_variable"})
    return ServerSettings(**values, stop=stop_strings(settings, form))


def _checked_as_in_paper(problem: Problem) -> Problem:
    try:
        return checked_as_in_paper(problem)
    except ValueError as error:
        raise UserError(f'ekt.check: {error}; set ekt.check = "value"') from None
