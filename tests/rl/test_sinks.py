"""Sinks: every number of the log arrives and can be read back; what is missing or fails is said in one line."""

from __future__ import annotations

import json
import sqlite3
import struct
import time
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from envs.errors import UserError
from rl.log import Log
from rl.sinks import SINKS, Sink, Sinks, TensorBoard, Trackio, WeightsAndBiases, numbers, refuse_missing, run_name
from tests.recipes.test_recipes import small_run

METRICS = {"tokens": 12.0, "pass_rate": 0.5, "outcomes": {"passed": 3, "wrong_answer": 1}}
CONFIG = {"seed": 0, "data": {"path": None}, "evaluation": {"ks": [1, 4]}}
WRITTEN = {
    ("reinforce/tokens", 4): 12.0,
    ("reinforce/pass_rate", 4): 0.5,
    ("reinforce/outcomes/passed", 4): 3.0,
    ("reinforce/outcomes/wrong_answer", 4): 1.0,
    ("reinforce/dev_pass_rate", 4): 0.375,
    ("reinforce/learn_s", 4): 0.25,
}


def log_a_round(folder: Path, *sinks: Sink) -> str:
    """A log with sinks that sees one round; what it showed."""
    shown = StringIO()
    with Log(folder, Console(file=shown, width=1000), sinks=sinks) as log:
        log.phase("reinforce")
        log.round(4, METRICS)
        log.evaluation(4, 0.375)
        log.seconds(4, {"learn_s": 0.25})
    return shown.getvalue()


def scalars(folder: Path) -> dict[tuple[str, int], float]:
    """(name, step) -> value of the event files of a folder: records of length, checksum, event, checksum."""
    from tensorboardX.proto.event_pb2 import Event

    found = {}
    for file in sorted(folder.glob("events.out.*")):
        content, at = file.read_bytes(), 0
        while at < len(content):
            (length,) = struct.unpack_from("<Q", content, at)
            event = Event.FromString(content[at + 12 : at + 12 + length])
            found |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
            at += 16 + length
    return found


def test_tensorboard_gets_every_number(tmp_path: Path) -> None:
    assert "warning" not in log_a_round(tmp_path, TensorBoard("project", tmp_path, CONFIG))
    assert scalars(tmp_path / "tensorboard") == WRITTEN


def test_trackio_gets_every_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "database"))
    pytest.importorskip("trackio")
    assert "warning" not in log_a_round(tmp_path, Trackio("project", tmp_path, CONFIG))
    with sqlite3.connect(tmp_path / "database/project.db") as database:
        rows = database.execute("select run_name, step, metrics from metrics").fetchall()
    assert {run for run, _, _ in rows} == {run_name(tmp_path)}
    assert {(name, step): value for _, step, row in rows for name, value in json.loads(row).items()} == WRITTEN


def test_wandb_gets_every_number_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    pytest.importorskip("wandb")
    from wandb.proto.wandb_internal_pb2 import Record

    assert "warning" not in log_a_round(tmp_path, WeightsAndBiases("project", tmp_path, CONFIG))
    (file,) = tmp_path.glob(f"wandb/offline-run-*-{run_name(tmp_path)}/*.wandb")
    deadline = time.monotonic() + 60
    records: list[Any] = []
    while not any(record.HasField("exit") for record in records) and time.monotonic() < deadline:
        time.sleep(0.1)  # another process writes the file
        content, at, records = file.read_bytes(), 7, []
        while at < len(content):  # records of checksum, length, kind; one block is enough for so few
            (length,) = struct.unpack_from("<H", content, at + 4)
            records.append(Record.FromString(content[at + 7 : at + 7 + length]))
            at += 7 + length
    found = {}
    for record in records:
        values = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
        found |= {
            (name, values["reinforce/round"]): value for name, value in values.items() if name.startswith("reinforce/")
        }
    assert found.pop(("reinforce/round", 4)) == 4
    assert found == WRITTEN


def test_numbers_only_and_nested_ones_by_both_names() -> None:
    record = {
        "phase": "p",
        "round": 3,
        "ok": True,
        "nan": float("nan"),
        "none": None,
        "outcomes": {"passed": 2},
        "loss/kl": 0.5,
    }
    assert numbers(record) == {"round": 3, "outcomes/passed": 2, "loss/kl": 0.5}


class Counting(Sink):
    """A sink that counts, and fails where it is told to."""

    package = "counting"
    fails_at = ""

    def open(self) -> None:
        self.rounds: list[int] = []
        self.closed = False
        self._maybe_fail("open")

    def write(self, phase: str, number: int, values: Mapping[str, float]) -> None:
        self._maybe_fail("write")
        print("trackers like to talk")
        self.rounds.append(number)

    def close(self) -> None:
        self._maybe_fail("close")
        self.closed = True

    def _maybe_fail(self, moment: str) -> None:
        if self.fails_at == moment:
            raise ConnectionError(f"cannot {moment}")


@pytest.mark.parametrize("moment", ["open", "write", "close"])
def test_a_sink_that_fails_is_told_of_once_and_stops_nothing(
    tmp_path: Path, moment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    failing, sound = Counting("project", tmp_path, CONFIG), Counting("project", tmp_path, CONFIG)
    failing.fails_at = moment
    said: list[str] = []
    sinks = Sinks([failing, sound], said.append)
    for number in range(3):
        sinks.write({"phase": "reinforce", "round": number, "tokens": 1.0})
    sinks.close()
    assert said == [f"warning: counting gets no more numbers, training goes on: ConnectionError: cannot {moment}"]
    assert (sound.rounds, sound.closed) == ([0, 1, 2], True)
    assert capsys.readouterr().out == ""  # standard output is for results


def test_a_real_tracker_that_cannot_write_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "tensorboard").write_text("a file where the folder should be")
    shown = log_a_round(tmp_path, TensorBoard("project", tmp_path, CONFIG))
    assert shown.count("warning: tensorboardX gets no more numbers, training goes on: ") == 1
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 2


def test_nothing_is_opened_before_the_first_number(tmp_path: Path) -> None:
    with Log(tmp_path, Console(file=StringIO()), sinks=[TensorBoard("project", tmp_path, CONFIG)]):
        pass
    assert not (tmp_path / "tensorboard").exists()


@pytest.mark.parametrize("name", SINKS)
def test_a_missing_library_is_named_with_the_command_that_installs_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SINKS[name], "package", "no_such_tracker")
    with pytest.raises(UserError) as caught:
        refuse_missing([name])
    assert str(caught.value) == (
        f"log.to: {name} needs the package no_such_tracker, which is not installed: `pip install no_such_tracker`"
    )
    refuse_missing([])


def test_a_resumed_run_keeps_its_name_and_the_next_one_in_its_folder_gets_another(tmp_path: Path) -> None:
    started = json.dumps({"event": "started", "time": "2026-01-01T00:00:00+00:00", "pid": 1}) + "\n"
    (tmp_path / "journal.jsonl").write_text(started)
    name = run_name(tmp_path)
    (tmp_path / "journal.jsonl").write_text(started + started.replace("started", "resumed"))
    assert run_name(tmp_path) == name
    (tmp_path / "journal.jsonl").write_text(started.replace("00:00:00", "00:00:01"))
    assert run_name(tmp_path) != name


@pytest.mark.slow
def test_a_run_sends_its_numbers_on_and_measures_the_example_tests(tmp_path: Path) -> None:
    words = ("--log.to", '["tensorboard"]', "--alarms.examples_every", "2")
    done = small_run("grpo", tmp_path / "run", *words)
    assert done.returncode == 0, done.stderr
    assert "grader checked: it tells right from wrong" in done.stdout
    records = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    expected: dict[tuple[str, int], float] = {}
    for record in records:
        values = {name: value for name, value in numbers(record).items() if name != "round"}
        expected |= {(f"{record['phase']}/{name}", record["round"]): value for name, value in values.items()}
    found = scalars(tmp_path / "run/tensorboard")
    assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-6)
    assert {name for name, _ in found} - {name for name, _ in expected} >= {"reinforce/learn_s", "warm_start/learn_s"}
    assert [round for name, round in expected if name == "reinforce/overfit"] == [1]
    assert [round for name, round in expected if name == "reinforce/equal_rewards"] == [0, 1]
