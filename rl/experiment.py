"""Set-up: from a RunConfig to the parts that a recipe works with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass

from rich.console import Console

from envs.errors import UserError
from envs.grading import Grader
from envs.problem import Problem
from envs.problem_sets import load_problems
from envs.prompts import plain
from rl.config import RunConfig
from rl.decode import DEDENT, StopStrings
from rl.engine import is_main, world_size
from rl.evaluate import Evaluation, evaluate
from rl.learner import Learner, policy_learner
from rl.log import Log, silent_log
from rl.models import LanguageModel, Policy, load_policy, with_adapters
from rl.run import start_run, write_json
from rl.write import by_policy


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

    def learner(self, learning_rate: float, model: LanguageModel | None = None) -> Learner:
        """A Learner of the policy, or of another model, with a fresh optimizer."""
        settings = self.config.learner
        return policy_learner(
            model or self.policy.model,
            learning_rate=learning_rate,
            weight_decay=settings.weight_decay,
            warmup_steps=settings.warmup_steps,
            max_grad_norm=settings.max_grad_norm,
            micro_batch_tokens=settings.micro_batch_tokens,
        )

    def stop(self) -> StopStrings | None:
        """What ends a completion besides the end of text, as the config says."""
        sampling = self.config.sampling
        strings = (*sampling.stop, *(DEDENT if sampling.stop_at_dedent else ()))
        vocabulary = self.policy.model.config.get_text_config().vocab_size
        return StopStrings(strings, self.policy.tokenizer, vocabulary) if strings else None

    def dev_pass_rate(self) -> float:
        """pass@1 on the dev problems, one program each, with the same random numbers at every call."""
        return self._evaluate(self.dev, n=1, ks=(1,), seed_offset=1).pass_at_1

    def measure(self, name: str) -> Evaluation:
        """Evaluate on the test problems and keep the result in the run folder as evaluation_<name>.json."""
        settings = self.config.evaluation
        result = self._evaluate(self.test, n=settings.n, ks=settings.ks, seed_offset=2)
        if is_main():
            write_json(self.config.folder / f"evaluation_{name}.json", asdict(result))
        for k, estimate in result.pass_at.items():
            self.log.say(f"{name}: pass@{k} {estimate.mean:.1%} on {result.n_problems} held-out problems")
        return result

    def save(self, name: str) -> None:
        """Write the policy as a plain transformers folder under checkpoints/."""
        if is_main():
            self.policy.save(self.config.folder / "checkpoints" / name)

    def _evaluate(self, problems: tuple[Problem, ...], n: int, ks: tuple[int, ...], seed_offset: int) -> Evaluation:
        write = by_policy(
            self.policy,
            ask=plain,
            n=n,
            temperature=self.config.evaluation.temperature,
            max_new_tokens=self.config.sampling.max_new_tokens,
            seed=self.config.seed + 1_000_000 * seed_offset,
            stop=self.stop(),
        )
        return evaluate(problems, write, self.grader.submit, ks)


@contextmanager
def open_experiment(config: RunConfig, console: Console) -> Iterator[Experiment]:
    """Load problems and model, start the graders and the run folder; closes everything, whatever happens."""
    data = config.data
    labelled = _load(config, data.labelled)
    splits = {name: _load(config, name) for name in {data.train, data.dev, data.test}}
    if not any(problem.solutions for problem in labelled) and config.warm_start.rounds:
        raise UserError(f"data.labelled: {data.name}/{data.labelled} has no reference solutions to imitate")
    policy = load_policy(config.model.name, (_training_text(problem) for problem in labelled), config.seed)
    if config.model.lora_rank:
        policy = with_adapters(policy, config.model.lora_rank, config.seed)
    with ExitStack() as stack:
        workers = config.graders.workers or max(1, (os.cpu_count() or 1) // world_size())
        grader = stack.enter_context(Grader(workers, min_isolation=config.graders.min_isolation))
        facts = {"isolation": grader.level, "seed": config.seed, "parameters": policy.model.num_parameters()}
        if is_main():
            start_run(config.folder, config.model_dump(mode="json"), facts | {"ranks": world_size()})
        yield Experiment(
            config=config,
            policy=policy,
            labelled=tuple(problem for problem in labelled if problem.solutions),
            train=splits[data.train],
            dev=splits[data.dev][: data.dev_size],
            test=splits[data.test][: data.test_size],
            grader=grader,
            log=stack.enter_context(Log(config.folder, console) if is_main() else silent_log()),
        )


def _load(config: RunConfig, split: str) -> tuple[Problem, ...]:
    return load_problems(config.data.name, split, config.data.path).problems


def _training_text(problem: Problem) -> str:
    return plain(problem).text + "".join(problem.solutions)
