"""Plan: what a recipe will do, said without doing it, from the same objectives that its run hands to `train`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from envs.problem import Problem
from envs.rewards import REWARDS
from envs.rollout import Prompt
from rl.config import ExpertIterationSection, RunConfig
from rl.config_teacher import EktSection
from rl.distill import TEACHER_IDS, TEACHER_LOG_PROBS, TEACHER_TEMPERATURE
from rl.losses import Term, outcome_ce
from rl.phases import imitation_objective, reinforce_objective

FINDING_TOKENS = 64
"""What an example test found, as the repair prompt says it, at most: roughly."""

ADVANTAGE_FORMULAS: Mapping[str, str] = MappingProxyType(
    {
        "group_centered": "A_i = R_i - mean of R over the n programs of the problem",
        "group_normalised": "A_i = (R_i - mean of R) / standard deviation of R, over the n programs of the problem",
        "leave_one_out": "A_i = R_i - mean of R over the other n - 1 programs of the problem",
    }
)
"""By the name that a config gives; `rl.credit.ADVANTAGES` holds the functions."""


BASELINE_FORMULAS: Mapping[str, str] = MappingProxyType(
    {
        "greedy": "(R_i - R of the greedy program)",
        "group_centered": "(R_i - mean of R over the n programs of the problem)",
        "leave_one_out": "(R_i - mean of R over the other n - 1 programs of the problem)",
        "none": "R_i",
    }
)
"""By the name that a config gives."""


@dataclass(frozen=True, slots=True)
class Judge:
    """A model that adds a column to a round's batch before the steps."""

    column: str
    """What it says about each token."""
    is_copy: bool = False
    """Whether it is a copy of the policy, which takes memory of its own."""
    is_trained: bool = False
    """Whether it takes a step per round: then the copy also has gradients and optimizer states."""
    per_token: int | None = None
    """Values that it gives per token, where that is a list of them."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One call of `train`."""

    name: str
    """As in metrics; also the section of the config that it reads."""
    rounds: int
    """Rounds at most."""
    problems: int
    """Problems per round, over all ranks."""
    n: int | None
    """Programs that the policy writes per problem; None where the reference solutions are the programs."""
    objective: tuple[Term, ...]
    """What is minimised."""
    learning_rate: float
    """Step size."""
    evaluate_every: int
    """Rounds between looks at the dev pass rate."""
    draws: int = 1
    """Times that problems are drawn per round at most."""
    epochs: int = 1
    """Passes over a round's programs."""
    minibatches: int = 1
    """Steps per pass."""
    temperature: float = 1.0
    """Of the policy in the loss."""
    advantage: str = "A = 1"
    """Formula of the advantage."""
    reward: str = "none: nothing is run"
    """What a verdict is worth."""
    judges: tuple[Judge, ...] = ()
    """Who adds columns."""
    parts: int = 1
    """Texts at most that a reference is learned in, each behind those before it."""
    shown: int = 0
    """Tokens by which a prompt may be longer than the plain one, such as a failed program and what was found."""
    notes: tuple[str, ...] = field(default=())
    """What else deviates from the plain method, in words."""

    @property
    def steps_per_round(self) -> int:
        """Optimizer steps per round."""
        return self.epochs * self.minibatches

    @property
    def columns(self) -> frozenset[str]:
        """Columns that a batch has when it reaches the objective."""
        sampled = {"behavior_log_probs"} if self.n is not None else set()
        return frozenset({"advantages", *sampled, *(judge.column for judge in self.judges)})

    def missing_columns(self) -> dict[str, str]:
        """Columns that no judge gives, by the name of the term that needs them."""
        return {term.name: need for term in self.objective for need in term.needs if need not in self.columns}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a recipe will do."""

    phases: tuple[Phase, ...]
    """In order."""
    evaluations: int
    """Evaluations on the test problems."""
    ask: Callable[[Problem], Prompt] | None = None
    """What the policy is shown of a problem; by default the question in the form that the config says."""


def imitation(config: RunConfig) -> Phase:
    """The phase of `rl.phases.imitate_references`."""
    settings = config.warm_start
    return Phase(
        name="warm_start",
        rounds=settings.rounds,
        problems=settings.problems_per_round,
        n=None,
        objective=imitation_objective(),
        learning_rate=settings.learning_rate,
        evaluate_every=settings.evaluate_every,
        notes=(f"stops early once the dev pass rate exceeds {settings.stop_above:g}",),
    )


def warm_start_phases(config: RunConfig) -> tuple[Phase, ...]:
    """The phase of `rl.phases.warm_start`, where the config asks for it."""
    return (imitation(config),) if config.warm_start.rounds else ()


def imitation_of_accepted(config: RunConfig) -> Phase:
    """One iteration of `rl.phases.attempt` and `rl.phases.imitate_accepted`, as if every problem were solved."""
    settings = config.expert_iteration
    return Phase(
        name="expert_iteration",
        rounds=settings.steps or math.ceil(settings.problems * settings.epochs / settings.problems_per_round),
        problems=settings.problems_per_round,
        n=config.sampling.n,
        objective=imitation_objective(),
        learning_rate=settings.learning_rate,
        evaluate_every=settings.evaluate_every,
        reward="1 where all hidden tests pass, and only those programs are imitated",
        notes=(
            f"programs are sampled once: {settings.problems} problems, {config.sampling.n} each",
            f"of those that passed, the {settings.choose} {settings.programs_per_problem} per problem are imitated in "
            f"{_length(settings)}",
        ),
    )


def imitation_of_repairs(config: RunConfig) -> Phase:
    """The phase of `rl.repair_phases.imitate_repairs`, as if every problem had as many repairs as are wanted."""
    settings = config.repair
    where = f"stored in {settings.run}" if settings.run else f"sampled once: {settings.problems} problems"
    each = "" if settings.run else f", {config.sampling.n} each"
    return Phase(
        name="repair",
        rounds=settings.steps or math.ceil(settings.problems * settings.epochs / settings.problems_per_round),
        problems=settings.problems_per_round,
        n=settings.programs_per_problem * (1 + settings.also_plain),
        objective=imitation_objective(),
        learning_rate=settings.learning_rate,
        evaluate_every=settings.evaluate_every,
        reward="1 where all hidden tests pass, and only those programs are imitated",
        shown=_shown(config),
        notes=(
            f"programs are {where}{each}; of each problem at most {settings.programs_per_problem} failed ones are "
            f"shown, with what the example tests found, before the most similar one that passed",
        ),
    )


def _shown(config: RunConfig) -> int:
    """Tokens of a failed program and, roughly, of what was found."""
    return config.sampling.max_new_tokens + FINDING_TOKENS


def imitation_of_teacher(
    config: RunConfig, objective: tuple[Term, ...], judges: tuple[Judge, ...] = (), *, filtered: bool = True
) -> Phase:
    """The phase of `rl.teacher_phases.imitate_teacher`, as if the teacher solved every problem."""
    settings, teacher = config.ekt, config.teacher
    kept = f"of those that pass, the {settings.choose} {settings.programs_per_problem} per problem are imitated"
    return Phase(
        name="ekt",
        rounds=settings.steps or math.ceil(settings.problems * settings.epochs / settings.problems_per_round),
        problems=settings.problems_per_round,
        n=settings.programs_per_problem if filtered else teacher.n,
        objective=objective,
        learning_rate=settings.learning_rate,
        evaluate_every=settings.evaluate_every,
        reward="1 where the answer is right, and only those programs are imitated" if filtered else "none",
        judges=judges,
        notes=(
            f"programs are written once by the teacher: {settings.problems} problems, {teacher.n} each, {teacher.ask}",
            f"{kept if filtered else 'all of them are imitated'} in {_length(settings)}",
        ),
    )


def imitation_of_solutions(config: RunConfig) -> Phase:
    """The phase of `rl.rationale_phases.imitate_solutions`, as if the teacher solved every problem."""
    form, length = config.reasoning.form, _length(config.ekt)
    phase = imitation_of_teacher(config, imitation_objective())
    in_form = f"the policy answers in the form {form}"
    if form == "answer":
        alone = f"the answers of {config.ekt.problems} problems are learned in {length}, without a teacher"
        return replace(phase, n=1, notes=(alone, in_form))
    written, _ = phase.notes
    shown = f"a pass shows one of each problem's distinct right solutions, drawn anew, in {length}"
    if config.recipe == "hinted_cot":
        refused = "those that speak of the hint or only say the answer again are refused"
        return replace(phase, n=1, notes=(f"{written}, with the answer in sight", refused, shown, in_form))
    return replace(phase, n=1, notes=(written, shown, in_form))


def teacher_judges(config: RunConfig) -> tuple[Judge, ...]:
    """What `rl.teacher_scores.teacher_distribution` adds; a whole vocabulary, not known here, counts as one value."""
    count = config.distil.top_k or 1
    return (
        Judge(TEACHER_IDS, per_token=count),
        Judge(TEACHER_LOG_PROBS, is_copy=True, per_token=count),
        Judge(TEACHER_TEMPERATURE),
    )


def distillation_on_policy(config: RunConfig, objective: tuple[Term, ...]) -> Phase:
    """The phase of `rl.teacher_phases.distil_on_policy`."""
    settings = config.distil
    return Phase(
        name="distil",
        rounds=settings.rounds,
        problems=settings.problems_per_round,
        n=config.sampling.n,
        objective=objective,
        learning_rate=settings.learning_rate,
        evaluate_every=settings.evaluate_every,
        temperature=config.sampling.temperature,
        reward="none: programs are run to be measured only",
        judges=teacher_judges(config),
        notes=("the policy writes, and learns the teacher's distribution in every state that it came to",),
    )


def coderl_phases(config: RunConfig, objective: tuple[Term, ...]) -> tuple[Phase, ...]:
    """The phases of recipe coderl after its warm start: the critic's fit, and reinforcement by `objective`."""
    settings, critic = config.coderl, config.critic
    authors = (Judge("sampled"), Judge("written"), Judge("temperature"))
    weights = {
        "critic": " q_t, q_t = p_critic(what happened) after token t",
        "critic_relative": " q_t / mean(q), q_t = p_critic(what happened) after token t",
        "uniform": "",
        "decay": " (1 - t / tokens)",
    }
    advantage = f"A_t = {BASELINE_FORMULAS[settings.baseline]}{weights[settings.token_weights]}"
    judges = (*authors, Judge("critic_q", is_copy=True, is_trained=True), Judge("critic_pass"))
    phase = replace(reinforcement(config, advantage, judges if settings.uses_critic else authors), objective=objective)
    if not settings.uses_critic:
        return (phase,)
    of_what = f"{critic.classes} outcomes of the policy's programs for {critic.problems} problems"
    return (_fit_of_critic(config, config.sampling.n, of_what), phase)


def _fit_of_critic(config: RunConfig, n: int, of_what: str) -> Phase:
    """The phase of `rl.critic_phases.fit`, on `n` programs per problem."""
    critic = config.critic
    return Phase(
        name="critic",
        rounds=critic.rounds,
        problems=critic.problems_per_round,
        n=n,
        objective=(outcome_ce(),),
        learning_rate=critic.learning_rate,
        evaluate_every=0,
        reward=f"{of_what}, fitted by a critic",
        judges=(Judge("outcome_class"), Judge("outcome_weight")),
    )


def purification_phases(config: RunConfig, objective: tuple[Term, ...]) -> tuple[Phase, ...]:
    """The phases of recipe symbolic_kd after its warm start, as if something is kept for every problem."""
    settings, ekt, n = config.purify, config.ekt, config.teacher.n
    of_what = f"whether the teacher's programs for {settings.problems} problems, {n} each, pass"
    kept = {
        "critic": f"a critic keeps those above the score that keeps {settings.recall:.0%} of the right ones among "
        "validation programs",
        "random": f"as many are drawn at random as a critic would keep at a recall of {settings.recall:.0%}",
        "all": "all of them are kept",
    }
    phase = imitation_of_teacher(config, objective)
    n_problems = max(1, ekt.problems - settings.problems)
    chosen = f"of these the {ekt.choose} {ekt.programs_per_problem} per problem are imitated in {_length(ekt)}"
    imitation_of_kept = replace(
        phase,
        rounds=ekt.steps or math.ceil(n_problems * ekt.epochs / ekt.problems_per_round),
        reward="none: the programs that are imitated are run to be reported only, if at all",
        notes=(phase.notes[0], kept[settings.keep], chosen),
    )
    return (imitation_of_kept,) if settings.keep == "all" else (_fit_of_critic(config, n, of_what), imitation_of_kept)


def reinforcement(config: RunConfig, advantage: str, judges: tuple[Judge, ...] = ()) -> Phase:
    """The phase of `rl.phases.reinforce`, with the advantage and the judges of a recipe."""
    settings, objective = config.reinforce, reinforce_objective(config)
    if any("proximal_log_probs" in term.needs for term in objective):
        judges = (*judges, Judge("proximal_log_probs"))
    if settings.kl_weight:
        judges = (*judges, Judge("reference_log_probs", is_copy=True))
    return Phase(
        name="reinforce",
        rounds=settings.rounds,
        problems=settings.problems_per_round,
        n=config.sampling.n,
        objective=objective,
        learning_rate=settings.learning_rate,
        evaluate_every=settings.evaluate_every,
        draws=settings.max_draws,
        epochs=settings.epochs,
        minibatches=settings.minibatches,
        temperature=config.sampling.temperature,
        advantage=advantage,
        reward=(REWARDS[settings.reward].__doc__ or "").strip().splitlines()[0],
        judges=judges,
        notes=tuple(_notes(config)),
    )


def reinforcement_in_turns(config: RunConfig, advantage: str) -> Phase:
    """The phase of `rl.phases.reinforce` for attempts of several turns, as if no program passed before the last."""
    turns = config.rlef.turns
    phase = reinforcement(config, advantage)
    note = f"an attempt is up to {turns} programs: while an example test fails the policy is shown what was found"
    return replace(phase, n=config.sampling.n * turns, shown=_shown(config), notes=(*phase.notes, note))


def _length(settings: ExpertIterationSection | EktSection) -> str:
    return f"{settings.steps} steps" if settings.steps else f"{settings.epochs} epochs"


def _notes(config: RunConfig) -> list[str]:
    settings, limit = config.reinforce, config.sampling.max_new_tokens
    notes = {
        "a program that could not be judged (sandbox_error) is left out of means and losses": True,
        f"programs cut at {limit} tokens are left out of means and losses": settings.mask_truncated,
        f"R falls linearly by up to 1 over the last {settings.overlong_margin} of {limit} tokens": bool(
            settings.overlong_margin
        ),
        f"problems are drawn again, up to {settings.max_draws} times, until enough groups carry signal": (
            settings.max_draws > 1
        ),
        "problems with a pass rate near 1/2 are preferred": settings.curriculum,
        "the learning rate falls to a tenth over the rounds": settings.schedule == "linear",
        "a round is written before the steps of the round before it": bool(settings.ahead),
    }
    return [note for note, applies in notes.items() if applies]
