"""Study of CodeRL's claims (CR-1 to CR-4) on `basics`: five arms from one warm start per seed, by the real command.

    python -m tests.benchmarks.coderl_study --setting scarce --seeds 10,11,12,13,14 --out FILE.json

The arms of a seed that have a critic have the same one. Arms take the same number of optimizer steps on as many
problems. What is there already is not run again. Several copies may work on one folder: an arm that another one holds
is passed over.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from critics.model import load_critic
from critics.outcomes import UNKNOWN, labels_of
from critics.score import read
from envs.problem_sets import load_problems
from rl.bootstrap import difference, mean_over_seeds
from rl.experience import EVALUATION, groups_by_problem, read_rows
from rl.models import load_policy
from rl.run import journal, manifest

A = "ce+rl, baseline only (A)"
D = "ce+rl, baseline and critic (D)"
SAME_CRITIC = "--critic.rounds 0 --critic.problems 60 --critic.held_out 0.9 --critic.model"
ARMS = {
    D: "",
    "ce": "--coderl.reinforcement_weight 0 --coderl.token_weights uniform",
    "rl": f"--coderl.imitation_weight 0 {SAME_CRITIC}",
    A: "--coderl.token_weights uniform",
    "ce+rl, critic only (B)": f"--coderl.baseline none {SAME_CRITIC}",
}
REMEDIES = {
    "relative weights": f"--coderl.token_weights critic_relative {SAME_CRITIC}",
    "critic refitted in every round": f"--critic.refit_every 1 {SAME_CRITIC}",
    "critic of 3,000 problems": "--critic.problems 3000 --critic.rounds 300",
}
"""What was tried where the critic's weights do not help (CR-3), each a change of D; compared with A."""
WEIGHED = 150
"""Problems whose sampled programs tell how a critic weighs tokens."""
SETTINGS = {
    "abundant": "",
    "scarce": "--data.labelled_size 800 --warm_start.rounds 300 --warm_start.stop_above 1",
}
"""Where the arms begin: `abundant` stops the imitation of 1,500 problems early, so that imitation alone still gains;
`scarce` imitates 800 problems until it has seen each of them 24 times."""
CLAIMS = {
    "CR-1 mixing improves on the warm start": (D, "warm start"),
    "CR-1 mixing beats reinforcement alone": (D, "rl"),
    "CR-1 mixing beats imitation alone": (D, "ce"),
    "CR-2 the baseline matters": (D, "ce+rl, critic only (B)"),
    "CR-3 the critic's weights help": (D, A),
}
COMMON = "--recipe coderl --reinforce.reward four_level --critic.trust full --evaluation.n 8 --evaluation.ks [1,8]"


def main() -> None:
    """Run what is missing, then compare what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="10,11,12,13,14")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--setting", choices=SETTINGS, default="abundant")
    parser.add_argument("--arms", help="names of arms and remedies, by semicolons; without it, all arms")
    parser.add_argument("--folder", type=Path, default=Path("runs/coderl-study"))
    parser.add_argument("--out", type=Path)
    parser.add_argument("words", nargs="*", help="further keys of the config, after --")
    options = parser.parse_args()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    known = ARMS | REMEDIES
    arms = {name: known[name] for name in options.arms.split(";")} if options.arms else ARMS
    for seed in seeds:
        warm = options.folder / f"warm-{seed}"
        setting = SETTINGS[options.setting].split()
        train(warm, seed, [*"--recipe warm_start --evaluation.n 8 --evaluation.ks [1,8]".split(), *setting])
        for arm, words in arms.items():
            start = [*setting, "--model.name", str(warm / "checkpoints/final"), "--warm_start.rounds", "0"]
            if words.endswith("--critic.model"):
                words += f" {folder_of(options.folder, D, seed) / 'checkpoints/critic'}"
            more = ["--reinforce.rounds", str(options.rounds), *COMMON.split(), *options.words, *words.split()]
            train(folder_of(options.folder, arm, seed), seed, [*start, *more])
    command = f"python -m tests.benchmarks.coderl_study --setting {options.setting} --rounds {options.rounds}"
    command += f" --seeds {options.seeds}" + (f" --arms '{options.arms}'" if options.arms else "")
    result = compare(options.folder, seeds, list(arms)) | {
        "seeds": seeds,
        "command": " ".join([command, "--", *options.words]),
    }
    print(json.dumps(result, indent=2))
    if options.out:
        options.out.write_text(json.dumps(result, indent=2) + "\n")


def train(folder: Path, seed: int, words: list[str]) -> None:
    """Run or resume one arm by the real command; one that is finished, or held by another process, is left alone."""
    if any(event["event"] == "finished" for event in journal(folder)):
        return
    command = [sys.executable, "-m", "rl.cli", "run", "rl/configs/quickstart.toml", "--recipe", "grpo", "--resume"]
    done = subprocess.run(
        [*command, "--folder", str(folder), "--seed", str(seed), *words], capture_output=True, text=True
    )
    print(f"{folder}: {done.returncode} {done.stderr.strip()[-200:]}", file=sys.stderr, flush=True)
    if done.returncode and "is in use by" not in done.stderr:
        raise SystemExit(1)


def folder_of(folder: Path, arm: str, seed: int) -> Path:
    """Where an arm is run."""
    return folder / f"{''.join(c if c.isalnum() else '-' for c in arm)}-{seed}"


def pass_rates(run: Path, evaluation: str = "final") -> dict[str, float]:
    """Share of programs that passed, by test problem, in an evaluation of a run."""
    passed: dict[str, list[bool]] = {}
    rows = read_rows(
        run / "experience", phases=(f"evaluation_{evaluation}",), purpose=EVALUATION, columns=("problem_id", "outcome")
    )
    for row in rows:
        if row["outcome"] != "sandbox_error":
            passed.setdefault(row["problem_id"], []).append(row["outcome"] == "passed")
    return {name: sum(flags) / len(flags) for name, flags in passed.items()}


def compare(folder: Path, seeds: list[int], arms: list[str]) -> dict[str, Any]:
    """pass@1 per arm and differences per claim, with hierarchical 95 % intervals; how far the critics could be trusted."""
    runs = {"warm start": [folder / f"warm-{seed}" for seed in seeds]}
    runs |= {arm: [folder_of(folder, arm, seed) for seed in seeds] for arm in arms}
    rates = {arm: [pass_rates(run) for run in folders] for arm, folders in runs.items()}
    scores = {}
    for arm, by_seed in rates.items():
        scores[arm] = np.array(
            [[by_seed[s][name] for name in sorted(rates["warm start"][s])] for s in range(len(seeds))]
        )
    critics = [json.loads((run / "calibration.json").read_text()) for run in runs[D]]
    return {
        "pass@1": {arm: shown(mean_over_seeds(scores_SP)) for arm, scores_SP in scores.items()},
        "by seed": {arm: [round(float(m), 4) for m in scores_SP.mean(axis=1)] for arm, scores_SP in scores.items()},
        "claims": {
            claim: shown(difference(scores[ours], scores[theirs]))
            | {"seeds that agree": int((scores[ours].mean(axis=1) > scores[theirs].mean(axis=1)).sum())}
            for claim, (ours, theirs) in (CLAIMS | {f"{name} help": (name, A) for name in REMEDIES}).items()
            if {ours, theirs} <= set(scores)
        },
        "critics": [
            {"accuracy at the end": c["critic"]["1"]["accuracy"], "macro-F1": c["critic"]["1"]["macro_f1"]}
            | {"macro-F1 of the same problem": c["problem"]["macro_f1"], "F1": c["critic"]["1"]["f1"]}
            for c in critics
        ],
        "token weights": [token_weights(run) for run in runs[D]],
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "manifest": manifest(),
    }


def token_weights(run: Path) -> dict[str, Any]:
    """How a run's critic weighed the tokens of its sampled programs: mean q_t, by outcome too, and where q_t varies."""
    critic = load_critic(run / "checkpoints/critic", load_policy(str(run / "checkpoints/final")).tokenizer)
    problems = load_problems("basics", "compositions").problems
    groups = list(groups_by_problem(run / "experience", problems, ("reinforce",)).values())[:WEIGHED]
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    labels = labels_of(groups, critic.settings.classes).tolist()
    kept = [i for i, label in enumerate(labels) if label != UNKNOWN and rollouts[i].author == "policy"]
    readings = read(critic, [rollouts[i] for i in kept])
    q_NT = [reading.token_probs_TK[:, labels[i]].numpy() for i, reading in zip(kept, readings, strict=True)]
    means_N, within = np.array([q_T.mean() for q_T in q_NT]), np.mean([q_T.var() for q_T in q_NT])
    label_N = np.array([labels[i] for i in kept])
    names = critic.settings.classes.names
    return {
        "mean q": round(float(means_N.mean()), 3),
        "mean q by outcome": {
            name: round(float(means_N[label_N == k].mean()), 3) for k, name in enumerate(names) if k in label_N
        },
        "share of its variance within programs": round(float(within / (within + means_N.var())), 3),
    }


def shown(estimate: Any) -> dict[str, float]:
    """Mean and interval, rounded."""
    return {name: round(getattr(estimate, name), 4) for name in ("mean", "low", "high")}


if __name__ == "__main__":
    main()
