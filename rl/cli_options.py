"""What options are made of: the parser, a sub-command with its keys, options of several, kinds of value."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

USER_MISTAKE = 2
"""Exit code of a mistake that the user made."""


class Parser(argparse.ArgumentParser):
    """argparse with our one-line errors."""

    def error(self, message: str) -> None:  # type: ignore[override]
        print(f"rl-train: {message}; see `{self.prog} --help`", file=sys.stderr)
        raise SystemExit(USER_MISTAKE)


Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


def add_command(
    commands: Commands,
    name: str,
    command: str,
    about: str,
    example: str,
    takes_keys: bool = False,
    base: str | None = None,
) -> argparse.ArgumentParser:
    """Add a sub-command that calls `rl.commands.<command>`; its keys begin as in `base`, one of our own configs."""
    sub = commands.add_parser(
        name,
        help=about,
        description=about,
        epilog=f"example: rl-train {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=not takes_keys,
    )
    sub.set_defaults(command=command, usage=sub.prog, takes_keys=takes_keys)
    if takes_keys:
        sub.add_argument("-h", "--help", action=_HelpWithKeys, base=base, help="show this help with every key and exit")
    sub.add_argument("--json", action="store_true", help="print the result as JSON")
    return sub


def add_problems(parser: argparse.ArgumentParser, positional: bool = False) -> None:
    """Options that name a problem set and how its programs are run."""
    about = "problem set, such as basics, mbpp, files; auto detects the format of --data.path"
    if positional:
        parser.add_argument("problems", metavar="NAME", help=about)
    else:
        parser.add_argument("--problems", default="basics", metavar="NAME", help=f"{about} (default: basics)")
    parser.add_argument("--data.path", dest="data_path", type=Path, metavar="PATH", help="file or folder of the set")
    parser.add_argument("--split", help="part of the set (default: test where there is one)")
    add_graders(parser)


def add_graders(parser: argparse.ArgumentParser) -> None:
    """Options that say how programs are run."""
    parser.add_argument("--workers", type=positive, help="grader processes (default: one per core)")
    parser.add_argument("--isolation", choices=("L1", "L2", "L3"), help="jail to use (default: the best that works)")


def add_audit_rewards(audits: Commands) -> None:
    """`rl-train audit rewards`."""
    rewards = add_command(
        audits,
        "rewards",
        "audit_rewards",
        "Attack a reward function with programs that solve nothing: what earns is named with the fix.",
        "audit rewards --reward my_rewards.py:unit_test_reward",
    )
    rewards.description = f"{rewards.description}\n\n{_ABOUT_REWARDS}"
    judge = rewards.add_mutually_exclusive_group(required=True)
    judge.add_argument("--reward", metavar="MODULE:FUNCTION", help="the reward function; FILE.py:FUNCTION will do")
    judge.add_argument("--url", metavar="URL", help="a reward service that is sent such arguments as JSON, by POST")
    rewards.add_argument(
        "--shape", choices=("trl", "verl"), default="trl", help="arguments that --url is sent (default: trl)"
    )
    rewards.add_argument(
        "--interface",
        action="append",
        choices=("function", "stdio", "assert"),
        help="kind of problem to try; may be repeated (default: all that it can judge)",
    )
    rewards.add_argument(
        "--above", type=float, default=0.0, metavar="REWARD", help="what a wrong program may earn (default: 0)"
    )
    rewards.add_argument(
        "--limit-s",
        type=seconds,
        default=1.0,
        metavar="SECONDS",
        help="how long the reward lets a program work; one that evades the limit works twice as long (default: 1)",
    )
    rewards.add_argument(
        "--deadline-s",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="a reward that takes longer hangs (default: 60)",
    )


_ABOUT_REWARDS = """\
The function is called with one completion at a time, by its own parameters:
  TRL   completions, prompts, completion_ids and columns, a list each -> [number or None]
        columns: problem (our row as JSON), problem_id, interface, entry_point, tests
        (list of assert statements), ground_truth
  verl  data_source, solution_str, ground_truth, extra_info -> number or {"score": number}
ground_truth is JSON as in APPS: {"inputs": [...], "outputs": [...], "fn_name": NAME}, with
"assert_case": [...] where tests are assertions. A function that reads other columns needs a
few lines that rename them. A service answers {"rewards": [number]} or {"score": number}.

The programs are run by the reward function, by its own isolation. They are harmless by
construction: nothing is deleted, no network is used, and the one file that is written lies
in a temporary folder. Exit code: 0 none earned; 1 one earned, ended the judge, or left that
file; 2 nothing can be told, since no right program earns.
"""


class _HelpWithKeys(argparse.Action):
    """--help of a command that takes config keys: loads the config models only now, to list them."""

    def __init__(
        self, option_strings: Sequence[str], dest: str, base: str | None = None, help: str | None = None
    ) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)
        self.base = base

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from rl.config import CONFIGS, keys, load_config
        from rl.config_files import flat

        values = flat(load_config(CONFIGS / self.base if self.base else None).model_dump(mode="json"))
        lines = [f"  --{name:<32} {meaning} (default: {values[name]})" for name, _, meaning in keys()]
        parser.epilog = (
            f"keys of the config, also settable as --key.path value:\n{chr(10).join(lines)}\n\n{parser.epilog}"
        )
        parser.print_help()
        parser.exit()


def positive(text: str) -> int:
    """A whole number of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more; got {text}")
    return int(text)


def workers(text: str) -> tuple[int, int]:
    """N or LEAST:MOST, as the least and the most."""
    least, _, most = text.partition(":")
    return positive(least), max(positive(least), positive(most or least))


def seconds(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0; got {text}")
    return value


def share(text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1; got {text}")
    return value


def positives(text: str) -> tuple[int, ...]:
    """Whole numbers of 1 or more between commas."""
    return tuple(positive(part) for part in text.split(","))


def temperature(text: str) -> float:
    """A number of 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of 0 or more; got {text}")
    return value
