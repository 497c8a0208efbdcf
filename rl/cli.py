"""The `rl-train` command. Nothing heavy is imported before a sub-command needs it.

Exit codes: 0 done; 1 ran, and the result is negative; 2 the user's mistake, told in one line.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from envs.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from rl.config import RunConfig
    from rl.evaluate import Evaluation

USER_MISTAKE = 2

Command = Callable[[argparse.Namespace, list[str]], int]
"""(parsed options, words that were left over) -> exit code."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command; returns its exit code."""
    # Graders share the cores with the model: threads that spin at a barrier would wait for whoever is not running.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if not hasattr(options, "command"):
        parser.print_help()
        return 0
    try:
        if rest and not options.takes_keys:
            raise UserError(f"{rest[0]}: unknown option; see `rl-train {options.name} --help`")
        command: Command = options.command
        return command(options, rest)
    except UserError as error:
        print(f"rl-train: {error}", file=sys.stderr)
        return USER_MISTAKE
    except KeyboardInterrupt:
        print("rl-train: stopped by Ctrl-C", file=sys.stderr)
        return 130


class _Parser(argparse.ArgumentParser):
    """argparse with our one-line errors."""

    def error(self, message: str) -> None:  # type: ignore[override]
        print(f"rl-train: {message}; see `{self.prog} --help`", file=sys.stderr)
        raise SystemExit(USER_MISTAKE)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="rl-train",
        description="Train code-writing language models on unit tests.",
        epilog="example: rl-train quickstart",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser)

    def add(name: str, command: Command, about: str, example: str, takes_keys: bool = False) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name,
            help=about,
            description=about,
            epilog=f"example: {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            add_help=not takes_keys,
        )
        sub.set_defaults(command=command, name=name, takes_keys=takes_keys)
        if takes_keys:
            sub.add_argument("-h", "--help", action=_HelpWithKeys, help="show this help with every key and exit")
        return sub

    run = add("run", _run, "Train by a config file.", "rl-train run experiment.toml --reinforce.rounds 100", True)
    run.add_argument("config", type=Path, metavar="CONFIG.toml", help="the experiment")
    run.add_argument("--json", action="store_true", help="print the result as JSON")

    quickstart = add(
        "quickstart",
        _quickstart,
        "Warm-start a tiny model, improve it by reinforcement from unit tests, show the gain: minutes on two cores.",
        "rl-train quickstart --seed 10",
        True,
    )
    quickstart.add_argument("--json", action="store_true", help="print the result as JSON")

    evaluate = add(
        "evaluate",
        _evaluate,
        "Measure pass@k of a model on a problem set.",
        "rl-train evaluate --policy runs/quickstart --problems basics --split test --ks 1,4 --n 4",
    )
    evaluate.add_argument(
        "--policy", type=Path, required=True, metavar="PATH", help="run folder, model folder or hub name"
    )
    evaluate.add_argument("--problems", default="basics", metavar="NAME", help="problem set (default: basics)")
    evaluate.add_argument("--data.path", dest="data_path", type=Path, metavar="PATH", help="file or folder of the set")
    evaluate.add_argument("--split", default="test", help="part of the set (default: test)")
    evaluate.add_argument("--size", type=_positive, metavar="N", help="use the first N problems only")
    evaluate.add_argument("--n", type=_positive, default=4, help="programs per problem (default: 4)")
    evaluate.add_argument("--ks", type=_positives, default=(1,), metavar="K,K", help="k of each pass@k (default: 1)")
    evaluate.add_argument("--temperature", type=float, default=0.8, help="0 is greedy (default: 0.8)")
    evaluate.add_argument("--max-new-tokens", type=_positive, default=96, help="longest completion (default: 96)")
    evaluate.add_argument("--seed", type=int, default=0, help="seed of the samples (default: 0)")
    evaluate.add_argument("--workers", type=_positive, help="grader processes (default: one per core)")
    evaluate.add_argument("--isolation", choices=("L1", "L2", "L3"), default="L2", help="weakest jail accepted")
    evaluate.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


class _HelpWithKeys(argparse.Action):
    """--help of a command that takes config keys: loads the config models only now, to list them."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from rl.config import keys

        lines = [f"  --{name:<32} {meaning} (default: {default})" for name, default, meaning in keys()]
        parser.epilog = (
            f"keys of the config, also settable as --key.path value:\n{chr(10).join(lines)}\n\n{parser.epilog}"
        )
        parser.print_help()
        parser.exit()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more; got {text}")
    return number


def _positives(text: str) -> tuple[int, ...]:
    return tuple(_positive(part) for part in text.split(","))


def _run(options: argparse.Namespace, overrides: list[str]) -> int:
    from rl.config import load_config

    return _train(load_config(options.config, overrides), options.json)


def _quickstart(options: argparse.Namespace, overrides: list[str]) -> int:
    from rl.config import CONFIGS, load_config

    config = load_config(CONFIGS / "quickstart.toml", overrides)
    folder, count = config.folder, 1
    while folder.exists():
        count += 1
        folder = config.folder.with_name(f"{config.folder.name}-{count}")
    return _train(config.model_copy(update={"folder": folder}), options.json)


def _train(config: RunConfig, as_json: bool) -> int:
    import time

    started = time.perf_counter()
    console = _console(as_json)
    console.print(f"rl-train: recipe {config.recipe}, seed {config.seed}, folder {config.folder}", highlight=False)
    from rl.experiment import open_experiment
    from rl.recipes import RECIPES

    if config.recipe not in RECIPES:
        raise UserError(f"recipe: expected one of {', '.join(RECIPES)}; got {config.recipe!r}")
    with open_experiment(config, console) as experiment:
        console.print(
            f"{experiment.policy.model.num_parameters():,} parameters; {len(experiment.labelled)} problems with "
            f"solutions, {len(experiment.train)} to reinforce on; programs run at isolation {experiment.grader.level}",
            highlight=False,
            soft_wrap=True,
        )
        results = RECIPES[config.recipe](experiment)
    if as_json:
        print(json.dumps({name: asdict(result) for name, result in results.items()}))
    else:
        _show(results, console)
        console.print(
            f"{time.perf_counter() - started:.0f} s in all; everything is in {config.folder}", highlight=False
        )
    return 0


def _evaluate(options: argparse.Namespace, _: list[str]) -> int:
    if max(options.ks) > options.n:
        raise UserError(
            f"--ks: pass@{max(options.ks)} needs at least as many programs per problem; got --n {options.n}"
        )
    from envs.grading import Grader
    from envs.problem_sets import load_problems
    from envs.prompts import plain
    from rl.evaluate import evaluate
    from rl.experiment import policy_folder
    from rl.models import load_policy
    from rl.write import by_policy

    problems = load_problems(options.problems, options.split, options.data_path).problems[: options.size]
    policy = load_policy(str(policy_folder(options.policy)))
    write = by_policy(
        policy,
        ask=plain,
        n=options.n,
        temperature=options.temperature,
        max_new_tokens=options.max_new_tokens,
        seed=options.seed,
    )
    with Grader(options.workers or os.cpu_count(), min_isolation=options.isolation) as grader:
        result = evaluate(problems, write, grader.submit, options.ks)
    if options.json:
        print(json.dumps(asdict(result)))
    else:
        _show({str(options.policy): result}, _console(False))
    return 0


def _show(results: dict[str, Evaluation], console: Console) -> None:
    """Print evaluations as one table: a row each, pass@k with its 95 % interval."""
    from rich.table import Table

    ks = list(next(iter(results.values())).pass_at)
    table = Table("", *(f"pass@{k}" for k in ks), "programs", "outcomes")
    for name, result in results.items():
        cells = [f"{e.mean:.1%} ({e.low:.1%} to {e.high:.1%})" for e in result.pass_at.values()]
        outcomes = ", ".join(f"{outcome} {count}" for outcome, count in result.outcomes.items())
        table.add_row(name, *cells, f"{result.n_programs}", outcomes)
    console.print(table)


def _console(as_json: bool) -> Console:
    """Where people read: standard output, or standard error when the output is for a program."""
    from rich.console import Console

    return Console(stderr=as_json)


if __name__ == "__main__":
    sys.exit(main())
