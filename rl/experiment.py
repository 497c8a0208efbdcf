"""Set-up: from a RunConfig to the parts that a recipe works with."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from rich.console import Console

from critics.rationales import wording_of
from envs.errors import UserError
from envs.forms import Form, asking_in, references, refuse_other_kinds
from envs.grading import Grader
from envs.problem import Problem
from envs.problem_sets import load_problems
from envs.problem_sets.problem_set import DataError
from envs.rollout import Prompt
from rl.alarms import Thresholds
from rl.checkpoint import Checkpoints, Part, RandomNumbers
from rl.collect import Check, Draw, Rounds, refuse_unjudged
from rl.config import RunConfig
from rl.decode import StopStrings
from rl.durable import whole_folder, write_json
from rl.engine import gather, is_main, together, world_size
from rl.evaluate import Evaluation, evaluate, evaluation_of, outcomes_of
from rl.experience import EVALUATION, Experience, PhaseRecord
from rl.graders import open_grader
from rl.learner import Learner, policy_learner
from rl.log import Log, silent_log
from rl.models import LanguageModel, Policy, load_policy, with_adapters
from rl.run import open_run
from rl.sampling_server import SamplingServer
from rl.sinks import SINKS, refuse_missing
from rl.start_checks import check_start
from rl.write import Write, by_policy, stop_at

SEEDS_APART = 1_000_000
"""What is added to the seed for random numbers that must differ from those of training."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """The parts of one run."""

    config: RunConfig
    """The resolved choices."""
    policy: Policy
    """The model that is trained."""
    labelled: tuple[Problem, ...]
    """Problems whose solutions may be imitated."""
    train: tuple[Problem, ...]
    """Problems to learn from by running programs."""
    dev: tuple[Problem, ...]
    """Problems that decide when to stop."""
    test: tuple[Problem, ...]
    """Problems that measure."""
    grader: Grader
    """Runs programs."""
    log: Log
    """Where metrics go."""
    store: Experience
    """Where graded rollouts go."""
    server: SamplingServer | None = None
    """What samples from the policy, where this process does not."""

    @property
    def form(self) -> Form:
        """The form in which the policy answers."""
        return Form(self.config.reasoning.form)

    def ask(self, problem: Problem) -> Prompt:
        """What the policy reads of a problem."""
        return asking_in(self.form)(problem)

    def phase(self, name: str, **parts: Part) -> Checkpoints:
        """Begin a phase, or go on with it: its checkpoints hold `parts` and the random state."""
        self.log.phase(name)
        settings = self.config.checkpoints
        return Checkpoints(
            self.config.folder / "checkpoints" / "resume",
            name,
            {**parts, "random": RandomNumbers()},
            every=settings.every,
            keep=settings.keep,
            when_unfinished=lambda rounds_done: self.log.cut(name, rounds_done),
        )

    def rounds(self, phase: str, draw: Draw, write: Write, *, rounds: int, ahead: int = 0, run: bool = True) -> Rounds:
        """Rounds whose programs `run` by their hidden tests and are kept in the store."""
        return Rounds(
            draw,
            write,
            self.grader.submit if run else None,
            rounds=rounds,
            ahead=ahead,
            record=PhaseRecord(self.store, phase),
            check=self._check(),
            watch=self.log.watch,
        )

    def write(
        self, policy_version: Callable[[], int] = lambda: 0, *, seed: int | None = None, with_greedy: bool = False
    ) -> Write:
        """The policy writes `sampling.n` programs per problem, and `with_greedy` its likeliest one."""
        sampling = self.config.sampling
        return self._by_policy(
            n=sampling.n,
            temperature=sampling.temperature,
            seed=self.config.seed if seed is None else seed,
            policy_version=policy_version,
            with_greedy=with_greedy,
        )

    def _by_policy(self, **settings: Any) -> Write:
        """The policy writes about the bare problem, in this process or by the server that has its weights."""
        settings |= {"ask": self.ask, "max_new_tokens": self.config.sampling.max_new_tokens, "stop": self.stop()}
        if self.server is None:
            return by_policy(self.policy, **settings)
        return self.server.synced(by_policy(self.policy, sampler=self.server.sample, **settings), self.policy.model)

    def learner(self, learning_rate: float, model: LanguageModel | None = None, *, decay_steps: int = 0) -> Learner:
        """A Learner of the policy, or of another model, with a fresh optimizer; see Learner for `decay_steps`."""
        settings = self.config.learner
        return policy_learner(
            model or self.policy.model,
            learning_rate=learning_rate,
            weight_decay=settings.weight_decay,
            warmup_steps=settings.warmup_steps,
            decay_steps=decay_steps,
            max_grad_norm=settings.max_grad_norm,
            micro_batch_tokens=settings.micro_batch_tokens,
            zero=self.config.engine.zero,
            offload=self.config.engine.offload,
        )

    def stop(self) -> StopStrings | None:
        """What ends a completion besides the end of text, as the config says."""
        sampling = self.config.sampling
        return stop_at(self.policy, sampling.stop, at_dedent=sampling.stop_at_dedent)

    def dev_pass_rate(self) -> float:
        """pass@1 on the dev problems, one program each, with the same random numbers at every call."""
        write = self.evaluation_write(n=1, seed_offset=1)
        return evaluate(self.dev, write, self.grader.submit, check=self._check()).pass_at_1

    def evaluate(self, name: str, problems: Sequence[Problem], write: Write, ks: Sequence[int]) -> Evaluation:
        """What somebody's programs for some problems are worth; they are kept in the store as evaluation_<name>."""
        record = PhaseRecord(self.store, f"evaluation_{name}", EVALUATION)
        rounds = Rounds(lambda _: problems, write, self.grader.submit, rounds=1, record=record, check=self._check())
        groups = rounds(0)
        wordings = gather([wording_of(group) for group in groups])
        return evaluation_of(gather([outcomes_of(group) for group in groups]), ks, wordings)

    def measure(
        self,
        name: str,
        write: Write | None = None,
        problems: Sequence[Problem] | None = None,
        ks: Sequence[int] | None = None,
    ) -> Evaluation:
        """Evaluate on the test problems and keep the result in the run folder as evaluation_<name>.json.

        By default what the policy writes about the bare problem, as `config.evaluation` says.
        """
        problems = self.test if problems is None else problems
        write = write or self.evaluation_write(seed_offset=2)
        result = self.evaluate(name, problems, write, ks or self.config.evaluation.ks)
        if is_main():
            write_json(self.config.folder / f"evaluation_{name}.json", asdict(result))
        for k, estimate in result.pass_at.items():
            self.log.say(f"{name}: pass@{k} {estimate.mean:.1%} on {result.n_problems} held-out problems")
        for share, value in result.wording.items():
            self.log.say(f"{name}: {share} {value:.1%}")
        return result

    def evaluation_write(self, *, seed_offset: int, n: int | None = None, greedy: bool = False) -> Write:
        """The policy writes `n` or `evaluation.n` programs per problem, or its greedy one, with seeds of their own."""
        settings = self.config.evaluation
        return self._by_policy(
            n=1 if greedy else n or settings.n,
            temperature=0.0 if greedy else settings.temperature,
            seed=self.config.seed + SEEDS_APART * seed_offset,
        )

    def save(self, name: str) -> None:
        """Write the policy as a plain transformers folder under checkpoints/."""
        if is_main():
            with whole_folder(self.config.folder / "checkpoints" / name) as folder:
                self.policy.save(folder)

    def _check(self) -> Check:
        """Stops the run where the sandbox judged too few programs."""
        return refuse_unjudged(self.config.alarms.stop_sandbox_errors, self.config.folder)


@contextmanager
def open_experiment(config: RunConfig, console: Console, resume: bool = False) -> Iterator[Experiment]:
    """Load problems and model, start and check the graders, open the run folder; closes all of it, whatever happens."""
    data = config.data
    refuse_missing(config.log.to)
    named = dict.fromkeys((data.labelled, data.train, data.dev, data.test))
    splits = {name: _load(config, name) for name in named}
    form = Form(config.reasoning.form)
    for split in splits.values():
        refuse_other_kinds(split, form)
    labelled = tuple(problem for problem in splits[data.labelled] if references(problem, form))[: data.labelled_size]
    if not labelled and config.warm_start.rounds:
        raise UserError(f"data.labelled: {data.name}/{data.labelled} has no reference solutions to imitate")
    _seed_everything(config.seed)
    texts = (_training_text(problem, form) for problem in splits[data.labelled])
    policy = load_policy(config.model.name, texts, config.seed)
    if config.model.lora_rank:
        policy = with_adapters(policy, config.model.lora_rank, config.seed)
    address = config.sampling.server
    server = together(lambda: SamplingServer(address)) if address else None
    with ExitStack() as stack:
        grader = stack.enter_context(open_grader(config.graders))
        said = together(lambda: check_start(grader.grade, splits[data.train], splits[data.labelled]))
        facts = {"isolation": grader.level, "seed": config.seed, "parameters": policy.model.num_parameters()}
        opening = open_run(config.folder, config.model_dump(mode="json"), facts | {"ranks": world_size()}, resume)
        together(lambda: stack.enter_context(opening) if is_main() else None)
        problems = (problem for split in splits.values() for problem in split)
        log = stack.enter_context(_log(config, console) if is_main() else silent_log())
        for line in said:
            log.say(line)
        fit = {name: _fitting(config, policy, name, splits[name], log) for name in (data.train, data.dev, data.test)}
        yield Experiment(
            config=config,
            policy=policy,
            labelled=labelled,
            train=fit[data.train],
            dev=fit[data.dev][: data.dev_size],
            test=fit[data.test][: data.test_size],
            grader=grader,
            log=log,
            store=Experience(config.folder / "experience", problems),
            server=server,
        )


def _fitting(
    config: RunConfig, policy: Policy, split: str, problems: tuple[Problem, ...], log: Log
) -> tuple[Problem, ...]:
    """The problems whose prompt leaves room for a completion in the model's positions; says how many do not."""
    positions, room = policy.positions, config.sampling.max_new_tokens
    if positions is None or not problems:
        return problems
    ask = asking_in(Form(config.reasoning.form))
    lengths = policy.prompt_lengths([ask(problem).text for problem in problems])
    kept = tuple(p for p, length in zip(problems, lengths, strict=True) if length + room <= positions)
    if not kept:
        raise UserError(
            f"sampling.max_new_tokens: no prompt of {config.data.name}/{split} fits: the shortest has {min(lengths)} "
            f"tokens, {room} new ones are asked for, and the model has {positions} positions"
        )
    if len(kept) < len(problems):
        log.say(
            f"{split}: {len(problems) - len(kept)} of {len(problems)} problems left out: their prompt and {room} new "
            f"tokens exceed the model's {positions} positions"
        )
    return kept


def _log(config: RunConfig, console: Console) -> Log:
    """The log of the rank that writes."""
    thresholds = Thresholds(**config.alarms.model_dump(include=set(Thresholds.__dataclass_fields__)))
    about = config.model_dump(mode="json")
    sinks = [SINKS[name](config.log.project, config.folder, about) for name in config.log.to]
    return Log(config.folder, console, thresholds=thresholds, sinks=sinks)


def _seed_everything(seed: int) -> None:
    """Seed what has no seed of its own, such as the first weights of a new head."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def _load(config: RunConfig, split: str) -> tuple[Problem, ...]:
    try:
        return load_problems(config.data.name, split, config.data.path).problems
    except DataError as error:
        key = next(key for key in ("labelled", "train", "dev", "test") if getattr(config.data, key) == split)
        raise UserError(f"data.{key}: {error}") from None


def _training_text(problem: Problem, form: Form) -> str:
    told = problem.solutions if form is Form.PROGRAM else [text for text, _ in references(problem, form)]
    return asking_in(form)(problem).text + "".join(told)
