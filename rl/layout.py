"""Layout: how the rows of a micro-batch are laid out for one pass of a model.

Plainly, a line of the pass is a row of the batch. With shared prompts, a line is a prompt followed by all its
completions, each of which sees the prompt and itself. Positions restart after the prompt, so every token is computed
exactly as in its own row, and the prompt is computed once instead of once per rollout.

Behind an encoder, which reads each prompt once, a line is the start token and a completion without its last token.

Axes: B rows, T tokens of the batch; R lines, S tokens of the pass; N learned tokens; P prompts, E tokens of a prompt.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from rl.batch import Batch

NO_LIMIT = 1 << 62


@dataclass(frozen=True, slots=True)
class EncoderInputs:
    """What an encoder reads in one pass: prompts, padded on the right."""

    ids_PE: torch.Tensor
    """Token ids."""
    present_PE: torch.Tensor
    """Bool: the token is there, not padding."""
    owner_R: torch.Tensor
    """Prompt that each line of the decoder continues."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Inputs of one pass, and where each learned token of the batch is predicted."""

    ids_RS: torch.Tensor
    """Token ids."""
    attention: torch.Tensor
    """Bool (R, S) of tokens that are there; or float (R, 1, S, S), added to attention scores, for shared prompts."""
    positions_RS: torch.Tensor
    """Position of each token within its own row of the batch."""
    source_N: tuple[torch.Tensor, torch.Tensor]
    """Line and place whose state predicts each learned token."""
    target_N: tuple[torch.Tensor, torch.Tensor]
    """Row and column of each learned token in the batch."""
    read_N: tuple[torch.Tensor, torch.Tensor] | None = None
    """Line and place of each learned token itself, whose state has read it; None behind an encoder."""
    encoder: EncoderInputs | None = None
    """What stands before the lines, where an encoder reads it."""

    @property
    def n_tokens(self) -> int:
        """Tokens of the pass, padding included."""
        return self.ids_RS.numel() + (0 if self.encoder is None else self.encoder.ids_PE.numel())


def plain_layout(batch: Batch) -> Layout:
    """One line per row."""
    row_N, column_N = batch.learned_BT.nonzero(as_tuple=True)
    positions_RS = torch.arange(batch.ids_BT.shape[1], device=batch.ids_BT.device).expand_as(batch.ids_BT)
    learned_N = (row_N, column_N)
    return Layout(batch.ids_BT, batch.present_BT, positions_RS, (row_N, column_N - 1), learned_N, learned_N)


def encoder_decoder_layout(batch: Batch, start_id: int) -> Layout:
    """One line per row, which the decoder reads, and each prompt once, which the encoder reads."""
    columns_T = torch.arange(batch.ids_BT.shape[1], device=batch.ids_BT.device)
    length_R1, prompt_R1 = batch.present_BT.sum(dim=1, keepdim=True), batch.prompt_B.unsqueeze(1)
    # Place s of a line holds the token before column prompt + s of the batch, whose prediction is made there.
    before_RS = prompt_R1 + columns_T[: max(1, int((length_R1 - prompt_R1).max()))] - 1
    present_RS = before_RS < length_R1
    ids_RS = batch.ids_BT.gather(1, torch.where(present_RS, before_RS, 0))
    ids_RS[:, 0] = start_id
    asked_P, owner_R = torch.unique(batch.asked_B, return_inverse=True)
    row_P = torch.zeros_like(asked_P)
    row_P[owner_R] = torch.arange(len(batch), device=row_P.device)  # any of the rows that were asked with it
    ids_PE = batch.ids_BT[row_P, : int(prompt_R1.max())]
    encoder = EncoderInputs(ids_PE, columns_T[: ids_PE.shape[1]] < prompt_R1[row_P], owner_R)
    row_N, column_N = batch.learned_BT.nonzero(as_tuple=True)
    source_N = (row_N, column_N - batch.prompt_B[row_N])
    positions_RS = torch.arange(ids_RS.shape[1], device=ids_RS.device).expand_as(ids_RS)
    return Layout(ids_RS, present_RS, positions_RS, source_N, (row_N, column_N), encoder=encoder)


def shared_prompt_layout(batch: Batch, line_tokens: int = NO_LIMIT) -> Layout:
    """Lines of a prompt and its completions, which stand next to each other in `batch`; see `_lines`."""
    device = batch.ids_BT.device
    length_B, prompt_B = batch.present_BT.sum(dim=1), batch.prompt_B
    line_B = _lines(batch.asked_B, length_B, prompt_B, line_tokens)
    is_first_B = torch.ones_like(line_B, dtype=torch.bool)
    is_first_B[1:] = line_B[1:] != line_B[:-1]
    # Place of a row's completion in its line: after the prompt and the completions of its elder siblings.
    before_B = torch.cumsum(length_B - prompt_B, 0) - (length_B - prompt_B)
    offset_B = before_B - before_B[is_first_B][line_B]
    n_lines = int(line_B[-1]) + 1
    width = int((prompt_B + offset_B + length_B - prompt_B).max())
    row_M, column_M = _kept(batch, is_first_B)
    place_M = torch.where(column_M < prompt_B[row_M], column_M, column_M + offset_B[row_M])
    ids_RS = torch.zeros(n_lines, width, dtype=torch.long, device=device)
    positions_RS = torch.zeros_like(ids_RS)
    owner_RS = torch.full_like(ids_RS, -1)  # -1: nothing there; 0: the prompt; i + 1: completion of row i
    ids_RS[line_B[row_M], place_M] = batch.ids_BT[row_M, column_M]
    positions_RS[line_B[row_M], place_M] = column_M
    owner_RS[line_B[row_M], place_M] = torch.where(column_M < prompt_B[row_M], 0, row_M + 1)
    row_N, column_N = batch.learned_BT.nonzero(as_tuple=True)
    line_N, place_N = line_B[row_N], column_N + offset_B[row_N]
    source_N = torch.where(column_N == prompt_B[row_N], column_N, place_N) - 1
    return Layout(ids_RS, _attention(owner_RS), positions_RS, (line_N, source_N), (row_N, column_N), (line_N, place_N))


def _kept(batch: Batch, is_first_B: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows and columns of the tokens that are laid out: all completions, and the prompt of each group's first row."""
    columns_T = torch.arange(batch.ids_BT.shape[1], device=batch.ids_BT.device)
    in_prompt_BT = columns_T < batch.prompt_B.unsqueeze(1)
    row_M, column_M = (batch.present_BT & (~in_prompt_BT | is_first_B.unsqueeze(1))).nonzero(as_tuple=True)
    return row_M, column_M


def _attention(owner_RS: torch.Tensor) -> torch.Tensor:
    """(R, 1, S, S): 0 where a token may look, the lowest float elsewhere; padding may look at the prompt."""
    places_S = torch.arange(owner_RS.shape[1], device=owner_RS.device)
    earlier_SS = places_S.unsqueeze(0) <= places_S.unsqueeze(1)
    seen_RSS = (owner_RS.unsqueeze(1) == 0) | (owner_RS.unsqueeze(1) == owner_RS.unsqueeze(2))
    allowed_RSS = seen_RSS & earlier_SS & (owner_RS.unsqueeze(1) >= 0)
    mask = torch.zeros(allowed_RSS.shape, device=owner_RS.device)
    return mask.masked_fill(~allowed_RSS, torch.finfo(mask.dtype).min).unsqueeze(1)


def split_rows(
    batch: Batch, rows: torch.Tensor, max_tokens: int, *, share_prompts: bool = False, line_tokens: int = NO_LIMIT
) -> Iterator[torch.Tensor]:
    """Split row indices into micro-batches, longest first, each of which lays out at most `max_tokens`.

    A unit is a row, with `share_prompts` the rows of a line. A unit that is larger than `max_tokens` stands alone.
    Behind an encoder, where prompts and completions are padded apart, a pass may lay out up to twice as many.
    """
    units = [rows[i : i + 1] for i in range(len(rows))]
    if share_prompts:
        units = _units(batch, rows[torch.argsort(batch.asked_B[rows], stable=True)], line_tokens)
    lengths = [_line_length(batch, unit) for unit in units]
    part: list[torch.Tensor] = []
    longest = 0
    for index in sorted(range(len(units)), key=lambda i: -lengths[i]):
        if part and (len(part) + 1) * longest > max_tokens:
            yield torch.cat(part)
            part = []
        longest = lengths[index] if not part else longest
        part.append(units[index])
    if part:
        yield torch.cat(part)


def _lines(asked_B: torch.Tensor, length_B: torch.Tensor, prompt_B: torch.Tensor, line_tokens: int) -> torch.Tensor:
    """Number of the line of each row: a new one for a new prompt, and where a line would exceed `line_tokens`."""
    lines: list[int] = []
    used, asked_before = 0, None
    for asked, length, prompt in zip(asked_B.tolist(), length_B.tolist(), prompt_B.tolist(), strict=True):
        if asked == asked_before and used + length - prompt <= line_tokens:
            used += length - prompt
            lines.append(lines[-1])
        else:
            used, asked_before = length, asked
            lines.append(lines[-1] + 1 if lines else 0)
    return torch.tensor(lines, dtype=torch.long, device=asked_B.device)


def _units(batch: Batch, rows: torch.Tensor, line_tokens: int) -> list[torch.Tensor]:
    """Rows that share a line."""
    line_B = _lines(batch.asked_B[rows], batch.present_BT[rows].sum(dim=1), batch.prompt_B[rows], line_tokens)
    return [rows[line_B == line] for line in range(int(line_B.max()) + 1 if len(rows) else 0)]


def _line_length(batch: Batch, unit: torch.Tensor) -> int:
    """Tokens of the line that holds these rows: their prompt and all their completions."""
    prompt = int(batch.prompt_B[unit[0]])
    return prompt + int((batch.present_BT[unit].sum(dim=1) - prompt).sum())
