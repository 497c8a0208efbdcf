"""What a training round costs, stage by stage, beside transformers and TRL on the same model, prompts and samples.

    OMP_WAIT_POLICY=PASSIVE python -m tests.benchmarks.training [--rounds 5] [--quick] [--json results.json]

The policy is `scratch:tiny` after a short imitation of reference solutions. Variants run in turn in one process and each
ratio is taken within its turn, so that a busy machine distorts all alike. CPU seconds, of this process and of the
children that it has waited for, come first. Completions are "full" (no row ends before the limit, so that every side
writes and learns the same number of tokens) or "natural" (rows end where the policy ends them).

A round is one collection and one optimizer step. "TRL as it comes" leaves GRPOConfig at its defaults but for what fixes
the round; "TRL tuned" is the fastest of its batch sizes without activation checkpointing, found before the measurement.
Continuous batching takes the fastest of a few cache sizes in the same way.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

# Before torch loads: as the command line does, and because TRL and Ray would otherwise write to the terminal.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("DS_ACCELERATOR", "cpu")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
import transformers
from transformers import ContinuousBatchingConfig, GenerationConfig, PrinterCallback, TrainerCallback

from envs.extract import extract_program
from envs.grading import Grader, GradeRequest
from envs.problem import Problem
from envs.problem_sets import load_problems
from envs.prompts import plain
from envs.rewards import binary, fraction_passed
from envs.verdict import Outcome, Verdict
from rl.batch import Batch, collate
from rl.collect import Grade, collect
from rl.credit import by_reward, group_normalised, imitate
from rl.learner import Learner, policy_learner
from rl.losses import cross_entropy, policy_gradient
from rl.models import PADDING, Policy, load_policy
from rl.write import by_policy, by_reference

PAGE = 16
"""Places of a page of the continuous-batching cache."""
WARM_UP = 1000
"""Number of a turn that is not measured."""
TARGETS = {
    "sampling, full: generate": 1.4,
    "sampling, natural: generate": 1.4,
    "sampling, full: continuous batching, tuned": 1.0,
    "learning, full: prompts not shared": 1.7,
    "learning, natural: prompts not shared": 1.7,
    "round, full: TRL as it comes": 2.5,
    "round, full: TRL tuned": 1.3,
    "round, natural: TRL as it comes": 2.5,
    "round, natural: TRL tuned": 1.3,
    "round with programs run, natural: TRL as it comes, subprocess reward": 3.0,
}


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


def ours_sampling(case: Case) -> Variant:
    """Our sampler, behind `by_policy` as training calls it: encoding, sampling, records, programs."""

    def run(turn: int) -> Cost:
        write = our_write(case, case.policy)
        return timed(
            lambda: count(rollout.completion_ids for _, group in write(case.problems, turn) for rollout in group)
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


# ---- limits of the machine


def machine_limits() -> dict[str, float]:
    """Fastest multiplication of matrices (GFLOP/s) and fastest reading of memory (GB/s) seen here, by torch."""
    a, long = torch.randn(1024, 1024), torch.randn(32 * 2**20)

    def best(run: Callable[[], object]) -> float:
        times = []
        for _ in range(8):
            began = time.perf_counter()
            run()
            times.append(time.perf_counter() - began)
        return min(times)

    return {"gflops": 2 * 1024**3 / best(lambda: a @ a) / 1e9, "gb_per_s": 4 * long.numel() / best(long.sum) / 1e9}


def sampling_floor(case: Case, limits: dict[str, float]) -> dict[str, float]:
    """Wall seconds that the matrices, and reading the cache once, cost at these limits; for "full" completions."""
    model = case.policy.model
    config, n_rows = model.config, len(case.problems) * case.n
    prompt, new = max(map(len, case.prompts)), case.max_new_tokens
    places = sum(prompt + t for t in range(new))
    wide = config.num_hidden_layers * config.hidden_size
    flops = n_rows * (2 * model.num_parameters() * new + 4 * wide * places)
    heads = config.num_key_value_heads * config.head_dim
    cache_bytes = n_rows * 4 * 2 * config.num_hidden_layers * heads * places
    return {
        "matrices_s": flops / limits["gflops"] / 1e9,
        "cache_s": cache_bytes / limits["gb_per_s"] / 1e9,
        "gflop": flops / 1e9,
        "cache_gb": cache_bytes / 1e9,
    }


# ---- the measurement


def warm_policy(steps: int) -> tuple[Policy, tuple[Problem, ...]]:
    """`scratch:tiny` after `steps` steps of imitation, and the problems to train on."""
    labelled = load_problems("basics", "labelled", None).problems
    policy = load_policy("scratch:tiny", (plain(p).text + s for p in labelled for s in p.solutions), seed=0)
    learner = policy_learner(policy.model, learning_rate=3e-3, warmup_steps=10)
    write = by_reference(policy, ask=plain)
    for step in range(steps):
        drawn = [labelled[(64 * step + i) % len(labelled)] for i in range(64)]
        groups = list(collect(drawn, write, None))
        batch = collate(groups)
        learner.step(batch.with_advantages(imitate(groups, batch)), (cross_entropy(),), 1.0)
    return policy, load_problems("basics", "train", None).problems


def fastest(variants: dict[str, Variant]) -> tuple[str, Variant, dict[str, float]]:
    """The variant that costs least CPU per token in one turn; and what each cost."""
    costs = {}
    for name, run in variants.items():
        cost = run(WARM_UP)
        costs[name] = 1e6 * cost.cpu_s / cost.tokens
    best = min(costs, key=costs.__getitem__)
    return best, variants[best], costs


def compare(variants: dict[str, Variant], turns: int, *, warm_up_all: bool = True) -> dict[str, dict[str, Any]]:
    """Run the variants in turn; the first is ours, and each ratio is another's cost per token over ours.

    TRL's rounds need no warm-up turn: each leaves out its own first step.
    """
    for run in list(variants.values())[: None if warm_up_all else 1]:
        run(WARM_UP)
    costs: dict[str, list[Cost]] = {name: [] for name in variants}
    for turn in range(turns):
        for name, run in variants.items():
            costs[name].append(run(turn))
    ours = next(iter(costs.values()))
    print(f"measured beside ours: {', '.join(list(variants)[1:])}", file=sys.stderr, flush=True)
    return {name: _summary(theirs, ours) for name, theirs in costs.items()}


def _summary(theirs: Sequence[Cost], ours: Sequence[Cost]) -> dict[str, Any]:
    pairs = list(zip(theirs, ours, strict=True))
    cpu = [(a.cpu_s / a.tokens) / (b.cpu_s / b.tokens) for a, b in pairs]
    wall = [(a.wall_s / a.tokens) / (b.wall_s / b.tokens) for a, b in pairs]
    return {
        "cpu_s": statistics.median(cost.cpu_s for cost in theirs),
        "wall_s": statistics.median(cost.wall_s for cost in theirs),
        "tokens": statistics.median(cost.tokens for cost in theirs),
        "tokens_per_cpu_s": statistics.median(cost.tokens / cost.cpu_s for cost in theirs),
        "cpu_ratio": statistics.median(cpu),
        "cpu_ratio_range": [min(cpu), max(cpu)],
        "wall_ratio": statistics.median(wall),
        "turns": [dataclasses.asdict(cost) for cost in theirs],
    }


def measure(turns: int, *, quick: bool) -> dict[str, Any]:
    """Run every stage; returns stages, what tuning chose, differences of gradients, and limits."""
    policy, problems = warm_policy(20 if quick else 150)
    n_problems, n, longest = (4, 4, 16) if quick else (32, 8, 96)
    natural = Case(policy, problems[:n_problems], n, longest)
    full = natural.without_end()
    n_rows = n_problems * n
    stages: dict[str, Any] = {}
    tuned: dict[str, Any] = {}

    in_flight = [n_rows] if quick else [16, 32, 64]
    name, batching, tuned["continuous batching, CPU us per token by rows in flight"] = fastest(
        {str(rows): continuous(full, rows) for rows in in_flight}
    )
    stages["sampling, full"] = compare(
        {"ours": ours_sampling(full), "generate": generate(full), "continuous batching, tuned": batching}, turns
    )
    stages["sampling, natural"] = compare({"ours": ours_sampling(natural), "generate": generate(natural)}, turns)

    differences, bounds = {}, {}
    for length, case in (("full", full), ("natural", natural)):
        batch = a_batch(case)
        (shared, a), (apart, b) = (
            learning(case, batch, share_prompts=share, micro_batch_tokens=2048) for share in (True, False)
        )
        stages[f"learning, {length}"] = compare({"ours": shared, "prompts not shared": apart}, turns)
        differences[length], bounds[length] = gradient_difference(a, b), sharing_bound(case, batch)

    sizes = [n_rows] if quick else [rows for rows in (32, 128, 256) if rows <= n_rows]
    plainly: dict[str, Any] = {"activation_checkpointing": False, "gradient_checkpointing": False}
    candidates = {str(rows): trl_round(full, **trl_batch(full, rows), **plainly) for rows in sizes}
    name, _, tuned["TRL, CPU us per token by rows of a micro-batch"] = fastest(candidates)
    best, default = trl_batch(full, int(name)), trl_batch(full, min(8, n_rows))
    for length, case in (("full", full), ("natural", natural)):
        stages[f"round, {length}"] = compare(
            {
                "ours": our_round(case, run_programs=False),
                "TRL as it comes": trl_round(case, **default),
                "TRL tuned": trl_round(case, **best, **plainly),
            },
            turns,
            warm_up_all=False,
        )
    stages["round with programs run, natural"] = compare(
        {
            "ours": our_round(natural, run_programs=True),
            "TRL as it comes, subprocess reward": trl_round(natural, run_programs=True, **default),
            "TRL tuned, subprocess reward": trl_round(natural, run_programs=True, **best, **plainly),
        },
        turns,
        warm_up_all=False,
    )
    limits = machine_limits()
    return {
        "shape": {
            "problems": n_problems,
            "n": n,
            "max_new_tokens": longest,
            "parameters": policy.model.num_parameters(),
        },
        "stages": stages,
        "targets": TARGETS,
        "tuned": tuned,
        "gradient_difference": differences,
        "sharing_bound": bounds,
        "limits": limits,
        "sampling_floor": sampling_floor(full, limits),
    }


def table(results: dict[str, Any]) -> str:
    """The results as text; a ratio is theirs over ours, per completion token."""
    lines = [f"{'':72} {'CPU s':>7} {'wall s':>7} {'tokens':>7} {'CPU x':>6} {'range':>13} {'wall x':>6}  target"]
    for stage, variants in results["stages"].items():
        for name, row in variants.items():
            label = f"{stage}: {name}"
            low, high = row["cpu_ratio_range"]
            target = TARGETS.get(label)
            verdict = "" if target is None else f"{target} {'met' if row['cpu_ratio'] >= target else 'MISSED'}"
            lines.append(
                f"{label:72} {row['cpu_s']:7.2f} {row['wall_s']:7.2f} {row['tokens']:7.0f} {row['cpu_ratio']:6.2f} "
                f"{f'{low:.2f}..{high:.2f}':>13} {row['wall_ratio']:6.2f}  {verdict}"
            )
    floor = results["sampling_floor"]
    lines += [
        f"gradients, shared and not, relative difference: {results['gradient_difference']}",
        *(
            f"learning, {length}: sharing prompts can save at most {bound['tokens']:.2f}x the tokens and "
            f"{bound['multiplications']:.2f}x the multiplications"
            for length, bound in results["sharing_bound"].items()
        ),
        f"limits here: {results['limits']['gflops']:.0f} GFLOP/s, {results['limits']['gb_per_s']:.1f} GB/s; at these the "
        f"matrices of 'sampling, full' take {floor['matrices_s']:.2f} s and its cache {floor['cache_s']:.2f} s of wall time",
        *(
            f"{what}: { {size: round(value, 1) for size, value in costs.items()} }"
            for what, costs in results["tuned"].items()
        ),
    ]
    return "\n".join(lines)


def about() -> dict[str, Any]:
    """Machine, versions and commit."""
    import trl

    root = Path(__file__).resolve().parents[2]
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True)
    return {
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "trl": trl.__version__,
        "machine": platform.platform(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "omp_wait_policy": os.environ["OMP_WAIT_POLICY"],
        "commit": commit.stdout.strip(),
        "command": " ".join(["python", "-m", "tests.benchmarks.training", *sys.argv[1:]]),
        "load_before": os.getloadavg()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="turns per stage (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="small shapes and one turn: does it run?")
    parser.add_argument("--json", type=Path, help="also write everything here")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    results = {"about": about()} | measure(1 if options.quick else options.rounds, quick=options.quick)
    print(table(results))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
