"""How a teacher is asked: the prompt that a config names, its exemplars, and the strings that end an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from envs.errors import UserError
from envs.forms import Form, asking_in, chat_in_words, few_shot_in_words, question
from envs.problem import Problem
from envs.prompts import ApplyTemplate, chain_of_thought, chat, few_shot, plain
from envs.rollout import Prompt
from rl.config_teacher import TeacherSection
from rl.decode import DEDENT
from rl.experiment import Experiment

NEXT_QUESTION = "\nQ:"
"""What a base model goes on with after a worked solution in the natural form."""
Asking = Callable[[Problem, Sequence[Problem]], Prompt]
"""(problem, exemplars) -> what is shown."""


def asking(name: str, form: Form, template: ApplyTemplate) -> Asking:
    """The prompt that `teacher.ask` names, for a learner that answers in a form."""
    if form is not Form.PROGRAM:
        in_words: dict[str, Asking] = {
            "plain": lambda problem, _: asking_in(form)(problem),
            "few_shot": few_shot_in_words,
            "two_step": lambda problem, _: question(problem, Form.NATURAL),
            "chat": lambda problem, exemplars: chat_in_words(problem, template, exemplars),
        }
        return in_words[name]
    programs: dict[str, Asking] = {
        "plain": lambda problem, _: plain(problem),
        "few_shot": few_shot,
        "chain_of_thought": chain_of_thought,
        "chat": lambda problem, exemplars: chat(problem, template, exemplars),
    }
    return programs[name]


def exemplars_for(experiment: Experiment) -> Callable[[Problem], Sequence[Problem]]:
    """The exemplars for a problem: other labelled problems than the one asked, none that decides or measures.

    Raises UserError where there are too few.
    """
    settings = experiment.config.teacher
    if settings.ask in ("plain", "two_step"):
        return lambda problem: ()
    held_out = {problem.id for problem in (*experiment.dev, *experiment.test)}
    shown = [problem for problem in experiment.labelled if problem.id not in held_out]
    if settings.ask == "chain_of_thought":
        shown = [problem for problem in shown if problem.rationale]
    if len(shown) <= settings.shots:
        raise UserError(
            f"teacher.shots: {settings.shots} exemplars need {settings.shots + 1} labelled problems that are neither "
            f"dev nor test, one to spare for where an exemplar itself is asked; got {len(shown)}"
        )

    def exemplars(problem: Problem) -> Sequence[Problem]:
        return [other for other in shown[: settings.shots + 1] if other.id != problem.id][: settings.shots]

    return exemplars


def stop_strings(settings: TeacherSection, form: Form) -> tuple[str, ...]:
    """What ends an answer besides the end of text: of words the next question, of one function what stands after it."""
    if form is not Form.PROGRAM:
        return (*settings.stop, *((NEXT_QUESTION,) if settings.ask in ("few_shot", "two_step") else ()))
    continues = settings.ask in ("plain", "few_shot")
    return (*settings.stop, *(DEDENT if settings.stop_at_dedent and continues else ()))
