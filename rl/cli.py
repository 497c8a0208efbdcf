"""The `rl-train` command: run one sub-command, and tell a mistake in one line.

Nothing heavy is imported before a sub-command needs it. Exit codes: 0 done; 1 ran, and the result is negative; 2 the
user's mistake, told in one line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from envs.errors import UserError
from rl.cli_options import USER_MISTAKE
from rl.cli_parser import make_parser, parse


def main(words: Sequence[str] | None = None) -> int:
    """Run one sub-command; returns its exit code."""
    try:
        options, rest = parse(sys.argv[1:] if words is None else words)
        if not hasattr(options, "command"):
            make_parser().print_help()
            return 0
        from rl import commands

        return int(getattr(commands, options.command)(options, rest))
    except UserError as error:
        print(f"rl-train: {error}", file=sys.stderr)
        return USER_MISTAKE
    except BrokenPipeError:
        # Whoever read our output has enough, as `head` does; the interpreter must not try to write the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("rl-train: stopped by Ctrl-C", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
