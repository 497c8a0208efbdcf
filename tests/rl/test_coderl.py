"""CodeRL's step: two terms with denominators of their own, judged as the recipe judges, against the paper's equations."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from critics.model import CriticSettings, OutcomeCritic, build_critic
from critics.outcomes import OutcomeClasses
from envs.problem import Problem
from envs.rewards import CODERL_RETURNS
from envs.rollout import Group, Rollout, Segment
from envs.verdict import Outcome
from rl.batch import Batch, collate
from rl.config import RunConfig, load_config
from rl.credit import beside_written, by_reward, decaying, returns
from rl.learner import Learner, policy_learner
from rl.losses import cross_entropy, only, policy_gradient
from rl.models import LanguageModel, load_policy
from rl.recipes.coderl import credit, objective
from rl.score import SAMPLED, WRITTEN, authors, critic_values, scores
from rl.write import either, ungraded
from tests.builders import a_group, a_problem, a_rollout

C, W, P, S = Outcome.COMPILE_ERROR, Outcome.WRONG_ANSWER, Outcome.PASSED, Outcome.SANDBOX_ERROR
TEMPERATURE = 0.7


def rollout(prompt: Sequence[int], ids: Sequence[int], temperature: float = TEMPERATURE) -> Rollout:
    return replace(a_rollout(prompt, ids, [-1.0] * len(ids)), temperature=temperature)


def reference(prompt: Sequence[int], ids: Sequence[int]) -> Rollout:
    return replace(a_rollout(prompt), segments=(Segment(tuple(ids), "reference"),))


GROUPS = [
    a_group([reference((5, 6, 7), (8, 9, 10, 11))], [P]),
    a_group(
        [
            rollout((20, 21), (7, 8, 9)),
            rollout((20, 21), (10,)),
            rollout((20, 21), (30, 31)),
            rollout((20, 21), (9, 8), 0.0),
        ],
        [P, C, S, W],
    ),
    a_group([rollout((22,), (12, 13)), rollout((22,), (14, 9, 15), 0.0)], [W, P]),
]


def recipe_batch(config: RunConfig, critic: OutcomeCritic, weight: float) -> Batch:
    """The batch as the recipe hands it to the learner."""

    class Fitted:
        learner = Learner(critic, learning_rate=1e-3)

    fitted = Fitted()
    fitted.weight = weight  # type: ignore[attr-defined]
    batch = collate(GROUPS)
    judges = scores(authors(config.sampling.temperature), critic_values(fitted.learner, OutcomeClasses.FOUR))
    batch = batch.with_columns(judges(GROUPS, batch))
    return batch.with_advantages(credit(config, fitted)(GROUPS, batch))  # type: ignore[arg-type]


def by_the_paper(model: LanguageModel, critic: OutcomeCritic) -> torch.Tensor:
    """L_ce + L_rl of equations 2, 4 to 7, 10 and 11, program by program, in float64; means over tokens."""
    critic = copy.deepcopy(critic).double().eval()
    classes = [C, None, W, P]
    ce = rl = torch.zeros((), dtype=torch.float64)
    n_ce = n_rl = 0
    for group in GROUPS:
        greedy = [v for r, v in zip(group.rollouts, group.verdicts, strict=True) if r.temperature == 0]
        for r, v in zip(group.rollouts, group.verdicts, strict=True):
            assert v is not None
            ids = torch.tensor([r.prompt_ids + r.completion_ids])
            n = len(r.completion_ids)
            logits = model(input_ids=ids).logits[0, -n - 1 : -1]
            if r.author == "reference":
                ce = ce - torch.log_softmax(logits, -1)[range(n), list(r.completion_ids)].sum()
                n_ce += n
                continue
            if r.temperature == 0 or v.outcome is S:
                continue
            log_p = torch.log_softmax(logits / TEMPERATURE, -1)[range(n), list(r.completion_ids)]
            hidden = critic.backbone(input_ids=ids).last_hidden_state[0, -n:]
            q = torch.softmax(critic.head(hidden), -1)[:, classes.index(v.outcome)].detach()
            rl = rl - (CODERL_RETURNS[v.outcome] - CODERL_RETURNS[greedy[0].outcome]) * (q * log_p).sum()
            n_rl += n
    return ce / n_ce + rl / n_rl


def a_critic(policy_model: LanguageModel) -> OutcomeCritic:
    critic = build_critic(policy_model, load_policy("scratch:nano", ["x"] * 9).tokenizer, CriticSettings(), seed=3)
    torch.manual_seed(1)
    torch.nn.init.normal_(critic.head.weight)  # type: ignore[arg-type]
    return critic


def test_the_step_is_that_of_the_papers_equations() -> None:
    words = ["--recipe", "coderl", "--reinforce.reward", "four_level", "--sampling.temperature", str(TEMPERATURE)]
    config = load_config(None, words)
    model = load_policy("scratch:nano", ["x"] * 9).model
    critic = a_critic(model)
    exact = copy.deepcopy(model).double()
    expected = by_the_paper(exact, critic)
    gradients = torch.autograd.grad(expected, list(exact.parameters()))
    learner = policy_learner(model, learning_rate=1e-3, micro_batch_tokens=8)
    losses = learner.backward(recipe_batch(config, critic, 1.0), objective(config), TEMPERATURE)
    assert sum(losses.values()) == pytest.approx(expected.item(), rel=1e-5)
    ours = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    theirs = torch.cat([g.flatten() for g in gradients]).float()
    assert theirs.norm() > 1e-3
    assert (ours - theirs).norm() / theirs.norm() < 1e-4


def test_each_term_counts_only_its_own_tokens() -> None:
    batch = collate(GROUPS)
    batch = batch.with_columns(authors(TEMPERATURE)(GROUPS, batch)).with_advantages(torch.ones(len(batch), 1))
    model = load_policy("scratch:nano", ["x"] * 9).model
    learner = policy_learner(model, learning_rate=0.0)
    both = learner.backward(batch, (only(policy_gradient(), SAMPLED), only(cross_entropy(), WRITTEN, 0.5)), 1.0)
    written, sampled = batch.rows(torch.arange(1)), batch.rows(torch.arange(1, len(batch)))
    assert both["cross_entropy"] == pytest.approx(
        0.5 * learner.backward(written, (cross_entropy(),), 1.0)["cross_entropy"]
    )
    assert both["policy_gradient"] == pytest.approx(
        learner.backward(sampled, (policy_gradient(),), 1.0)["policy_gradient"]
    )


def test_a_row_is_learned_at_the_temperature_of_its_column() -> None:
    batch = collate(GROUPS)
    model = load_policy("scratch:nano", ["x"] * 9).model
    learner = policy_learner(model, learning_rate=0.0)
    mixed = learner.outputs(batch.with_columns(authors(TEMPERATURE)(GROUPS, batch)), 99.0)["log_probs"]
    assert torch.allclose(mixed[:1], learner.outputs(batch, 1.0)["log_probs"][:1])
    assert torch.allclose(mixed[1:], learner.outputs(batch, TEMPERATURE)["log_probs"][1:])


def test_references_count_one_beside_credit_of_samples() -> None:
    found = beside_written(by_reward(CODERL_RETURNS_OF, returns))(GROUPS, collate(GROUPS)).flatten()
    assert found[0] == 1
    assert found[[1, 2, 4, 5, 6]].tolist() == pytest.approx([1.0, -1.0, -0.3, -0.3, 1.0])
    assert found[3].isnan()


def CODERL_RETURNS_OF(verdict: object) -> float:
    return CODERL_RETURNS[verdict.outcome]  # type: ignore[attr-defined]


def test_a_decaying_weight_falls_linearly_from_one() -> None:
    batch = collate(GROUPS)
    weighted = decaying(lambda groups, batch: torch.full((len(batch), 1), 2.0))(GROUPS, batch)
    assert weighted[0][batch.learned_BT[0]].tolist() == pytest.approx([2.0, 1.5, 1.0, 0.5])


def test_each_writer_attempts_the_problems_that_belong_to_it() -> None:
    problems = [a_problem(name) for name in "abc"]

    def writer(author: str):  # type: ignore[no-untyped-def]
        def write(problems: Sequence[Problem], number: int):  # type: ignore[no-untyped-def]
            for problem in problems:
                yield ungraded(problem, [replace(a_rollout(), program=f"{author} {problem.id} {number}")])

        return write

    def programs(groups: Sequence[Group]) -> list[list[str]]:
        return [[r.program for r in group.rollouts] for group in groups]

    apart = either(lambda problem: problem.id == "b", writer("x"), writer("y"))
    assert programs(list(apart(problems, 0))) == [["x b 0"], ["y a 0"], ["y c 0"]]
