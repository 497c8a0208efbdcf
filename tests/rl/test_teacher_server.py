"""The teacher behind a server, against a real one that misbehaves: nothing paid for is lost, nothing is paid for twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from envs.errors import UserError
from envs.rollout import Prompt, StopReason
from rl.teacher_cache import AnswerCache, key_of
from rl.teacher_server import ServerSettings, _asked_pause, server_teacher
from rl.teachers import Answer, Question
from tests.rl.fake_server import FakeServer, serving


def settings_of(server: FakeServer | str, **changes: Any) -> ServerSettings:
    url = server if isinstance(server, str) else server.url
    return ServerSettings(
        **{"server": url, "model": "m", "temperature": 0.6, "max_new_tokens": 20, "first_pause_s": 0.001, **changes}
    )


def questions(count: int = 1, n: int = 2) -> list[Question]:
    return [Question(Prompt(f"p{i}", f"Question {i}"), tuple(range(100 * i, 100 * i + n))) for i in range(count)]


def ask(settings: ServerSettings, folder: Path, asked: list[Question], **budgets: int) -> list[list[Answer]]:
    with AnswerCache(folder, **budgets) as cache:
        return list(server_teacher(settings, cache)(asked))


def test_answers_come_in_order_and_are_kept(tmp_path: Path) -> None:
    with serving() as server:
        first = ask(settings_of(server), tmp_path, questions(5))
        assert [len(answers) for answers in first] == [2] * 5
        assert [answers[0].text.split()[2] for answers in first] == ["0", "100", "200", "300", "400"]
        assert {answer.stop for answers in first for answer in answers} == {StopReason.END_OF_TEXT}
        assert ask(settings_of(server), tmp_path, questions(5)) == first
        assert len(server.asked) == 5
        ask(settings_of(server), tmp_path, questions(7))
        assert len(server.asked) == 7


@pytest.mark.parametrize(
    "change",
    [{"model": "other"}, {"temperature": 0.7}, {"max_new_tokens": 21}, {"stop": ("#",)}, {"per_request": 1}],
)
def test_another_request_is_another_answer(tmp_path: Path, change: dict[str, Any]) -> None:
    with serving() as server:
        ask(settings_of(server), tmp_path, questions())
        ask(settings_of(server, **change), tmp_path, questions())
        assert len(server.asked) == (3 if "per_request" in change else 2)


def test_the_same_request_has_one_key_in_any_order() -> None:
    assert key_of({"a": 1, "b": "é"}) == key_of({"b": "é", "a": 1}) != key_of({"a": 2, "b": "é"})


@pytest.mark.parametrize("mood", ["status 429", "status 500", "status 503", "drop", "silent 0.5"])
def test_a_failed_try_is_followed_by_another(tmp_path: Path, mood: str) -> None:
    with serving([mood, mood]) as server:
        answers = ask(settings_of(server, timeout_s=0.2), tmp_path, questions())
        assert len(answers[0]) == 2
        assert len(server.asked) == 3
        assert len({json.dumps(body, sort_keys=True) for body in server.asked}) == 1


def test_a_server_that_stays_silent_is_given_up_and_what_it_said_is_kept(tmp_path: Path) -> None:
    with serving(["good"] + ["status 503"] * 3) as server:
        settings = settings_of(server, tries=3, parallel=1)
        with pytest.raises(
            UserError, match=r"gave no answer in 3 tries; the last one: status 503: .*start the run again"
        ):
            ask(settings, tmp_path, questions(3))
        assert len(server.asked) == 4
        assert [len(a) for a in ask(settings, tmp_path, questions(3))] == [2, 2, 2]
        assert len(server.asked) == 6


def test_a_refusal_is_told_at_once_and_shows_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "sk-secret")
    with serving(["status 401"]) as server:
        with pytest.raises(UserError, match="the key is read from A_KEY") as caught:
            ask(settings_of(server, key_variable="A_KEY"), tmp_path, questions())
        assert server.keys == ["Bearer sk-secret"]
        assert "sk-secret" not in str(caught.value)
    assert all(b"sk-secret" not in file.read_bytes() for file in tmp_path.iterdir())


def test_without_a_key_none_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with serving() as server:
        ask(settings_of(server), tmp_path, questions())
        assert server.keys == [None]


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    with serving(["status 302"]) as server, pytest.raises(UserError, match="refused: status 302"):
        ask(settings_of(server), tmp_path, questions())
    assert len(server.asked) == 1


def test_no_server_at_all_costs_nothing(tmp_path: Path) -> None:
    with serving() as server:
        settings = settings_of(server, tries=2)
    with pytest.raises(UserError, match="gave no answer in 2 tries"):
        ask(settings, tmp_path, questions(), max_requests=1)
    with AnswerCache(tmp_path) as cache:
        assert cache.requests == 0


def test_cut_answers_say_so_unless_a_stop_string_came_first(tmp_path: Path) -> None:
    with serving(["cut"]) as server:
        [[one, two]] = ask(settings_of(server), tmp_path, questions())
        assert one.stop is two.stop is StopReason.LENGTH
    with serving(["cut"]) as server:
        stop = ("x", "y", "z", "w", " #")
        [[one, _]] = ask(settings_of(server, stop=stop), tmp_path, questions())
        assert one == Answer(" 5", StopReason.STOP_STRING)
        assert server.asked[0]["stop"] == ["x", "y", "z", "w"]


def test_fewer_answers_than_asked_are_followed_by_more_requests(tmp_path: Path) -> None:
    with serving(["one", "one"]) as server:
        first = ask(settings_of(server), tmp_path, questions(n=4))
        assert [body["n"] for body in server.asked] == [4, 3, 2]
        assert len({answer.text for answer in first[0]}) == 4
        assert ask(settings_of(server), tmp_path, questions(n=4)) == first
        assert len(server.asked) == 3


def test_chat_sends_messages(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "Question"}]
    with serving() as server:
        asked = [Question(Prompt("p", json.dumps(messages), "chat"), (1,))]
        [[answer]] = ask(settings_of(server, api="chat"), tmp_path, asked)
        assert answer.text.startswith(" 5 #")
        assert (server.paths, server.asked[0]["messages"]) == (["/v1/chat/completions"], messages)


def test_a_budget_of_requests_is_never_exceeded(tmp_path: Path) -> None:
    with serving(["good", "status 500", "status 429"]) as server:
        settings = settings_of(server, parallel=1)
        for _ in range(3):
            with pytest.raises(
                UserError, match=r"teacher.max_requests: the next request would exceed the budget: 3 spent"
            ):
                ask(settings, tmp_path, questions(9), max_requests=3)
        assert len(server.asked) == 4  # the refused one was free
        assert len(ask(settings, tmp_path, questions(2), max_requests=3)) == 2  # what is paid for stays there


def test_a_budget_of_tokens_counts_what_a_lost_request_may_have_cost(tmp_path: Path) -> None:
    most = len('"Question 0"') + 2 * 20
    with serving(["drop"]) as server:
        settings = settings_of(server, parallel=1)
        with pytest.raises(UserError, match=rf"teacher.max_tokens: .* {most + 7} spent, {most} needed, 110 allowed"):
            ask(settings, tmp_path, questions(2), max_tokens=110)
        assert len(server.asked) == 2
    with AnswerCache(tmp_path) as cache:
        assert (cache.requests, cache.tokens) == (2, most + 7)


def test_ranks_share_a_budget(tmp_path: Path) -> None:
    with (
        AnswerCache(tmp_path, max_requests=5, part=0, parts=2) as first,
        AnswerCache(tmp_path, max_requests=5, part=1, parts=2) as second,
    ):
        for cache in (first, second):
            assert (cache.spend(1), cache.spend(1)) == (1, 2)
            with pytest.raises(UserError, match="2 spent, 1 needed, 2 allowed"):
                cache.spend(1)


def test_two_runs_do_not_pay_for_the_same_answers(tmp_path: Path) -> None:
    with AnswerCache(tmp_path), pytest.raises(UserError, match="is in use by another run"):
        AnswerCache(tmp_path)
    with AnswerCache(tmp_path):
        pass


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://a", "http://", "http://me:secret@host/v1"])
def test_a_server_is_a_url_without_a_key(url: str) -> None:
    with pytest.raises(UserError, match=r"^teacher.server: ") as caught:
        settings_of(url)
    assert "secret" not in str(caught.value)


def test_how_long_a_server_asks_to_wait() -> None:
    assert _asked_pause("7", 1.0) == 7.0
    assert _asked_pause(None, 1.0) == 1.0
    assert _asked_pause("soon", 1.0) == 1.0
    assert _asked_pause("Wed, 21 Oct 2015 07:28:00 GMT", 1.0) == 0.0


CLIENT = """
import sys
from pathlib import Path
from tests.rl.test_teacher_server import ask, questions, settings_of
print(len(ask(settings_of(sys.argv[1], parallel=3, tries=40), Path(sys.argv[2]), questions(60))))
"""


@pytest.mark.slow
def test_nothing_is_lost_or_paid_twice_when_client_and_server_are_killed(tmp_path: Path) -> None:
    log = tmp_path / "paid.jsonl"
    cache = tmp_path / "cache"

    def start_server() -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.rl.fake_server", str(log)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        return process, f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"

    def start_client(url: str) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", CLIENT, url, str(cache)], stdout=subprocess.PIPE, text=True)

    def answered() -> list[dict[str, Any]]:
        file = cache / "answers-000.jsonl"
        lines = file.read_text().split("\n")[:-1] if file.exists() else []
        return [row for row in map(json.loads, lines) if "answered" in row]

    def wait_for(count: int) -> None:
        deadline = time.monotonic() + 60
        while len(answered()) < count and time.monotonic() < deadline:
            time.sleep(0.01)

    server, url = start_server()
    try:
        kept: set[str] = set()
        for count in (10, 25):
            client = start_client(url)
            wait_for(count)
            os.kill(client.pid, signal.SIGKILL)
            client.communicate()
            assert kept < {row["key"] for row in answered()}
            kept = {row["key"] for row in answered()}
        client = start_client(url)
        out, _ = client.communicate(timeout=60)
        assert (client.returncode, out) == (0, "60\n")
    finally:
        server.kill()
        server.communicate()
    keys = [row["key"] for row in answered()]
    assert len(keys) == len(set(keys)) == 60
    paid = Counter(log.read_text().splitlines())
    # Only what was in flight at a kill, at most three requests each time, was ever asked for again.
    assert len(paid) == 60
    assert sum(paid.values()) <= 60 + 2 * 3
    assert start_client(url).communicate(timeout=60)[0] == "60\n"  # the server is dead, and not needed any more
