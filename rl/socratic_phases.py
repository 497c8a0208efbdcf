"""Phases of decomposition: whose chains are learned, what each model learns of them, how they write, what it is worth.

A pair is a solver, kept as the checkpoint `final`, and a decomposer, `final_decomposer`; other variants are the first.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from critics.filters import passing
from envs.decompose import BETWEEN, is_decomposed, turns
from envs.errors import UserError
from envs.problem import Interface, Problem
from envs.prompts import socratic
from envs.step_check import StepCheck, check_steps
from rl.calculator import Calculator
from rl.chains import alone, asks_as_given, asks_in_advance, by_chains, by_own_chain, in_turns, lesson, speaker
from rl.checkpoint import Best
from rl.config import RunConfig
from rl.durable import write_json
from rl.engine import gather, is_main, make_accelerator, together
from rl.evaluate import Evaluation, evaluate
from rl.experience import groups_by_problem
from rl.experiment import SEEDS_APART, Experiment
from rl.models import Policy, load_policy
from rl.phases import attempt, imitate_groups, imitation_objective, readable
from rl.plan import Phase
from rl.write import Write, ungraded

CHAINS = "chains"
"""Phase that holds the problems' own chains with their verdicts."""
SOLVER, DECOMPOSER = "solver", "decomposer"
"""Phases, one per model; a model that writes whole chains is a solver too."""
CHECKPOINTS = {SOLVER: ("best", "final"), DECOMPOSER: ("best_decomposer", "final_decomposer")}
"""By phase: the checkpoint of the best look at the dev problems, and that of what the phase ended with."""
PAIRS = ("iterative", "all_at_once")
"""Variants of two models."""
Rows = Callable[[Problem], list[tuple[str, str]]]
"""Problem -> what one model learns of its chain: (chain so far, what comes next)."""


def one_by_one(problem: Problem) -> list[tuple[str, str]]:
    """Each question, behind the questions and answers before it."""
    return [(before, turn.asked) for before, turn in zip(_before(problem), turns(problem), strict=True)]


def all_at_once(problem: Problem) -> list[tuple[str, str]]:
    """All questions."""
    return [("", BETWEEN.join(own_questions(problem)))]


def answers(problem: Problem) -> list[tuple[str, str]]:
    """Each answer, behind its question and those before it."""
    return [(before + turn.asked, turn.answered) for before, turn in zip(_before(problem), turns(problem), strict=True)]


def unified(problem: Problem) -> list[tuple[str, str]]:
    """Questions and answers."""
    return [("", "".join(turn.asked + turn.answered for turn in turns(problem)))]


def chain_of_thought(problem: Problem) -> list[tuple[str, str]]:
    """The answers as if nobody had asked."""
    return [("", "".join(turn.unasked for turn in turns(problem)))]


def answer_only(problem: Problem) -> list[tuple[str, str]]:
    """The final answer; of a function the reference solution."""
    return [("", turns(problem)[-1].unasked if problem.interface is Interface.ANSWER else problem.solutions[0])]


ROWS: dict[str, dict[str, Rows]] = {
    "iterative": {SOLVER: answers, DECOMPOSER: one_by_one},
    "all_at_once": {SOLVER: answers, DECOMPOSER: all_at_once},
    "unified": {SOLVER: unified},
    "chain_of_thought": {SOLVER: chain_of_thought},
    "answer_only": {SOLVER: answer_only},
}
"""By variant and model: what it learns."""


def calculates(config: RunConfig) -> bool:
    """Whether a calculator works out what the models mark."""
    return config.socratic.calculator and config.socratic.variant != "answer_only"


def own_questions(problem: Problem) -> list[str]:
    """The questions that a problem brings, the one for the answer included."""
    return [turn.asked for turn in turns(problem)]


def accepted_chains(experiment: Experiment) -> tuple[Problem, ...]:
    """Labelled problems that are learned: those whose own chain gives the right answer, as the tests judge it.

    Raises UserError where there are none, and where a pair has no dev problems with questions to be looked at by.
    """
    data, settings = experiment.config.data, experiment.config.socratic
    held_out = {problem.id for problem in (*experiment.dev, *experiment.test)}
    asks = settings.variant in (*PAIRS, "unified")
    problems = [p for p in experiment.labelled if p.id not in held_out and is_decomposed(p, with_questions=asks)]
    lacking = {"labelled": not problems, "dev": settings.variant in PAIRS and not _asked(experiment.dev)}
    for key in (key for key, lacks in lacking.items() if lacks):
        raise UserError(
            f"data.{key}: variant {settings.variant} needs problems of {data.name}/{getattr(data, key)} that bring "
            f"{'sub-questions' if asks else 'steps'} and are not held out for something else; got none; sets that do "
            f"are word_problems, gsm8k_socratic and the splits of basics with solutions"
        )
    problems = problems[: settings.problems]
    attempt(experiment, CHAINS, problems, by_own_chain(experiment.policy, lambda p: chain_of_thought(p)[0][1]))
    groups = groups_by_problem(experiment.store.folder, problems, (CHAINS,)).values()
    kept = tuple(group.problem for group in groups if passing(group).rollouts)
    experiment.log.say(f"{len(kept)} of {len(problems)} decompositions give the right answer and are learned")
    if not kept:
        raise UserError(f"data.labelled: not one decomposition of {data.name}/{data.labelled} gives the right answer")
    return kept


def begin(experiment: Experiment, problems: Sequence[Problem]) -> Policy:
    """A model as `socratic.model` says; of `scratch` ones the tokenizer is trained on chains with their questions."""
    name = experiment.config.socratic.model
    if name == "policy":
        return Policy(copy.deepcopy(experiment.policy.model), experiment.policy.tokenizer)
    texts = (f"{socratic(problem).text}{unified(problem)[0][1]}" for problem in problems)
    try:
        policy = load_policy(name, texts, experiment.config.seed)
    except UserError as error:
        raise UserError(str(error).replace("model.name", "socratic.model", 1)) from None
    return _placed(policy)


def learn(
    experiment: Experiment, name: str, policy: Policy, problems: Sequence[Problem], look: Callable[[], float]
) -> Policy:
    """Imitate what the model `name` has to learn of the chains; returns it as it was at the best look."""
    settings = experiment.config.socratic
    part, rows = replace(experiment, policy=policy), ROWS[settings.variant][name]
    best, final = CHECKPOINTS[name]
    groups = {
        problem.id: ungraded(problem, [lesson(policy, problem, before, text) for before, text in rows(problem)])
        for problem in problems
    }
    groups = readable(part, groups, f"texts for the {name}")
    if not groups:
        raise UserError(f"socratic.model: not one text for the {name} fits the model's {policy.positions} positions")
    imitate_groups(part, name, groups, settings, evaluate=look, best=Best(lambda: part.save(best)))
    folder = experiment.config.folder / "checkpoints" / best
    if folder.is_dir():
        policy = together(partial(_load, folder))
    replace(experiment, policy=policy).save(final)
    return policy


def learned(experiment: Experiment) -> tuple[Policy, Policy | None]:
    """The solver and, of a pair, the decomposer of a run that has learned them."""
    checkpoints = experiment.config.folder / "checkpoints"
    found = {
        name: together(partial(_load, checkpoints / CHECKPOINTS[name][1]))
        for name in ROWS[experiment.config.socratic.variant]
    }
    return found[SOLVER], found.get(DECOMPOSER)


def writing(
    experiment: Experiment,
    solver: Policy,
    decomposer: Policy | None = None,
    *,
    n: int,
    temperature: float,
    seed_offset: int,
    calculator: bool = True,
) -> Write:
    """How the models write chains; without `calculator` they work out for themselves what they mark.

    A pair without a decomposer is asked the problem's own questions: an oracle.
    """
    config = experiment.config
    settings = config.socratic
    insert = Calculator(solver) if calculator and calculates(config) else None
    room = config.sampling.max_new_tokens
    if settings.variant not in PAIRS:
        grow = alone(speaker(solver, "policy", temperature=temperature, max_new_tokens=room, insert=insert))
    else:
        if decomposer is None:
            ask = asks_as_given(own_questions, solver)
        else:
            ask = speaker(decomposer, DECOMPOSER, temperature=temperature, max_new_tokens=room)
            if settings.variant == "all_at_once":
                ask = asks_in_advance(ask, decomposer)
        answer = speaker(solver, SOLVER, temperature=temperature, max_new_tokens=room, insert=insert)
        grow = in_turns(ask, answer, settings.max_steps)
    return by_chains(solver, grow, n=n, temperature=temperature, seed=config.seed + SEEDS_APART * seed_offset)


def dev_pass_rate(experiment: Experiment, solver: Policy, decomposer: Policy | None = None) -> float:
    """pass@1 on the dev problems, a chain each; of a pair without a decomposer on those that bring questions."""
    oracle = experiment.config.socratic.variant in PAIRS and decomposer is None
    problems = _asked(experiment.dev) if oracle else experiment.dev
    temperature = experiment.config.evaluation.temperature
    write = writing(experiment, solver, decomposer, n=1, temperature=temperature, seed_offset=1)
    return evaluate(problems, write, experiment.grader.submit).pass_at_1


def measure(experiment: Experiment, name: str, write: Write, problems: Sequence[Problem]) -> Evaluation:
    """pass@k on test problems, and how far the steps are right, which the run folder keeps as steps_<name>.json."""
    result = experiment.measure(name, write, problems)
    groups = experiment.store.groups(f"evaluation_{name}", 0)
    known = [group for group in groups if is_decomposed(group.problem, with_questions=False)]
    attempts = [(group.problem, rollout.text) for group in known for rollout in group.rollouts]
    checks = gather(check_steps(attempts, experiment.grader.grade))
    if checks and is_main():
        found = step_figures(checks)
        write_json(experiment.config.folder / f"steps_{name}.json", found | {"pass@1": result.pass_at_1})
        experiment.log.say(f"{name}: " + ", ".join(f"{key} {value:.3f}" for key, value in found.items()))
    return result


def step_figures(checks: Sequence[StepCheck]) -> dict[str, float]:
    """Shares of chains that are complete and of judged steps that are right; mean error of the number of steps."""
    return {
        "complete": sum(check.complete for check in checks) / len(checks),
        "steps right": sum(check.right for check in checks) / sum(check.judged for check in checks),
        "error of the number of steps": sum(abs(c.written - c.expected) for c in checks) / len(checks),
    }


def imitation_of_chains(config: RunConfig, name: str) -> Phase:
    """The phase of `learn` for a model, as if every labelled problem were decomposed."""
    settings = config.socratic
    turn_by_turn = ROWS[settings.variant][name] in (one_by_one, answers)
    asked = "the problem's own questions" if name == SOLVER else "the decomposer's questions, which the solver answers"
    return Phase(
        name=name,
        rounds=settings.steps or math.ceil(settings.problems * settings.epochs / settings.problems_per_round),
        problems=settings.problems_per_round,
        n=None,
        parts=settings.max_steps + 1 if turn_by_turn else 1,
        objective=imitation_objective(),
        learning_rate=settings.learning_rate,
        evaluate_every=settings.evaluate_every,
        reward="1 where the decomposition gives the right answer, and only those are imitated",
        notes=(
            f"variant {settings.variant}, begins as {settings.model}; nothing is sampled to learn from",
            *((f"the dev pass rate is that of {asked}",) if settings.variant in PAIRS else ()),
        ),
    )


def _asked(problems: Sequence[Problem]) -> list[Problem]:
    return [problem for problem in problems if is_decomposed(problem)]


def _before(problem: Problem) -> list[str]:
    """The chain before each turn."""
    found = [""]
    for turn in turns(problem)[:-1]:
        found.append(found[-1] + turn.asked + turn.answered)
    return found


def _load(folder: Path) -> Policy:
    return _placed(load_policy(str(folder)))


def _placed(policy: Policy) -> Policy:
    policy.model.to(make_accelerator().device)
    return policy
