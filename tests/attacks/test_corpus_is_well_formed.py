import re
from collections import Counter

import pytest

from envs.problem import Interface
from envs.verdict import Outcome
from tests.attacks.corpus import (
    FOLDER,
    GENERATORS,
    GROUPS,
    PATIENT_CPU_S,
    PROGRAMS,
    Places,
    load_attacks,
    load_problems,
    read_attack,
    right_canary,
    wrong_canary,
)

ATTACKS = {attack.name: attack for attack in load_attacks()}


def test_there_are_many_programs_in_each_group_with_names_of_their_own():
    paths = list(PROGRAMS.glob("*/*.py"))
    groups = Counter(attack.group for attack in ATTACKS.values())
    assert len(paths) == len(ATTACKS) >= 120
    assert set(groups) == set(GROUPS)
    assert min(groups.values()) >= 30


def test_no_program_is_called_like_a_test_file(pytestconfig):
    patterns = [*pytestconfig.getini("python_files"), "conftest.py", "__init__.py"]
    assert not [path for path in PROGRAMS.rglob("*") for pattern in patterns if path.match(pattern)]


def test_every_interface_and_every_outcome_is_in_the_corpus():
    assert {attack.request.problem.interface for attack in ATTACKS.values()} == set(Interface)
    outcomes = {outcome for attack in ATTACKS.values() for outcome in attack.verdicts}
    assert outcomes == set(Outcome) - {Outcome.SANDBOX_ERROR}


def test_most_programs_have_one_right_verdict():
    open_ones = [attack.name for attack in ATTACKS.values() if len(attack.verdicts) > 1]
    assert len(open_ones) <= len(ATTACKS) / 6
    assert not [
        name for name in open_ones if ATTACKS[name].verdicts >= {Outcome.PASSED, Outcome.TIMEOUT, Outcome.WRONG_ANSWER}
    ]


def test_no_hostile_program_may_pass_unless_its_answers_are_right():
    may_pass = {
        name for name, attack in ATTACKS.items() if attack.group == "cheating" and Outcome.PASSED in attack.verdicts
    }
    assert may_pass == set()


def test_only_programs_that_must_run_out_of_time_have_little():
    for attack in ATTACKS.values():
        assert (attack.request.problem.limits.cpu_s < PATIENT_CPU_S) == (Outcome.TIMEOUT in attack.verdicts), (
            attack.name
        )


def test_every_threat_has_a_program():
    text = (FOLDER / "threats.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (\w+)\n\n((?:- .*\n)+)", text, flags=re.MULTILINE))
    assert tuple(sections) == GROUPS
    for group, lines in sections.items():
        for line in lines.splitlines():
            threat, names = line.removeprefix("- ").rsplit(": ", 1)
            for name in names.split(", "):
                assert name in ATTACKS, f"{threat}: no program is called {name}"
                assert ATTACKS[name].group == group, f"{threat}: {name} is in the group {ATTACKS[name].group}"


def test_every_problem_and_every_generator_is_used():
    headers = b"\n".join(path.read_bytes().partition(b"# --- program")[0] for path in PROGRAMS.glob("*/*.py")).decode()
    assert set(re.findall(r"^# problem: (\w+)$", headers, flags=re.MULTILINE)) == set(load_problems())
    assert set(re.findall(r"^# generate: (\w+)$", headers, flags=re.MULTILINE)) == set(GENERATORS)


def test_places_are_filled_into_programs():
    places = Places(tcp_port=54321, secret_file="/home/somebody/secret", canary_pid=4321)
    programs = {attack.name: attack.request.program for attack in load_attacks(places)}
    assert b'("127.0.0.1", 54321)' in programs["tcp_connect"]
    assert b'"/home/somebody/secret"' in programs["read_secret_file"]
    assert b"os.kill(4321, signal.SIGURG)" in programs["kill_canary"]
    assert not [name for name, program in programs.items() if re.search(rb"@[A-Z_]+@", program)]


def test_expected_values_that_programs_search_for_are_not_in_the_programs():
    secrets = [case.output.encode() for case in load_problems()["secret"].hidden_tests]
    assert all(re.fullmatch(rb"RLT-EXPECTED-[0-9a-f]{16}", secret) for secret in secrets)
    assert not [name for name, attack in ATTACKS.items() if any(secret in attack.request.program for secret in secrets)]


def test_programs_keep_their_bytes():
    assert ATTACKS["source_byte_order_mark"].request.program.startswith(b"\xef\xbb\xbfdef ")
    assert b"\r\n" in ATTACKS["source_windows_lines"].request.program
    assert b"\x00" in ATTACKS["source_nul_byte"].request.program
    assert ATTACKS["source_empty"].request.program == b""
    assert ATTACKS["source_future_import"].request.program.startswith(b"from __future__ import annotations\n")
    assert max(map(len, ATTACKS["source_two_megabyte_line"].request.program.split(b"\n"))) > 2_000_000


def test_canaries_differ_from_each_other():
    for problem in load_problems().values():
        canaries = [make(problem, serial).program for make in (right_canary, wrong_canary) for serial in range(2)]
        assert len(set(canaries)) == 4
        for canary in canaries:
            compile(canary, problem.id, "exec")


GOOD = "# group: cheating\n# problem: add\n# verdict: wrong_answer\n# must not: pass\n# --- program ---\nadd = 1\n"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (GOOD.replace("# --- program ---\n", ""), "the line '# --- program ---' is missing"),
        (GOOD.replace("# must not: pass\n", ""), "the header lacks must not"),
        (GOOD.replace("cheating", "escape"), "group: expected cheating, as its folder says; got escape"),
        (GOOD.replace(": add", ": subtract"), "problem: no row of problems.jsonl has the id 'subtract'"),
        (GOOD.replace("wrong_answer", "wrong"), "verdict: expected outcomes separated by ` | `; got 'wrong'"),
        (GOOD.replace("wrong_answer", "sandbox_error"), "verdict: no program may earn a sandbox_error"),
        (GOOD.replace("wrong_answer", "timeout | passed"), "`why open` goes with several verdicts, and only with them"),
        (GOOD.replace("# must", "# why open: so\n# must"), "`why open` goes with several verdicts, and only with them"),
        (GOOD.replace("# must", "# level: L9\n# must"), "level: expected L1 or L2 or L3; got 'L9'"),
        (GOOD.replace("# must", "# control: no\n# must"), "control: expected yes; got 'no'"),
        (GOOD.replace("# must", "# problem: add\n# must"), "line 4: 'problem' is given twice"),
        (GOOD.replace("# must not", "# may not"), "line 4: unknown key 'may not'"),
        (GOOD.replace("# group", "group"), "line 1: expected `# key: value`; got 'group: cheating'"),
        (
            GOOD.replace("# must", "# generate: long_sum\n# must"),
            "generate: a generated program has no bytes of its own",
        ),
        (GOOD.replace("add = 1", "add = '@TCP_PORT@ @NOWHERE@'"), "@NOWHERE@: no such place"),
    ],
)
def test_a_malformed_program_file_is_named_with_its_fault(tmp_path, wrong, message):
    path = tmp_path / "cheating" / "sample.py"
    path.parent.mkdir()
    places = {b"TCP_PORT": b"9"}
    path.write_text(GOOD)
    assert read_attack(path, load_problems(), places).verdicts == {Outcome.WRONG_ANSWER}
    path.write_text(wrong)
    with pytest.raises(ValueError, match=re.escape(f"cheating/sample.py: {message}")):
        read_attack(path, load_problems(), places)
