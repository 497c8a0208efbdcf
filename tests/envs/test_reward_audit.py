"""The audit names what is weak in reward functions that are weak, for the right reason, and nothing in ours."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from envs.errors import UserError
from envs.grading import Grader, GradeRequest
from envs.problem import Interface
from envs.reward_audit import INTERFACES, AuditedReward, Weakness, audit_reward, render
from envs.reward_audit.attacks import targets
from envs.reward_audit.judges import FunctionJudge, JudgeEndedError, UrlJudge
from envs.reward_audit.shapes import Form, Shape, asking, reward_in
from rl.cli import main

W = Weakness


def audit(name: str, *interfaces: Interface, **settings: float) -> AuditedReward:
    with contextlib.closing(FunctionJudge(f"tests.envs.weak_rewards:{name}")) as judge:
        return audit_reward(judge, interfaces or INTERFACES, **settings)


def weaknesses(audited: AuditedReward) -> set[Weakness]:
    return {finding.weakness for finding in audited.findings}


UNSEPARATED = {W.SHARED_INTERPRETER, W.EXPECTED_IN_REACH, W.UNJAILED}
"""What is wrong wherever program and test share a process."""
WEAK = {
    "exit_code": (Interface.ASSERT, {W.EXIT_STATUS, *UNSEPARATED}),
    "asserts_in_process": (Interface.FUNCTION, {W.ENDED, *UNSEPARATED}),
    "zip_of_lines": (Interface.STDIO, {W.ZIP, W.EMPTY_EXPECTED, W.UNJAILED}),
    "first_element": (Interface.STDIO, {W.FIRST_ITEM, W.UNJAILED}),
    "sorted_lines": (Interface.STDIO, {W.ORDER, W.UNJAILED}),
    "contains": (Interface.STDIO, {W.CONTAINED, W.EMPTY_EXPECTED, W.UNJAILED}),
    "ignores_crashes": (Interface.STDIO, {W.CRASH, W.UNJAILED}),
    "tolerant": (Interface.STDIO, {W.NAN, W.UNJAILED}),
    "all_of_nothing": (Interface.FUNCTION, {W.NO_RESULTS, W.UNJAILED}),
    "marker": (Interface.ASSERT, {W.MARKER, *UNSEPARATED}),
    "wall_clock": (Interface.FUNCTION, {W.CLOCK}),
    "own_clock": (Interface.FUNCTION, {W.CLOCK}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WEAK)
def test_each_weak_reward_is_caught_for_the_right_reason(name: str) -> None:
    interface, expected = WEAK[name]
    audited = audit(name, interface, limit_s=0.5)
    assert expected <= weaknesses(audited), render(audited)
    if name not in ("wall_clock", "own_clock"):  # these judge in their own process, which has holes beside the clock
        assert weaknesses(audited) == expected, render(audited)
    assert all(finding.fix in render(audited) for finding in audited.findings)


@pytest.mark.slow
def test_our_grader_pays_for_right_programs_only() -> None:
    found = [target for interface in INTERFACES for target in targets(interface, "/tmp/never", limit_s=0.5)]
    with Grader(2) as grader:
        for target in found:
            sources = [target.right, *(attack.program for attack in target.attacks)]
            tests = target.problem.hidden_tests
            verdicts = grader.grade([GradeRequest(target.problem, source, tests) for source in sources])
            assert [verdict.passed for verdict in verdicts] == [True] + [False] * len(target.attacks), target.problem.id


def test_a_bonus_for_form_is_named_by_above() -> None:
    audited = audit("pays_for_form", Interface.FUNCTION)
    assert weaknesses(audited) == {W.WRONG_EARNS, W.EMPTY_EXPECTED}  # and not one weakness for each trick
    assert audited.forms == {"function": "chat"}
    assert audit("pays_for_form", Interface.FUNCTION, above=0.1).clean


@pytest.mark.parametrize("name", ["pays_nothing", "knows_nothing"])
def test_a_reward_that_never_pays_tells_nothing(name: str) -> None:
    with pytest.raises(UserError, match="cannot tell: no right program earned more than 0"):
        audit(name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tests.envs.weak_rewards:other_signature", r"has parameters \(text\); expected TRL's"),
        ("tests.envs.weak_rewards:nothing_here", "expected a function called nothing_here"),
        ("tests.envs.weak_rewards:W", "expected a function called W"),
        ("no_such_module:reward", "cannot import no_such_module: ModuleNotFoundError"),
        ("no_such_file.py:reward", "cannot import no_such_file.py: FileNotFoundError"),
        ("reward", "expected MODULE:FUNCTION"),
    ],
)
def test_a_reward_that_cannot_be_called_is_refused_in_one_line(name: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        FunctionJudge(name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("interface", INTERFACES)
def test_every_attack_names_simpler_ones_that_come_before_it(interface: Interface) -> None:
    for target in targets(interface, "/tmp/never"):
        seen: list[str] = []
        for attack in target.attacks:
            assert set(attack.explained_by) <= set(seen)
            assert attack.name not in seen
            seen.append(attack.name)
        tainting = [attack.taints for attack in target.attacks]
        assert tainting == sorted(tainting)


@pytest.mark.parametrize(
    ("answer", "reward"),
    [
        ([0.5], 0.5),
        ([None], None),
        (True, 1.0),
        ({"score": 1, "acc": 0}, 1.0),
        ({"rewards": [2]}, 2.0),
        ((0.25, ["x"]), 0.25),
        (None, None),
    ],
)
def test_the_reward_in_an_answer(answer: object, reward: float | None) -> None:
    assert reward_in(answer) == reward


def test_an_answer_without_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a number"):
        reward_in({"verdict": "passed"})


@contextlib.contextmanager
def service(pays: str) -> Iterator[str]:
    """A reward service that pays for completions that hold a text, and fails at one of the programs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            completion = asked["completions"][0] if "completions" in asked else asked["solution_str"]
            reward = float(pays in completion and "_exit" not in completion)
            body = json.dumps({"rewards": [reward]} if "completions" in asked else {"score": reward}).encode()
            self.send_response(500 if "SystemExit(3)" in completion else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("shape", Shape)
def test_a_service_is_audited(shape: Shape) -> None:
    with service(pays="def ") as url:
        audited = audit_reward(UrlJudge(url, shape), [Interface.ASSERT])
    assert {W.WRONG_EARNS, W.ENDED} <= weaknesses(audited)
    assert any("status 500" in str(one.ended) for finding in audited.findings for one in finding.shown_by)


def test_a_service_that_is_not_there_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match=r"cannot tell: .*gave no answer"):
        audit_reward(UrlJudge("http://127.0.0.1:9", Shape.TRL, 1.0), [Interface.STDIO])
    with pytest.raises(UserError, match="expected http"):
        UrlJudge("ftp://here", Shape.TRL)


def test_a_judge_that_hangs_or_ends_is_told_and_replaced(tmp_path: Path) -> None:
    Path(tmp_path, "hanging.py").write_text(
        "import os, time\n\ndef reward(completions):\n"
        "    if 'wrong' in completions[0]:\n        time.sleep(60)\n"
        "    if 'count' not in completions[0]:\n        os._exit(7)\n    return [1.0]\n"
    )
    target = targets(Interface.FUNCTION, "/tmp/never")[0]
    with contextlib.closing(FunctionJudge(f"{tmp_path}/hanging.py:reward", deadline_s=1.0)) as judge:
        for program, said in ((target.attacks[0].program, "no answer in 1 s"), ("pass\n", "ended with status 7")):
            with pytest.raises(JudgeEndedError, match=said):
                judge.reward(target.problem, program, Form.BARE)
            assert judge.reward(target.problem, target.right, Form.BARE) == 1.0


def test_the_command_names_weaknesses_and_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["audit", "rewards", "--reward", "tests/envs/weak_rewards.py:pays_for_form", "--interface", "stdio"]
    assert main(words) == 1
    assert "wrong_earns: pay nothing" in capsys.readouterr().out
    assert main([*words, "--above", "0.1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["clean"]
    assert main([*words, "--above", "1"]) == 2
    assert capsys.readouterr().err.startswith("rl-train: cannot tell")


def test_the_arguments_of_both_shapes_hold_the_same_tests() -> None:
    problem = targets(Interface.FUNCTION, "/tmp/never")[0].problem
    trl, verl = (asking(shape, Form.FENCED, problem, "pass") for shape in Shape)
    assert trl["ground_truth"] == [verl["ground_truth"]]
    assert json.loads(verl["ground_truth"])["fn_name"] == "keys"
    assert trl["completions"] == [verl["solution_str"]] == ["```python\npass\n```"]
    assert trl["tests"][0][0].startswith("assert keys(3, 4) == ['key-")
