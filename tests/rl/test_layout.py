"""Layouts: every learned token is predicted from its own predecessor, and no row is lost when a batch is split."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.verdict import Outcome
from rl.batch import Batch, collate
from rl.layout import NO_LIMIT, encoder_decoder_layout, plain_layout, shared_prompt_layout, split_rows
from tests.builders import a_group, a_rollout

groups_of_ids = st.lists(
    st.tuples(
        st.lists(st.integers(1, 99), min_size=1, max_size=6),
        st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=5), min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=5,
)


def batch_of(groups: list[tuple[list[int], list[list[int]]]]) -> Batch:
    return collate(
        [a_group([a_rollout(prompt, ids) for ids in group], [Outcome.PASSED] * len(group)) for prompt, group in groups]
    )


@settings(max_examples=60, deadline=None)
@given(groups_of_ids, st.sampled_from([1, 8, 12, NO_LIMIT]))
def test_a_shared_line_shows_each_token_its_own_row_and_nothing_else(
    groups: list[tuple[list[int], list[list[int]]]], line_tokens: int
) -> None:
    batch = batch_of(groups)
    plain, shared = plain_layout(batch), shared_prompt_layout(batch, line_tokens)
    assert line_tokens < NO_LIMIT or len(shared.ids_RS) == len(groups)
    assert shared.ids_RS.shape[1] <= max(line_tokens, batch.ids_BT.shape[1])
    assert torch.equal(torch.stack(plain.target_N), torch.stack(shared.target_N))
    for n in range(len(shared.target_N[0])):
        line, place = (int(part[n]) for part in shared.source_N)
        row, column = (int(part[n]) for part in shared.target_N)
        seen = shared.attention[line, 0, place] == 0
        assert shared.ids_RS[line][seen].tolist() == batch.ids_BT[row, :column].tolist()
        assert shared.positions_RS[line][seen].tolist() == list(range(column))
        assert plain.source_N[1][n] == column - 1


@settings(max_examples=60, deadline=None)
@given(groups_of_ids, st.integers(1, 60))
def test_behind_an_encoder_each_token_has_its_prompt_and_what_was_written_before(
    groups: list[tuple[list[int], list[list[int]]]], max_tokens: int
) -> None:
    whole = batch_of(groups)
    for rows in split_rows(whole, torch.arange(len(whole)), max_tokens):
        batch = whole.rows(rows)
        layout = encoder_decoder_layout(batch, start_id=100)
        assert layout.encoder is not None
        assert len(layout.encoder.ids_PE) == len(set(batch.asked_B.tolist()))
        assert layout.n_tokens <= 2 * max_tokens or len(layout.ids_RS) == 1
        assert torch.equal(torch.stack(layout.target_N), torch.stack(plain_layout(batch).target_N))
        for (line, place), (row, column) in zip(
            torch.stack(layout.source_N, dim=1).tolist(), torch.stack(layout.target_N, dim=1).tolist(), strict=True
        ):
            owner, prompt = int(layout.encoder.owner_R[line]), int(batch.prompt_B[row])
            read = layout.encoder.ids_PE[owner][layout.encoder.present_PE[owner]]
            assert read.tolist() == batch.ids_BT[row, :prompt].tolist()
            assert layout.ids_RS[line, : place + 1].tolist() == [100, *batch.ids_BT[row, prompt:column].tolist()]
            assert layout.attention[line, : place + 1].all()


@settings(max_examples=60, deadline=None)
@given(groups_of_ids, st.integers(1, 60), st.booleans())
def test_splitting_keeps_every_row_once_and_obeys_the_bound(
    groups: list[tuple[list[int], list[list[int]]]], max_tokens: int, share_prompts: bool
) -> None:
    batch = batch_of(groups)
    parts = list(split_rows(batch, torch.arange(len(batch)), max_tokens, share_prompts=share_prompts))
    assert sorted(torch.cat(parts).tolist()) == list(range(len(batch)))
    for part in parts:
        rows = batch.rows(part)
        layout = shared_prompt_layout(rows) if share_prompts else plain_layout(rows)
        assert layout.ids_RS.numel() <= max_tokens or len(layout.ids_RS) == 1
