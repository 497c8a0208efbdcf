"""Distillation: golden values by hand, finite differences, and a teacher whose view lines up with the learner's."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from envs.rollout import Group
from envs.verdict import Outcome
from rl.batch import Batch, collate
from rl.distill import (
    LISTED,
    TEACHER_IDS,
    TEACHER_LOG_PROBS,
    TEACHER_TEMPERATURE,
    aligned,
    divergence_from_learner,
    divergence_from_teacher,
    forward_kl,
    reverse_kl,
    with_rest,
)
from rl.learner import Learner, policy_learner
from rl.losses import Term, cross_entropy
from rl.models import load_policy
from rl.teacher_scores import LikeliestTokens, kept, teacher_distribution
from tests.builders import a_group, a_rollout
from tests.rl.test_learner import GROUPS, assert_same

P = Outcome.PASSED
DIVERGENCES = (divergence_from_teacher, divergence_from_learner)
TERMS = (forward_kl, reverse_kl)


def logs(*probs: float) -> torch.Tensor:
    return torch.tensor(probs, dtype=torch.float64).log()


def test_golden_values() -> None:
    teacher, learner = logs(0.5, 0.25, 0.25), logs(0.25, 0.25, 0.5)
    assert float(divergence_from_teacher(teacher, learner)) == pytest.approx(0.25 * math.log(2))
    assert float(divergence_from_learner(teacher, learner)) == pytest.approx(0.25 * math.log(2))
    assert float(divergence_from_teacher(logs(1.0, 0.0), logs(0.25, 0.75))) == pytest.approx(math.log(4))
    assert float(divergence_from_learner(logs(0.25, 0.75), logs(1.0, 0.0))) == pytest.approx(math.log(4))


def test_what_is_not_listed_is_one_event_on_both_sides() -> None:
    """By hand: the teacher lists 0.5 and 0.3 and leaves 0.2, to which the learner gives 0.25, 0.25 and 0.5."""
    teacher, learner = with_rest(logs(0.5, 0.3)), with_rest(logs(0.25, 0.25))
    assert teacher.exp().tolist() == pytest.approx([0.5, 0.3, 0.2])
    expected = 0.5 * math.log(2) + 0.3 * math.log(0.3 / 0.25) + 0.2 * math.log(0.2 / 0.5)
    assert float(divergence_from_teacher(teacher, learner)) == pytest.approx(expected)
    expected = 0.25 * math.log(0.5) + 0.25 * math.log(0.25 / 0.3) + 0.5 * math.log(0.5 / 0.2)
    assert float(divergence_from_learner(teacher, learner)) == pytest.approx(expected)


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_a_coarser_divergence_is_never_larger_and_none_is_negative(divergence: object) -> None:
    generator = torch.Generator().manual_seed(0)
    teacher, learner = (torch.randn(50, 9, generator=generator, dtype=torch.float64).log_softmax(-1) for _ in range(2))
    whole = divergence(teacher, learner)  # type: ignore[operator]
    before = whole
    for k in (8, 5, 2):
        top, ids = teacher.topk(k)
        coarse = divergence(with_rest(top), with_rest(learner.gather(1, ids)))  # type: ignore[operator]
        assert (coarse <= before + 1e-12).all()
        assert (coarse >= -1e-12).all()
        before = coarse
    top, ids = teacher.topk(8)  # the only token left out is an event of its own
    assert torch.allclose(divergence(with_rest(top), with_rest(learner.gather(1, ids))), whole)  # type: ignore[operator]


@pytest.mark.parametrize("divergence", DIVERGENCES)
@pytest.mark.parametrize("rest", [False, True])
def test_gradient_agrees_with_finite_differences(divergence: object, rest: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(4, 6, generator=generator, dtype=torch.float64).requires_grad_()
    teacher = torch.randn(4, 6, generator=generator, dtype=torch.float64).log_softmax(-1)

    def loss(x: torch.Tensor) -> torch.Tensor:
        learner = x.log_softmax(-1)
        if rest:
            return divergence(with_rest(teacher[:, :3]), with_rest(learner[:, :3]))  # type: ignore[operator]
        return divergence(teacher, learner)  # type: ignore[operator]

    assert torch.autograd.gradcheck(loss, logits)


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_a_listing_of_all_but_nothing_has_finite_gradients(divergence: object) -> None:
    logits = torch.tensor([[40.0, 0.0, -40.0]], requires_grad=True)
    log_probs = logits.log_softmax(-1)
    divergence(with_rest(log_probs.detach().flip(-1)), with_rest(log_probs)).sum().backward()  # type: ignore[operator]
    assert torch.isfinite(logits.grad).all()


def test_a_view_lines_up_token_by_token() -> None:
    seen = torch.tensor([[0, 0, 0, 1, 1], [0, 0, 1, 0, 0]], dtype=torch.bool)
    learned = torch.tensor([[0, 1, 1, 0], [0, 0, 0, 1]], dtype=torch.bool)
    column = torch.arange(10.0).reshape(2, 5)
    assert aligned(column, seen, learned).tolist() == [[0, 3, 4, 0], [0, 0, 0, 7]]
    wide = aligned(torch.stack([column, -column], dim=2), seen, learned)
    assert wide[0, 2].tolist() == [4, -4]
    with pytest.raises(ValueError, match="as many learned tokens"):
        aligned(column, seen, learned.flip(0))


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    return load_policy("scratch:nano", ["abc"], seed=1).model


@pytest.fixture(scope="module")
def other() -> PreTrainedModel:
    found = load_policy("scratch:nano", ["abc"], seed=2).model
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.mul_(3.0)  # random weights are all but uniform; these have something to say
    return found


def a_teacher(model: PreTrainedModel, top_k: int = 0) -> Learner:
    vocabulary = model.config.vocab_size
    return Learner(LikeliestTokens(copy.deepcopy(model), vocabulary=vocabulary, top_k=top_k), learning_rate=0.0)


def judged(teacher: Learner, groups: list[Group], temperature: float = 1.0) -> Batch:
    batch = collate(groups)
    return batch.with_columns(teacher_distribution(teacher, temperature)(groups, batch))


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("top_k", [0, 5])
def test_loss_is_the_divergence_of_the_whole_models(
    model: PreTrainedModel, other: PreTrainedModel, term: object, top_k: int
) -> None:
    tau = 2.0
    batch = judged(a_teacher(other, top_k), GROUPS, tau)
    made: Term = term(0.5, temperature=tau, whole=not top_k)  # type: ignore[operator]
    found = policy_learner(copy.deepcopy(model), learning_rate=1e-3).backward(batch, (made,), temperature=0.7)
    with torch.no_grad():
        both = [
            (m.eval()(input_ids=batch.ids_BT).logits / tau).log_softmax(-1)[:, :-1][batch.learned_BT[:, 1:]]
            for m in (other, model)
        ]
    if top_k:
        ids = both[0].topk(top_k).indices
        both = [with_rest(log_probs.gather(1, ids)) for log_probs in both]
    teacher, learner = both
    divergence = divergence_from_teacher if made.name == "forward_kl" else divergence_from_learner
    expected = 0.5 * tau**2 * float(divergence(teacher, learner).mean())
    assert expected > 1e-3
    assert found[made.name] == pytest.approx(expected, rel=1e-3)


def gradient(model: PreTrainedModel, batch: Batch, *objective: Term, tokens: int = 10**6) -> torch.Tensor:
    model = copy.deepcopy(model)
    learner = policy_learner(model, learning_rate=1e-3, micro_batch_tokens=tokens)
    learner.backward(batch, objective, temperature=1.0)
    return torch.cat(
        [torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in model.parameters()]
    )


@pytest.mark.parametrize("term", TERMS)
def test_splitting_padding_and_reordering_never_change_the_gradient(
    model: PreTrainedModel, other: PreTrainedModel, term: object
) -> None:
    batch = judged(a_teacher(other, 7), GROUPS)
    made: Term = term()  # type: ignore[operator]
    expected = gradient(model, batch, made, cross_entropy())
    assert_same(expected, gradient(model, batch, made, cross_entropy(), tokens=1))
    assert_same(expected, gradient(model, batch.rows(torch.tensor([3, 0, 4, 2, 1])), made, cross_entropy()))
    outside = ~batch.learned_BT
    filled = {
        name: column.masked_fill(outside.unsqueeze(2) if column.dim() == 3 else outside, fill)
        for name, column, fill in (
            (TEACHER_LOG_PROBS, batch.columns[TEACHER_LOG_PROBS], math.nan),
            (TEACHER_IDS, batch.columns[TEACHER_IDS], 3),
            (TEACHER_TEMPERATURE, batch.columns[TEACHER_TEMPERATURE], math.nan),
        )
    }
    assert_same(expected, gradient(model, batch.with_columns(filled), made, cross_entropy()))


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("top_k", [0, 5])
def test_a_learner_that_is_its_teacher_has_nothing_to_learn(model: PreTrainedModel, term: object, top_k: int) -> None:
    batch = judged(a_teacher(model, top_k), GROUPS)
    found = gradient(model, batch, term(whole=not top_k))  # type: ignore[operator]
    assert found.norm() < 1e-5


def test_a_prompted_teacher_speaks_of_the_same_tokens(model: PreTrainedModel) -> None:
    """Its columns at the learner's places are those that it has at its own places, further to the right."""
    long = tuple(range(40, 52))
    teacher = a_teacher(model, 4)
    batch = collate(GROUPS)
    columns = teacher_distribution(teacher, prompt_ids=lambda problem: long)(GROUPS, batch)
    asked = [replace(g, rollouts=tuple(replace(r, prompt_ids=long) for r in g.rollouts)) for g in GROUPS]
    view = judged(teacher, asked)
    for row, rollout in enumerate(rollout for group in GROUPS for rollout in group.rollouts):
        start, length = len(rollout.prompt_ids), len(rollout.completion_ids)
        for name in (TEACHER_IDS, TEACHER_LOG_PROBS):
            here, there = columns[name][row, start : start + length], view.columns[name][row, 12 : 12 + length]
            assert torch.equal(here, there)
    assert not torch.allclose(columns[TEACHER_LOG_PROBS], judged(teacher, GROUPS).columns[TEACHER_LOG_PROBS], atol=1e-3)


def test_ids_that_the_learner_lacks_are_cut_before_the_softmax(model: PreTrainedModel) -> None:
    module = LikeliestTokens(copy.deepcopy(model), vocabulary=100)
    batch = collate(GROUPS)
    found = Learner(module, learning_rate=0.0).outputs(batch, wants=frozenset({TEACHER_LOG_PROBS, TEACHER_IDS}))
    assert found[TEACHER_LOG_PROBS].shape[2] == 100
    assert torch.allclose(
        found[TEACHER_LOG_PROBS][batch.learned_BT].exp().sum(-1), torch.ones(int(batch.learned_BT.sum()))
    )
    assert found[TEACHER_IDS].dtype == torch.int32


@pytest.mark.parametrize("term", TERMS)
def test_a_learner_becomes_its_teacher(model: PreTrainedModel, other: PreTrainedModel, term: object) -> None:
    batch = judged(a_teacher(other), GROUPS)
    learner = policy_learner(copy.deepcopy(model), learning_rate=1e-2)
    made: Term = term(whole=True)  # type: ignore[operator]
    losses = [learner.step(batch, (made,))[f"loss/{made.name}"] for _ in range(40)]
    assert losses[-1] < losses[0] / 5


def test_outputs_of_no_rows_are_empty(model: PreTrainedModel) -> None:
    batch = collate([a_group([], [])])
    assert a_teacher(model).outputs(batch, wants=frozenset({TEACHER_IDS}))[TEACHER_IDS].shape[0] == 0


def test_the_same_prompt_needs_no_other_view(model: PreTrainedModel) -> None:
    group = a_group([a_rollout((5, 6), (7, 8))], [P])
    batch = collate([group])
    same = teacher_distribution(a_teacher(model, 3), prompt_ids=lambda problem: (5, 6))([group], batch)
    plain = teacher_distribution(a_teacher(model, 3))([group], batch)
    assert all(torch.equal(same[name], plain[name]) for name in plain)
    assert LISTED not in plain


def test_what_a_teacher_said_is_kept_and_read_in_any_batch(model: PreTrainedModel, tmp_path: Path) -> None:
    asked: list[int] = []

    def score(groups: Sequence[Group], batch: Batch) -> Mapping[str, torch.Tensor]:
        asked.append(len(groups))
        return teacher_distribution(a_teacher(model, 3), 2.0)(groups, batch)

    read = kept(score, tmp_path)
    for groups in (GROUPS, GROUPS[:1], GROUPS[::-1]):
        batch = collate(groups)
        found, expected = read(groups, batch), score(groups, batch)
        asked.pop()
        assert set(found) == set(expected)
        for name, column in expected.items():
            assert torch.allclose(found[name][batch.learned_BT], column[batch.learned_BT], atol=1e-6)
            assert found[name].dtype == column.dtype
    assert asked == [len(GROUPS)]
    assert len(list(tmp_path.iterdir())) == len(GROUPS)
    other = replace(GROUPS[0], rollouts=GROUPS[0].rollouts[:1], verdicts=GROUPS[0].verdicts[:1])
    read([other], collate([other]))
    assert asked == [len(GROUPS), 1]
