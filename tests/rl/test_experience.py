"""The experience store: what goes in comes out, whole rounds only, and other tools can read it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import datasets
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.errors import UserError
from envs.rollout import Group, Prompt, Rollout, Segment, StopReason
from envs.verdict import Outcome, Verdict
from rl.experience import EVALUATION, Experience, PhaseRecord, commits, groups_of, read_rows, write_groups
from tests.builders import a_group, a_problem, a_rollout

P, W = Outcome.PASSED, Outcome.WRONG_ANSWER

FLOATS = st.floats(width=32, allow_nan=False)
SEGMENTS = st.builds(
    lambda pairs, author, learn, known: Segment(
        tuple(token for token, _ in pairs), author, learn, tuple(value for _, value in pairs) if known else None
    ),
    st.lists(st.tuples(st.integers(0, 2**31 - 1), FLOATS), max_size=4),
    st.sampled_from(["policy", "teacher", "environment"]),
    st.booleans(),
    st.booleans(),
)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
ROLLOUTS = st.builds(
    Rollout,
    prompt=st.builds(Prompt, st.just("add"), TEXTS, TEXTS),
    prompt_ids=st.lists(st.integers(0, 2**31 - 1), max_size=4).map(tuple),
    segments=st.lists(SEGMENTS, max_size=3).map(tuple),
    text=TEXTS,
    program=TEXTS,
    stop=st.sampled_from(StopReason),
    temperature=st.floats(0, 2),
    policy_version=st.integers(0, 2**62),
    seed=st.integers(0, 2**63 - 1),
)
VERDICTS = st.none() | st.builds(
    Verdict,
    outcome=st.sampled_from(Outcome),
    n_passed=st.integers(0, 9),
    n_tests=st.integers(1, 9),
    outcomes=st.lists(st.none() | st.sampled_from(Outcome), max_size=3).map(tuple),
    error_type=st.none() | TEXTS,
    error_line=st.none() | st.integers(1, 99),
    level=st.sampled_from(["L2", "L3"]),
    reason=st.none() | TEXTS,
)


@given(st.lists(st.tuples(ROLLOUTS, VERDICTS), min_size=1, max_size=4))
def test_every_rollout_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, pairs: list) -> None:
    problem = a_problem()
    group = Group(problem, tuple(rollout for rollout, _ in pairs), tuple(verdict for _, verdict in pairs))
    folder = tmp_path_factory.mktemp("store")
    store = Experience(folder, [problem])
    store.append("reinforce", 0, [group, group])
    assert store.groups("reinforce", 0) == [group, group]


def test_only_whole_rounds_are_part_of_the_store(tmp_path: Path) -> None:
    problem, group = a_problem(), a_group([a_rollout()], [P])
    Experience(tmp_path, [problem]).append("reinforce", 0, [group])
    write_groups(tmp_path / "reinforce-000001-000.parquet", "reinforce", 1, [group])
    with (tmp_path / "commits.jsonl").open("a") as file:
        file.write('{"phase": "reinforce", "rou')
    (tmp_path / ".reinforce-000002-000.parquet").write_text("half")
    assert [row["round"] for row in read_rows(tmp_path)] == [0]
    store = Experience(tmp_path, [problem])
    assert store.has("reinforce", 0)
    assert not store.has("reinforce", 1)
    assert {path.name for path in tmp_path.iterdir()} == {"commits.jsonl", "reinforce-000000-000.parquet"}
    store.append("reinforce", 1, [group])
    assert [commit.round for commit in commits(tmp_path)] == [0, 1]


def test_rounds_in_flight_keep_their_numbers(tmp_path: Path) -> None:
    problem = a_problem()
    groups = [Group(problem, (replace(a_rollout(), seed=number),), (None,)) for number in range(3)]
    record = PhaseRecord(Experience(tmp_path / "store", [problem]), "reinforce")
    for number, group in enumerate(groups):
        record.write_pending(tmp_path, number, [group])
    assert record.read_pending(tmp_path) == {0: groups[:1], 1: groups[1:2], 2: groups[2:]}


def test_rows_are_filtered_by_phase_purpose_and_round(tmp_path: Path) -> None:
    store = Experience(tmp_path, [a_problem()])
    for number in range(3):
        store.append("reinforce", number, [a_group([a_rollout()], [W])])
    store.append("evaluation_final", 0, [a_group([a_rollout()], [P])], EVALUATION)
    assert [row["round"] for row in read_rows(tmp_path, rounds=range(1, 3))] == [1, 2]
    assert [row["outcome"] for row in read_rows(tmp_path, purpose=EVALUATION)] == ["passed"]
    assert list(read_rows(tmp_path, phases=("warm_start",))) == []
    assert list(read_rows(tmp_path, columns=("seed",), rounds=range(1))) == [{"seed": 0}]


def test_groups_of_another_problem_set_are_refused(tmp_path: Path) -> None:
    Experience(tmp_path, [a_problem()]).append("reinforce", 0, [a_group([a_rollout()], [W])])
    with pytest.raises(UserError, match="problem 'add' is not in the problem set"):
        groups_of(read_rows(tmp_path), {})


def test_the_datasets_library_reads_the_store(tmp_path: Path) -> None:
    store = Experience(tmp_path / "store", [a_problem()])
    store.append("reinforce", 0, [a_group([a_rollout(log_probs=(-1.0, -2.0))], [W])])
    files = [str(path) for path in (tmp_path / "store").glob("*.parquet")]
    rows = datasets.Dataset.from_parquet(files, cache_dir=str(tmp_path / "cache"))
    assert rows[0]["segments"] == [{"ids": [6, 7], "author": "policy", "learn": True, "log_probs": [-1.0, -2.0]}]
