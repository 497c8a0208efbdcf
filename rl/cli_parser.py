"""What may be said on the `rl-train` command line: the sub-commands, and the options of each."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from envs.errors import UserError
from rl.cli_options import (
    Commands,
    Parser,
    add_audit_rewards,
    add_command,
    add_graders,
    add_problems,
    positive,
    positives,
    share,
    temperature,
    workers,
)


def parse(words: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The options of a command line, and the words that set keys of a config. Raises UserError for an unknown one."""
    options, rest = make_parser().parse_known_args(words, argparse.Namespace(words=list(words)))
    if rest and hasattr(options, "command") and not options.takes_keys:
        raise UserError(f"{rest[0]}: unknown option; see `{options.usage} --help`")
    return options, rest


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = Parser(
        prog="rl-train",
        description="Train code-writing language models on unit tests.",
        epilog="example: rl-train quickstart",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)

    _add_training(commands)
    _add_cluster(commands)
    _add_evaluation(commands)
    _add_configs(commands)
    _add_grading(commands)
    _add_reading(commands)
    _add_serving(commands)
    return parser


def _add_training(commands: Commands) -> None:
    about = "Train by a config file, or go on with the run that a run folder holds."
    run = add_command(commands, "run", "run", about, "run experiment.toml --reinforce.rounds 100 --resume", True)
    run.add_argument(
        "config", type=Path, metavar="CONFIG|RUN_FOLDER", help="the experiment, TOML or YAML, or its run folder"
    )
    run.add_argument("--resume", action="store_true", help="go on with the run in the config's folder, if it holds one")

    about = "Warm-start a tiny model, improve it by reinforcement from unit tests, show the gain: minutes on two cores."
    quickstart = add_command(
        commands, "quickstart", "quickstart", about, "quickstart --seed 10", True, base="quickstart.toml"
    )
    for training in (run, quickstart):
        training.add_argument(
            "--dry-run", action="store_true", help="say what would happen, what it needs and how long it takes"
        )
        usual = "2, or 1 on one core or with a GPU" if training is quickstart else "as the run began, or 1"
        training.add_argument(
            "--ranks",
            type=positive,
            metavar="N",
            help=f"processes that share the work on this machine (default: {usual})",
        )
        training.add_argument(
            "--workers",
            type=workers,
            metavar="N|MIN:MAX",
            help="run on so many workers of the Ray cluster that is named by RAY_ADDRESS, or that this machine is in",
        )

    about = "Train several recipes from one warm start, seed by seed, and show them side by side with their budgets."
    compare = add_command(commands, "compare", "compare", about, "compare ekt_words.toml --compare.seeds [0,1]", True)
    compare.add_argument(
        "config", type=Path, metavar="CONFIG|FOLDER", help="a config with [compare.arms.NAME], or what it wrote"
    )
    compare.add_argument("--resume", action="store_true", help="go on with the comparison in the config's folder")


def _add_evaluation(commands: Commands) -> None:
    evaluate = add_command(
        commands,
        "evaluate",
        "evaluate",
        "Measure pass@k of a model on a problem set.",
        "evaluate --policy runs/quickstart --problems basics --split test --ks 1,4 --n 4",
    )
    evaluate.add_argument(
        "--policy", type=Path, required=True, metavar="PATH", help="run folder, model folder, hub name"
    )
    add_problems(evaluate)
    evaluate.add_argument("--size", type=positive, metavar="N", help="use the first N problems only")
    evaluate.add_argument("--n", type=positive, default=4, help="programs per problem (default: 4)")
    evaluate.add_argument("--ks", type=positives, default=(1,), metavar="K,K", help="k of each pass@k (default: 1)")
    evaluate.add_argument("--temperature", type=temperature, default=0.8, help="0 is greedy (default: 0.8)")
    evaluate.add_argument("--max-new-tokens", type=positive, default=96, help="longest completion (default: 96)")
    evaluate.add_argument(
        "--stop",
        action="append",
        default=[],
        metavar="TEXT",
        help="ends a completion, as sampling.stop; may be repeated",
    )
    evaluate.add_argument(
        "--stop-at-dedent", action="store_true", help="end a completion behind its function, as sampling.stop_at_dedent"
    )
    evaluate.add_argument(
        "--form",
        choices=("program", "token", "natural", "answer"),
        default="program",
        help="how problems are answered, as reasoning.form (default: program)",
    )
    evaluate.add_argument("--seed", type=int, default=0, help="seed of the samples (default: 0)")
    evaluate.add_argument("--evalplus", type=Path, metavar="OUT", help="also write the programs for EvalPlus")
    evaluate.add_argument(
        "--livecodebench", type=Path, metavar="OUT", help="also write them as LiveCodeBench takes them"
    )

    _add_critic_sampling(evaluate)

    about = "Grade stored rollouts of a run again and show both verdicts: 1 where one differs."
    replay = add_command(commands, "replay", "replay", about, "replay runs/quickstart reinforce/40/3/5")
    replay.add_argument("run", type=Path, metavar="RUN_FOLDER", help="a run with an experience store")
    replay.add_argument(
        "rollout", metavar="PHASE/ROUND[/GROUP[/INDEX]]", help="one stored rollout, or all of a group or round"
    )
    add_graders(replay)


def _add_cluster(commands: Commands) -> None:
    about = "Have a Ray cluster run `run` or `quickstart` as a job: follow its log, end with its exit code."
    example = "submit --address http://head:8265 -- run experiment.toml --workers 4 --folder /shared/runs/a"
    submit = add_command(commands, "submit", "submit", about, example)
    submit.add_argument(
        "--address",
        default=os.environ.get("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:8265"),
        metavar="URL",
        help="the cluster's dashboard (default: RAY_API_SERVER_ADDRESS, or this machine's)",
    )
    submit.add_argument(
        "--working-dir", type=Path, default=Path(), metavar="PATH", help="what is copied to the cluster (default: .)"
    )
    submit.add_argument("--no-wait", action="store_true", help="print the job's name and return at once")
    submit.add_argument(
        "--print-manifest", action="store_true", help="print a KubeRay RayJob, or RayService for `serve`, instead"
    )
    group = submit.add_argument_group("of the manifest")
    group.add_argument("--image", default="rl-train:latest", help="container image that holds rl-train")
    group.add_argument("--machines", type=positive, default=1, help="worker pods (default: 1)")
    group.add_argument("--cpus", type=positive, default=4, help="CPUs of each pod (default: 4)")
    group.add_argument("--gpus", type=int, default=0, help="GPUs of each pod (default: 0)")
    submit.add_argument("words_of_job", nargs="+", metavar="COMMAND ...", help="after --: the command that is run")

    about = (
        "Predict a round on so many GPUs and graders: its time, who waits for whom, graders needed, memory of a rank."
    )
    plan = add_command(commands, "plan", "plan", about, "plan experiment.toml --gpus 8 --cpus 64", True)
    plan.add_argument("config", type=Path, metavar="CONFIG", help="the experiment, TOML or YAML")
    plan.add_argument("--gpus", type=positive, required=True, metavar="N", help="ranks, each as fast as this machine")
    plan.add_argument("--cpus", type=positive, required=True, metavar="N", help="graders, a CPU each")
    plan.add_argument(
        "--endless",
        type=share,
        metavar="SHARE",
        help="programs that run into their limit (default: as many as of those that are tried here)",
    )


def _add_critic_sampling(evaluate: argparse.ArgumentParser) -> None:
    group = evaluate.add_argument_group("critic sampling", "a critic cuts, regenerates and repairs, at equal tokens")
    group.add_argument("--critic-sampling", action="store_true", help="compare it with plain sampling and best of n")
    group.add_argument("--critic", type=Path, metavar="PATH", help="folder of the critic")
    group.add_argument("--repair", type=Path, metavar="PATH", help="repair model, as --policy (default: no repair)")
    group.add_argument("--budget", type=positive, metavar="TOKENS", help="per problem (default: n * max-new-tokens)")
    group.add_argument("--rounds", type=int, metavar="N", help="most rounds after the first (default: by budget)")
    group.add_argument("--keep", type=positive, default=1, metavar="M", help="programs repaired a round (default: 1)")
    group.add_argument("--cut", choices=("argmax", "sample"), default="argmax", help="end of a seed (default: argmax)")
    group.add_argument(
        "--drop",
        choices=("below_first", "below_half", "nothing"),
        default="below_first",
        help="p(passed) from which on a seed is dropped; below_half is the paper's (default: below_first)",
    )


def _add_configs(commands: Commands) -> None:
    about = "Copy the example configs to a folder, with explanations; nothing is overwritten."
    init = add_command(commands, "init", "init", about, "init experiments")
    init.add_argument(
        "folder", type=Path, nargs="?", default=Path("configs"), metavar="FOLDER", help="default: configs"
    )

    config = commands.add_parser("config", help="Look at configs: their keys, and what differs.", allow_abbrev=False)
    configs = config.add_subparsers(title="what to do", metavar="WHAT", parser_class=Parser, required=True)
    about = "Print a resolved config as TOML, with the meaning of every key."
    show = add_command(configs, "show", "config_show", about, "config show experiment.toml --sampling.n 16", True)
    show.add_argument("config", type=Path, metavar="CONFIG", help="TOML or YAML")
    about = "Print the keys that differ, a line each: exit code 0 where none does, otherwise 1."
    diff = add_command(configs, "diff", "config_diff", about, "config diff experiment.toml runs/quickstart")
    for name in ("a", "b"):
        diff.add_argument(name, type=Path, metavar=name.upper(), help="config file or run folder")
    add_command(configs, "schema", "config_schema", "Print the JSON schema of a config, for editors.", "config schema")


def _add_grading(commands: Commands) -> None:
    grade = add_command(
        commands,
        "grade",
        "grade",
        "Grade completions: JSONL in, verdicts out, in the same order.",
        "grade --problems files --data.path problems.jsonl --completions in.jsonl --out out.jsonl",
    )
    add_problems(grade)
    grade.add_argument("--completions", type=Path, required=True, metavar="IN", help=_COMPLETION_ROWS)
    grade.add_argument("--out", type=Path, required=True, metavar="OUT", help="a verdict per row, as JSONL")

    audit = commands.add_parser("audit", help="Attack what decides about programs.", allow_abbrev=False)
    audits = audit.add_subparsers(title="what to audit", metavar="WHAT", parser_class=Parser, required=True)
    problems = add_command(
        audits,
        "problems",
        "audit_problems",
        "Check a problem set before it is trusted: references, cheats, flaky tests, duplicates, overlaps, limits.",
        "audit problems mbpp --data.path mbpp.jsonl --against humaneval=HumanEval.jsonl.gz --fix clean.jsonl",
    )
    add_problems(problems, positional=True)
    problems.add_argument(
        "--against", action="append", default=[], metavar="NAME[=PATH]", help="evaluation set to look for overlaps with"
    )
    problems.add_argument("--out", type=Path, metavar="OUT", help="write the ledger as JSON")
    problems.add_argument("--fix", type=Path, metavar="OUT", help="write the cleaned set as JSONL")
    add_audit_rewards(audits)

    about = "Check the arithmetic of training on this machine, by a config's model and temperature: under a minute."
    selftest = add_command(commands, "selftest", "selftest", about, "selftest experiment.toml")
    selftest.add_argument("config", type=Path, nargs="?", metavar="CONFIG.toml", help="the experiment (default: none)")
    selftest.add_argument(
        "--resume", action="store_true", help="instead kill small runs and compare what they end with"
    )
    selftest.add_argument("--kills", type=positive, default=3, metavar="N", help="with --resume (default: 3)")

    add_command(commands, "doctor", "doctor", "Say what this machine can isolate, and how to get more.", "doctor")


def _add_reading(commands: Commands) -> None:
    about = "Write report.html into a run folder: what the run learned, where its time went, programs it wrote."
    report = add_command(commands, "report", "report", about, "report runs/quickstart")
    report.add_argument("folder", type=Path, metavar="RUN_FOLDER", help="a run: finished, interrupted or still running")


def _add_serving(commands: Commands) -> None:
    about = "Serve a model over HTTP: OpenAI's surface, and /v1/solve, which searches by critic sampling."
    serve = add_command(commands, "serve", "serve", about, "serve --policy runs/quickstart --critic --port 8000")
    serve.add_argument("--policy", type=Path, required=True, metavar="PATH", help="run folder, model folder, hub name")
    serve.add_argument(
        "--critic",
        type=Path,
        nargs="?",
        const=Path(),
        metavar="PATH",
        help="folder of a critic (without PATH: the policy's RUN/checkpoints/critic)",
    )
    serve.add_argument("--repair", type=Path, metavar="PATH", help="repair model, as --policy (default: no repair)")
    serve.add_argument("--name", help="what clients call the model (default: the last part of the policy's path)")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    serve.add_argument("--port", type=int, default=8000, help="0 takes a free one (default: 8000)")
    serve.add_argument(
        "--keys", type=Path, metavar="FILE", help="keys that clients must show, one a line; RL_TRAIN_KEYS adds to them"
    )
    serve.add_argument(
        "--on",
        choices=("local", "ray"),
        default="local",
        help="this machine, or Ray Serve on the cluster that is named by RAY_ADDRESS, or that this machine is in",
    )
    serve.add_argument(
        "--replicas",
        type=workers,
        metavar="N|MIN:MAX",
        help="with --on ray: copies, added as requests wait (default: 1)",
    )
    serve.add_argument("--max-rows", type=positive, default=64, help="completions written at once (default: 64)")
    serve.add_argument("--max-tokens", type=positive, default=4096, help="longest completion (default: 4096)")
    serve.add_argument("--max-budget", type=positive, default=131072, help="tokens of a search (default: 131072)")
    serve.add_argument("--max-tests", type=positive, default=64, help="example tests of a problem (default: 64)")
    serve.add_argument("--max-cpu-s", type=positive, default=10, help="CPU seconds of a program (default: 10)")
    serve.add_argument("--max-body-mb", type=positive, default=4, help="size of a request, in MiB (default: 4)")
    serve.add_argument("--max-requests", type=positive, default=256, help="requests answered at once (default: 256)")
    serve.add_argument("--grace-s", type=positive, default=30, help="seconds for requests at the end (default: 30)")
    add_graders(serve)


_COMPLETION_ROWS = 'rows {"problem_id", and "program", "completion" or "program_base64"}'
