"""Which processes run below a process, as Linux lists them while they and their threads come and go."""

import contextlib
from collections.abc import Collection
from pathlib import Path


def children(pid: int) -> list[int]:
    """The processes that `pid` has started and that are still there; of a process that has ended, none."""
    found: list[int] = []
    # A process or a thread that ends between two of these steps has no children any more.
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found += map(int, (task / "children").read_text().split())
    return found


def descendants(pid: int, but: Collection[int] = ()) -> list[int]:
    """All processes below `pid`, nearest first, but for some and what is below those (other tests' of this worker)."""
    found = []
    for child in children(pid):
        if child not in but:
            found += [child, *descendants(child, but)]
    return found
