"""Parts that the tests of the grader share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from envs.grading import Grader
from envs.sandbox.jail import Level
from envs.sandbox.levels import probe

LEVELS = [str(level) for level in Level if probe(level).works]
"""Levels that this machine offers."""


@pytest.fixture(scope="module", params=LEVELS)
def grader(request: pytest.FixtureRequest) -> Iterator[Grader]:
    """A grader at each level that works here; it ends with the module, as other tests count processes."""
    with Grader(1, isolation=request.param) as grader:
        yield grader
