"""The engine: what a completion holds does not depend on who shares the batch, and who leaves costs nothing more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch

from envs.rollout import StopReason
from rl.decode import sample
from rl.models import Policy, load_policy
from rl.serve.engine import Ask, ClosedError, Engine, Row, Work, nucleus

PROMPTS = ((9, 8, 7), tuple(range(20, 60)), (40,), tuple(range(60, 67)))
LONG = 48


@pytest.fixture(scope="module")
def policy() -> Policy:
    policy = load_policy("scratch:nano", ["def f(x):\n    return x\n"] * 20, seed=3)
    torch.manual_seed(0)
    for parameter in policy.model.parameters():
        parameter.data += 0.15 * torch.randn_like(parameter)  # far from uniform, so that mistakes show
    return policy


@pytest.fixture(scope="module")
def engine(policy: Policy) -> Iterator[Engine]:
    with Engine(policy, max_rows=8) as engine:
        yield engine


def answered(engine: Engine, *asks: Ask) -> list[list[Row]]:
    """What comes of asks once all is done."""
    return waited(lambda done: engine.submit(asks, done)).rows


def waited(submit: Callable[[Callable[[], object]], Work]) -> Work:
    done = threading.Event()
    work = submit(done.set)
    assert done.wait(30)
    if work.error is not None:
        raise work.error
    return work


def ids(rows: Sequence[Sequence[Row]]) -> list[list[tuple[int, ...]]]:
    return [[tuple(row.ids) for row in group] for group in rows]


def test_it_samples_what_the_sampler_samples(engine: Engine, policy: Policy) -> None:
    seeds = [[1, 2], [3, 4], [5, 6], [7, 8]]
    expected = sample(policy.model, PROMPTS, seeds, temperature=0.8, max_new_tokens=LONG, end_id=policy.end_id)
    found = answered(engine, *(Ask(prompt, tuple(own), LONG, 0.8) for prompt, own in zip(PROMPTS, seeds, strict=True)))
    assert ids(found) == [[completion.ids for completion in group] for group in expected]
    assert [[row.stop for row in group] for group in found] == [[one.stop for one in group] for group in expected]
    assert found[1][0].log_probs == pytest.approx(expected[1][0].log_probs, abs=1e-5)


def test_rows_that_join_and_leave_change_nothing_for_the_others(engine: Engine) -> None:
    """Forty clients of all lengths at random times, through eight places: as if each were alone."""
    asks = [
        Ask(PROMPTS[i % 4], tuple(range(10 * i, 10 * i + 1 + i % 3)), 1 + (7 * i) % LONG, (0.0, 0.7, 1.3)[i % 3])
        for i in range(40)
    ]
    alone = [ids(answered(engine, ask)) for ask in asks]
    found: list[Any] = [None] * len(asks)

    def client(i: int) -> None:
        time.sleep((i * 7 % 11) / 200)
        found[i] = ids(answered(engine, asks[i]))

    clients = [threading.Thread(target=client, args=(i,)) for i in range(len(asks))]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    assert found == alone
    assert len({str(one) for one in alone}) > 30


def test_alone_the_same_ask_gives_the_same_bits(engine: Engine) -> None:
    first, second = (answered(engine, Ask(PROMPTS[1], (5, 6, 7), LONG)) for _ in range(2))
    assert [row.log_probs for row in first[0]] == [row.log_probs for row in second[0]]


def test_more_than_the_batch_holds_waits_its_turn(engine: Engine) -> None:
    many = answered(engine, Ask(PROMPTS[0], tuple(range(20)), LONG), Ask(PROMPTS[1], (1,), LONG))
    assert [len(group) for group in many] == [20, 1]
    assert all(row.stop for group in many for row in group)


def test_a_stop_string_ends_a_completion_and_its_text_lies_before_it(engine: Engine, policy: Policy) -> None:
    whole = answered(engine, Ask(PROMPTS[1], (5,), LONG))[0][0]
    text = policy.decode(whole.ids)
    stop = text[len(text) // 2 :][:3]
    cut = answered(engine, Ask(PROMPTS[1], (5,), LONG, stop=("never there", stop)))[0][0]
    assert cut.stop is StopReason.STOP_STRING
    assert whole.ids[: len(cut.ids)] == cut.ids
    assert cut.text is not None
    assert cut.text.text + cut.text.end() == text[: text.index(stop)]


def test_a_work_that_is_cancelled_leaves_the_batch(engine: Engine) -> None:
    unending = Ask((9, 8, 7), tuple(range(8)), 900)
    work = engine.submit([unending], lambda: None)
    while not engine.load[0]:
        time.sleep(0.001)
    work.cancel()
    assert answered(engine, Ask(PROMPTS[0], (1,), 4))[0][0].stop
    assert work.done
    assert len(work.rows[0][0].ids) < 900
    assert engine.load == (0, 0)


def test_what_is_told_of_tokens_is_the_models_own_distribution(engine: Engine, policy: Policy) -> None:
    work = waited(
        lambda done: engine.submit([Ask(PROMPTS[3], (1,), 5, 0.5, top_p=0.5, top=3, score_prompt=True)], done)
    )
    row = work.rows[0][0]
    read = torch.tensor([[*PROMPTS[3], *row.ids]])
    with torch.no_grad():
        log_probs_SV = torch.log_softmax(policy.model(input_ids=read).logits[0], dim=-1)
    told = [*work.prompts[0][1:], *row.told]
    for place, one in enumerate(told):
        assert one is not None
        token = int(read[0, place + 1])
        assert one.log_prob == pytest.approx(float(log_probs_SV[place, token]), abs=1e-4)
        best = log_probs_SV[place].topk(3)
        assert [token for token, _ in one.top] == best.indices.tolist()
        assert [value for _, value in one.top] == pytest.approx(best.values.tolist(), abs=1e-4)
    assert work.prompts[0][0] is None


def test_a_prompt_is_scored_without_a_completion(engine: Engine) -> None:
    work = waited(lambda done: engine.submit([Ask(PROMPTS[3], (), 0, top=0, score_prompt=True)], done))
    assert len(work.prompts[0]) == len(PROMPTS[3])
    assert work.rows == [[]]


def test_a_completion_ends_where_the_model_has_no_more_room(engine: Engine, policy: Policy) -> None:
    assert policy.positions is not None
    full = tuple(5 + i % 200 for i in range(policy.positions))
    found = answered(engine, Ask(full[:-3], (1,), 100), Ask(full, (1,), 100))
    assert len(found[0][0].ids) <= 3
    assert (found[1][0].ids, found[1][0].stop) == ([], StopReason.LENGTH)


def test_a_failure_is_told_to_those_it_hits_and_the_engine_goes_on(engine: Engine, capsys: Any) -> None:
    with pytest.raises(IndexError):
        answered(engine, Ask((10**6,), (1,), 3))
    assert answered(engine, Ask(PROMPTS[0], (1,), 3))[0][0].stop
    assert "IndexError" in capsys.readouterr().err


def test_closing_fails_what_is_not_done(policy: Policy) -> None:
    engine = Engine(policy)
    done = threading.Event()
    work = engine.submit([Ask((9, 8, 7), tuple(range(8)), 900)], done.set)
    engine.close()
    assert done.wait(5)
    assert isinstance(work.error, ClosedError)
    with pytest.raises(ClosedError):
        engine.submit([], done.set)


def test_the_nucleus_is_the_fewest_tokens_that_reach_its_probability() -> None:
    logits_BV = torch.tensor([[0.5, 0.2, 0.2, 0.1]] * 4).log()
    kept = nucleus(logits_BV, torch.ones(4, 1), torch.tensor([[0.4], [0.65], [0.71], [1.0]])).isfinite()
    assert kept.tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
