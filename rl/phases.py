"""Phases that several recipes share: their choices, handed to `train`."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import compress
from typing import Protocol

import torch

from critics.filters import CHOICES, chosen, passing
from envs.errors import UserError
from envs.problem import Problem
from envs.rewards import REWARDS
from envs.rollout import Group
from rl.batch import Credit
from rl.checkpoint import Best, Part
from rl.collect import Draw, Gather, Rounds, rounds_with_signal
from rl.config import RunConfig
from rl.config_checks import has_ratios
from rl.credit import imitate, overlong_penalty
from rl.draw import Curriculum, in_epochs
from rl.experience import groups_by_problem
from rl.experiment import Experiment
from rl.learner import Learner
from rl.log import describe
from rl.loop import After, train
from rl.losses import (
    Estimator,
    Per,
    Ratio,
    Term,
    clipped,
    cross_entropy,
    entropy_bonus,
    kl_to_reference,
    policy_gradient,
)
from rl.round_metrics import by_example_tests, rewards_seen
from rl.score import Score, nobody, proximal_log_probs, reference_log_probs, scores
from rl.write import Write, by_reference, from_experience


def imitate_references(experiment: Experiment) -> None:
    """Cross-entropy on the reference solutions, until the dev pass rate leaves room for what follows."""
    config = experiment.config
    settings = config.warm_start
    learner = experiment.learner(settings.learning_rate)
    train(
        learner,
        Rounds(
            in_epochs(experiment.labelled, settings.problems_per_round, config.seed),
            by_reference(experiment.policy, ask=experiment.ask),
            grade=None,
            rounds=settings.rounds,
            watch=experiment.log.watch,
        ),
        credit=imitate,
        objective=imitation_objective(),
        rounds=settings.rounds,
        temperature=1.0,
        seed=config.seed,
        log=experiment.log,
        checkpoints=experiment.phase("warm_start", learner=learner),
        evaluate=experiment.dev_pass_rate,
        evaluate_every=settings.evaluate_every,
        stop_above=settings.stop_above,
    )


def warm_start(experiment: Experiment) -> None:
    """What a recipe begins with: imitate the references where the config asks for it, and keep the policy."""
    if experiment.config.warm_start.rounds:
        imitate_references(experiment)
        experiment.save("warm_start")


Show = Callable[[Mapping[str, Group]], Write]
"""Groups by problem id -> what of them is learned in a round."""
Beside = Callable[[Draw, Write], tuple[Draw, Write]]
"""(draw of the train problems, the policy's writing) -> the same with more problems and writers."""


def reinforce(
    experiment: Experiment,
    credit: Credit,
    *,
    judges: Sequence[Score] = (),
    after: Sequence[After] = (),
    parts: Mapping[str, Part] | None = None,
    objective: tuple[Term, ...] | None = None,
    beside: Beside | None = None,
    with_greedy: bool = False,
) -> None:
    """Policy gradient on the train problems as `config.reinforce` says; recipes add their credit and judges.

    `parts` are the co-learners and whatever else of theirs a checkpoint must hold. `objective` takes the place of
    `reinforce_objective`; `beside` adds problems and writers to those of the policy, `with_greedy` its greedy program.
    """
    config = experiment.config
    settings = config.reinforce
    learner = experiment.learner(settings.learning_rate, decay_steps=settings.decay_steps)
    objective = objective or reinforce_objective(config)
    judges = [*judges, *_log_probs_needed(experiment, learner, objective)]
    curriculum = Curriculum(experiment.train, settings.problems_per_round, config.seed) if settings.curriculum else None
    draw: Draw = curriculum or in_epochs(experiment.train, settings.problems_per_round, config.seed)
    write = experiment.write(policy_version=lambda: learner.n_steps, with_greedy=with_greedy)
    if beside is not None:
        draw, write = beside(draw, write)
    rounds = experiment.rounds(
        "reinforce",
        draw,
        write,
        rounds=settings.rounds * settings.max_draws,
        ahead=settings.ahead,
    )
    gather: Gather = rounds
    if settings.max_draws > 1:
        gather = rounds_with_signal(rounds, settings.problems_per_round, settings.max_draws)
    best = best_of(experiment)
    held: dict[str, Part] = {"learner": learner, "rounds": rounds, "best": best, **(parts or {})}
    examples = by_example_tests(experiment.grader.submit, config.alarms.examples_every)
    after = [rewards_seen(REWARDS[settings.reward]), examples, *after]
    if curriculum is not None:
        held["curriculum"] = curriculum
        after.append(lambda number, groups, batch: curriculum.observe(groups))
    train(
        learner,
        gather,
        score=scores(*judges),
        credit=credit,
        objective=objective,
        rounds=settings.rounds,
        epochs=settings.epochs,
        minibatches=settings.minibatches,
        temperature=config.sampling.temperature,
        seed=config.seed,
        log=experiment.log,
        checkpoints=experiment.phase("reinforce", **held),
        after=after,
        evaluate=best.watching(experiment.dev_pass_rate),
        evaluate_every=settings.evaluate_every,
    )


def _log_probs_needed(experiment: Experiment, learner: Learner, objective: tuple[Term, ...]) -> list[Score]:
    """The judges that give the log-probs an objective needs; the reference is the policy as it is now."""
    temperature = experiment.config.sampling.temperature
    needed = {name for term in objective for name in term.needs}
    judges = []
    if "proximal_log_probs" in needed:
        judges.append(proximal_log_probs(learner, temperature))
    if "reference_log_probs" in needed:
        frozen = experiment.learner(0.0, copy.deepcopy(experiment.policy.model))
        judges.append(reference_log_probs(frozen, temperature))
    return judges


def attempt(
    experiment: Experiment,
    phase: str,
    problems: Sequence[Problem],
    write: Write,
    per_round: int = 64,
    *,
    run: bool = True,
) -> None:
    """Write programs for each problem once, into the store, and `run` them by its hidden tests.

    Rounds that are stored already are only read.
    """
    log = experiment.log
    parts = [problems[start : start + per_round] for start in range(0, len(problems), per_round)]
    gather = experiment.rounds(phase, parts.__getitem__, write, rounds=len(parts), run=run)
    checkpoints = experiment.phase(phase)
    for number in checkpoints.remaining(len(parts)):
        log.round(number, describe(gather(number)))
        log.seconds(number, log.watch.take())
        checkpoints.round_done(number)
    checkpoints.finish()


def imitate_accepted(experiment: Experiment, phase: str, attempts: Sequence[str], best: Best | None = None) -> set[str]:
    """Cross-entropy on the chosen programs that passed in some phases; returns the ids of the problems they solve.

    `best` is what several iterations share, so that the best policy of all of them is kept.
    """
    config = experiment.config
    settings = config.expert_iteration
    passed = {
        name: chosen(passing(group), CHOICES[settings.choose], settings.programs_per_problem)
        for name, group in groups_by_problem(experiment.store.folder, experiment.train, attempts).items()
    }
    groups = {name: group for name, group in passed.items() if group.rollouts}
    if not groups:
        raise UserError(
            f"{phase}: not one program passed, so there is nothing to imitate; warm-start further (warm_start.rounds, "
            f"warm_start.stop_above) or sample more (sampling.n)"
        )
    imitate_groups(experiment, phase, groups, settings, best=best)
    return set(groups)


class ImitationSettings(Protocol):
    """The keys of a section that say how long, and in which steps, stored groups are imitated."""

    @property
    def epochs(self) -> int:
        """Passes over the groups."""

    @property
    def steps(self) -> int:
        """Rounds, however many groups there are; 0 goes by `epochs`."""

    @property
    def problems_per_round(self) -> int:
        """Groups of one optimizer step."""

    @property
    def learning_rate(self) -> float:
        """Step size of AdamW."""

    @property
    def evaluate_every(self) -> int:
        """Rounds between two looks at the dev problems."""


def imitate_groups(
    experiment: Experiment,
    phase: str,
    groups: Mapping[str, Group],
    settings: ImitationSettings,
    objective: tuple[Term, ...] | None = None,
    score: Score = nobody,
    evaluate: Callable[[], float] | None = None,
    best: Best | None = None,
    show: Show = from_experience,
) -> None:
    """Learn rollouts of some groups, by problem id, for `settings.epochs` passes or `settings.steps` rounds.

    By default all of each group in a pass, with cross-entropy, and with looks at the dev pass rate; the policy of the
    best look is kept as `best`.
    """
    config = experiment.config
    learner = experiment.learner(settings.learning_rate)
    best = best or best_of(experiment)
    problems = [group.problem for group in groups.values()]
    rounds = settings.steps or math.ceil(len(groups) * settings.epochs / settings.problems_per_round)
    train(
        learner,
        written_rounds(experiment, problems, show(groups), settings.problems_per_round, rounds),
        score=score,
        credit=imitate,
        objective=objective or imitation_objective(),
        rounds=rounds,
        temperature=1.0,
        seed=config.seed,
        log=experiment.log,
        checkpoints=experiment.phase(phase, learner=learner, best=best),
        evaluate=best.watching(evaluate or experiment.dev_pass_rate),
        evaluate_every=settings.evaluate_every,
    )


def readable(experiment: Experiment, groups: Mapping[str, Group], what: str) -> dict[str, Group]:
    """The groups without rollouts that are longer than the policy's positions; says how many of `what` that are."""
    positions = experiment.policy.positions
    if positions is None:
        return dict(groups)
    found, n_left_out = {}, 0
    for name, group in groups.items():
        fits = [len(rollout.prompt_ids) + len(rollout.completion_ids) <= positions for rollout in group.rollouts]
        kept = Group(group.problem, tuple(compress(group.rollouts, fits)), tuple(compress(group.verdicts, fits)))
        n_left_out += fits.count(False)
        if kept.rollouts:
            found[name] = kept
    if n_left_out:
        experiment.log.say(f"{n_left_out} {what} are longer than the policy's positions; left out")
    return found


def best_of(experiment: Experiment) -> Best:
    """Keeps the policy with the best dev pass rate as the checkpoint `best`."""
    return Best(lambda: experiment.save("best"))


def written_rounds(
    experiment: Experiment, problems: Sequence[Problem], write: Write, problems_per_round: int, rounds: int
) -> Rounds:
    """Rounds of what `write` gives for some problems, in epochs; nothing is run."""
    return Rounds(
        in_epochs(problems, problems_per_round, experiment.config.seed),
        write,
        grade=None,
        rounds=rounds,
        watch=experiment.log.watch,
    )


def imitation_objective() -> tuple[Term, ...]:
    """Cross-entropy on every learned token."""
    return (cross_entropy(),)


def reinforce_objective(config: RunConfig) -> tuple[Term, ...]:
    """Plain policy gradient where every ratio is 1, otherwise the clipped surrogate; plus KL and entropy as asked."""
    settings = config.reinforce
    per, length = Per(settings.per), config.sampling.max_new_tokens
    if not has_ratios(config):
        terms = [policy_gradient(per, length)]
    else:
        terms = [
            clipped(
                settings.clip_low,
                settings.clip_high,
                dual=settings.dual_clip,
                ratio=Ratio(settings.ratio),
                correction_cap=settings.correction_cap if settings.ahead else None,
                per=per,
                length=length,
            )
        ]
    if settings.kl_weight:
        terms.append(kl_to_reference(settings.kl_weight, Estimator(settings.kl_estimator), per, length))
    if settings.entropy_weight:
        terms.append(entropy_bonus(settings.entropy_weight, per, length))
    return tuple(terms)


def length_penalty(config: RunConfig) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """The overlong penalty that the config asks for, if any."""
    margin = config.reinforce.overlong_margin
    return partial(overlong_penalty, limit=config.sampling.max_new_tokens, margin=margin) if margin else None
