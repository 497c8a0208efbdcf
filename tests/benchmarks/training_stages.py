"""The variants that the training benchmark compares, stage by stage: ours, and those of transformers and TRL.

A Variant is called with the number of its turn and returns what that turn cost.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any

import torch
from transformers import ContinuousBatchingConfig, GenerationConfig, PrinterCallback, TrainerCallback

from envs.extract import extract_program
from envs.grading import Grader, GradeRequest
from envs.problem import Problem
from envs.prompts import plain
from envs.rewards import binary, fraction_passed
from envs.verdict import Outcome, Verdict
from rl.batch import Batch, collate
from rl.collect import Grade, collect
from rl.credit import by_reward, group_normalised
from rl.learner import Learner, policy_learner
from rl.losses import policy_gradient
from rl.models import PADDING, Policy
from rl.write import by_policy

PAGE = 16
"""Places of a page of the continuous-batching cache."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cost:
    """What one variant took in one turn."""

    cpu_s: float
    """CPU seconds."""
    wall_s: float
    """Wall-clock seconds."""
    tokens: int
    """Completion tokens."""


Variant = Callable[[int], Cost]
"""Number of the turn -> what it cost."""


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """What every variant shares."""

    policy: Policy
    """Model and tokenizer; the tokenizer's end of text is what ends a completion."""
    problems: tuple[Problem, ...]
    """Problems of a round."""
    n: int
    """Completions per problem."""
    max_new_tokens: int
    """Longest completion."""

    @property
    def prompts(self) -> list[list[int]]:
        """Prompt ids, one per problem."""
        return [list(self.policy.encode(plain(problem).text)) for problem in self.problems]

    def without_end(self) -> Case:
        """The same, ended by a token that the policy has never seen and does not write."""
        tokenizer = copy.deepcopy(self.policy.tokenizer)
        tokenizer.eos_token = PADDING
        model = copy.deepcopy(self.policy.model)
        model.config.eos_token_id = model.generation_config.eos_token_id = tokenizer.eos_token_id
        return dataclasses.replace(self, policy=Policy(model, tokenizer))


def timed(run: Callable[[], int]) -> Cost:
    """Cost of a function that returns its number of completion tokens."""
    cpu, wall = _cpu(), time.perf_counter()
    tokens = run()
    return Cost(_cpu() - cpu, time.perf_counter() - wall, tokens)


def _cpu() -> float:
    usages = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


# ---- sampling


def our_sampling(case: Case) -> Variant:
    """Our sampler, behind `by_policy` as training calls it: encoding, sampling, records, programs."""

    def run(turn: int) -> Cost:
        write = our_write(case, case.policy)
        return timed(
            lambda: count(rollout.completion_ids for group in write(case.problems, turn) for rollout in group.rollouts)
        )

    return run


def our_write(case: Case, policy: Policy) -> Any:
    """The write of a training round."""
    return by_policy(policy, ask=plain, n=case.n, temperature=1.0, max_new_tokens=case.max_new_tokens, seed=7)


def count(completions: Iterable[Sequence[int]]) -> int:
    """Tokens of completions."""
    return sum(map(len, completions))


def generation(case: Case) -> GenerationConfig:
    """Sampling at temperature 1 from the whole distribution."""
    tokenizer = case.policy.tokenizer
    return GenerationConfig(
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        max_new_tokens=case.max_new_tokens,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def generate(case: Case) -> Variant:
    """`generate` of transformers on all rows at once, ids only; tokens are counted up to the end of text."""
    rows = [prompt for prompt in case.prompts for _ in range(case.n)]
    inputs = case.policy.tokenizer.pad({"input_ids": rows}, padding_side="left", return_tensors="pt")
    end_id = case.policy.end_id

    def run(turn: int) -> Cost:
        def sample() -> int:
            ids = case.policy.model.generate(**inputs, generation_config=generation(case))
            completions = ids[:, inputs["input_ids"].shape[1] :].tolist()
            return sum(row.index(end_id) + 1 if end_id in row else len(row) for row in completions)

        torch.manual_seed(turn)
        return timed(sample)

    return run


def continuous(case: Case, in_flight: int) -> Variant:
    """Continuous batching of transformers with a cache for about `in_flight` rows."""
    prompts = case.prompts
    longest = max(map(len, prompts)) + case.max_new_tokens

    def run(turn: int) -> Cost:
        sizes = ContinuousBatchingConfig(
            num_blocks=math.ceil(in_flight * longest / PAGE * 1.2), max_batch_tokens=max(in_flight, 16), page_size=PAGE
        )
        rows = [prompt for prompt in prompts for _ in range(case.n)]
        return timed(
            lambda: count(
                result.generated_tokens
                for result in case.policy.model.generate_batch(
                    rows, generation_config=generation(case), continuous_batching_config=sizes, progress_bar=False
                ).values()
            )
        )

    return run


# ---- learning


def a_batch(case: Case) -> Batch:
    """What the policy writes in a round, with advantages that leave no row out."""
    groups = list(collect(case.problems, our_write(case, case.policy), trivial_grade))
    batch = collate(groups)
    return batch.with_advantages(torch.randn(len(batch), 1, generator=torch.Generator().manual_seed(0)))


def learning(case: Case, batch: Batch, *, share_prompts: bool, micro_batch_tokens: int) -> tuple[Variant, Learner]:
    """Forward and backward over a round, without the optimizer step; also the learner that holds the gradient."""
    learner = policy_learner(
        copy.deepcopy(case.policy.model),
        share_prompts=share_prompts,
        learning_rate=1e-4,
        micro_batch_tokens=micro_batch_tokens,
    )

    def run(turn: int) -> Cost:
        def learn() -> int:
            learner.backward(batch, (policy_gradient(),), 1.0)
            return int(batch.learned_BT.sum())

        return timed(learn)

    return run, learner


def gradient_difference(a: Learner, b: Learner) -> float:
    """Norm of the difference of two gradients over the norm of the first."""
    flat_a, flat_b = (
        torch.cat([parameter.grad.flatten() for parameter in learner.module.parameters()]) for learner in (a, b)
    )
    return float((flat_a - flat_b).norm() / flat_a.norm())


def sharing_bound(case: Case, batch: Batch) -> dict[str, float]:
    """What sharing prompts can save at best: tokens, and multiplications, of the plain pass over the shared one.

    A shared line holds all completions of a prompt and its mask is dense, so its attention grows with their square.
    """
    config = case.policy.model.config
    wide = config.num_hidden_layers * config.hidden_size
    length_B = batch.present_BT.sum(dim=1)
    n_lines = int(batch.asked_B.max()) + 1
    completions_R = torch.zeros(n_lines, dtype=torch.long).index_add_(0, batch.asked_B, length_B - batch.prompt_B)
    prompt_R = torch.zeros(n_lines, dtype=torch.long).index_copy_(0, batch.asked_B, batch.prompt_B)

    def multiplications(line_R: torch.Tensor) -> int:
        return int((case.policy.model.num_parameters() * line_R + 2 * wide * line_R**2).sum())

    shared_R = prompt_R + completions_R
    return {
        "tokens": float(length_B.sum() / shared_R.sum()),
        "multiplications": multiplications(length_B) / multiplications(shared_R),
    }


# ---- rounds


def trivial_score(text: str) -> float:
    """A reward that costs nothing and differs within every group: the share of lower-case letters."""
    return sum(map(str.islower, text)) / max(len(text), 1)


def trivial_grade(request: GradeRequest) -> Future[Verdict]:
    """A verdict at once whose fraction of passed tests is `trivial_score`."""
    verdict: Future[Verdict] = Future()
    verdict.set_result(Verdict(Outcome.WRONG_ANSWER, round(1e6 * trivial_score(request.program)), 10**6))
    return verdict


def our_round(case: Case, *, run_programs: bool) -> Variant:
    """Collect, grade, learn. With `run_programs` the graders are started, and waited for, within the measured time."""
    policy = dataclasses.replace(case.policy, model=copy.deepcopy(case.policy.model))
    learner = policy_learner(policy.model, learning_rate=1e-6, micro_batch_tokens=2048)
    write, credit = our_write(case, policy), by_reward(binary if run_programs else fraction_passed, group_normalised)

    def one(turn: int, grade: Grade) -> int:
        groups = list(collect(case.problems, write, grade, turn))
        batch = collate(groups)
        learner.step(batch.with_advantages(credit(groups, batch)), (policy_gradient(),), 1.0)
        return int(batch.learned_BT.sum())

    def run(turn: int) -> Cost:
        def graded() -> int:
            with Grader() as grader:
                return one(turn, grader.submit)

        return timed(graded if run_programs else lambda: one(turn, trivial_grade))

    return run


class _StepCosts(TrainerCallback):  # type: ignore[misc]
    """Cost of each optimizer step of a trainer; the first, which warms up, is left out."""

    def __init__(self) -> None:
        self.costs: list[Cost] = []
        self.tokens = 0
        self.before: tuple[float, float] | None = None

    def on_step_end(self, *_: Any, **__: Any) -> None:
        now = (_cpu(), time.perf_counter())
        if self.before is not None:
            self.costs.append(Cost(now[0] - self.before[0], now[1] - self.before[1], self.tokens))
        self.before, self.tokens = (_cpu(), time.perf_counter()), 0


def trl_round(case: Case, *, run_programs: bool = False, **settings: Any) -> Variant:
    """One round of TRL's GRPOTrainer: every problem of the case, n completions each, one optimizer step."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    rows = [
        {"prompt": plain(problem).text, "place": place, "tests": asserts(problem)}
        for place, problem in enumerate(case.problems)
    ]

    def run(turn: int) -> Cost:
        costs = _StepCosts()

        def reward(completions: list[str], completion_ids: list[list[int]], **columns: Any) -> list[float]:
            costs.tokens += count(completion_ids)
            if not run_programs:
                return [trivial_score(text) for text in completions]
            pairs = zip(completions, columns["place"], columns["tests"], strict=True)
            return [passes(extract_program(text, case.problems[place]), tests) for text, place, tests in pairs]

        with tempfile.TemporaryDirectory() as folder:
            arguments = GRPOConfig(
                output_dir=folder,
                use_cpu=True,
                bf16=False,
                report_to="none",
                save_strategy="no",
                disable_tqdm=True,
                seed=turn,
                max_steps=2,
                num_generations=case.n,
                max_completion_length=case.max_new_tokens,
                **settings,
            )
            trainer = GRPOTrainer(
                model=copy.deepcopy(case.policy.model),
                reward_funcs=reward,
                args=arguments,
                train_dataset=Dataset.from_list(rows),
                processing_class=case.policy.tokenizer,
                callbacks=[costs],
            )
            trainer.remove_callback(PrinterCallback)
            trainer.train()
        return costs.costs[0]

    return run


def trl_batch(case: Case, rows: int) -> dict[str, int]:
    """The settings that make a round of micro-batches of `rows` completions."""
    total = len(case.problems) * case.n
    return {"per_device_train_batch_size": rows, "gradient_accumulation_steps": total // rows}


def asserts(problem: Problem) -> str:
    """The hidden tests as a script, the way a user of TRL writes them."""
    return "".join(f"assert {problem.entry_point}(*{t.input!r}) == {t.output!r}\n" for t in problem.hidden_tests.cases)


def passes(program: str, tests: str) -> float:
    """1.0 where the program passes in an interpreter of its own, the usual reward function of a TRL script."""
    try:
        done = subprocess.run([sys.executable, "-c", f"{program}\n{tests}"], capture_output=True, timeout=10)
    except (subprocess.TimeoutExpired, ValueError):  # ValueError: a program with a null character
        return 0.0
    return float(done.returncode == 0)
