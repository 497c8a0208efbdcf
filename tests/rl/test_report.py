"""The report: what it shows of a run, that programs cannot reach its markup, and what it makes of half a run."""

from __future__ import annotations

import fcntl
import json
import math
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from envs.errors import UserError
from rl.cli import main
from rl.experience import SCHEMA, part_name
from rl.report import write_report
from rl.report.charts import MOST_POINTS, Line, binned, line_chart, smoothed, ticks
from rl.report.figures import figure, summary
from rl.report.markup import element, visible
from rl.report.reading import State, read_run
from rl.report.samples import chosen
from rl.report.words import Unit, duration, number, percent
from tests.command import rl_train

HOSTILE = "</pre></script><script>alert(1)</script><img src=x onerror=alert(2)> \" ' &amp; \u202e\x00\x1b end"


class Page(HTMLParser):
    """A page taken apart; fails on a tag that is closed in the wrong place or never."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def a_round(place: int, rounds: int) -> dict[str, Any]:
    """Metrics of a plausible round of reinforcement."""
    rate = 0.3 + 0.4 * place / rounds + 0.05 * math.sin(place)
    passed = round(64 * rate)
    return {
        "phase": "reinforce", "round": place, "rollouts": 64, "tokens": 30 + place % 7, "pass_rate": passed / 64,
        "signal": 0.6, "truncated": 0.02, "reward": passed / 64, "duplicates": 0.1,
        "outcomes": {"passed": passed, "wrong_answer": 60 - passed, "runtime_error": 4},
        "loss/policy_gradient": -0.01, "grad_norm": 0.2,
    } | ({"example_pass_rate": rate + 0.05, "overfit": 0.05} if place % 5 == 0 else {})  # fmt: skip


def a_row(place: int, index: int, outcome: str, **facts: Any) -> dict[str, Any]:
    """A row of the experience store."""
    return {
        "phase": "reinforce", "round": place, "group": 0, "index": index, "purpose": "train", "problem_id": "add",
        "prompt": "Add two numbers.\nadd(1, 2) == 3\n", "program": f"def add(a, b):\n    return a + b + {index}\n",
        "stop": "end_of_text", "outcome": outcome, "n_passed": 4 if outcome == "passed" else 1, "n_tests": 4,
        "error_type": None, "error_line": None, "reason": None,
    } | facts  # fmt: skip


def an_evaluation(mean: float) -> dict[str, Any]:
    estimate = {"mean": mean, "low": mean - 0.05, "high": mean + 0.04}
    return {"n_problems": 50, "n_programs": 200, "pass_at": {"1": estimate, "4": estimate}, "outcomes": {"passed": 9}}


def write_lines(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def a_run(folder: Path, rounds: int = 30, rows: Sequence[Mapping[str, Any]] = ()) -> Path:
    """A run folder as `rl-train run` leaves it; `rows` go to the store besides one passing program of each round."""
    store = folder / "experience"
    store.mkdir(parents=True)
    (folder / "config.json").write_text(
        json.dumps({"recipe": "grpo", "reinforce": {"rounds": 30}, "model": {"name": "scratch:nano"}})
    )
    (folder / "manifest.json").write_text(
        json.dumps({"versions": {"torch": "2.13"}, "isolation": "L2", "parameters": 1234})
    )
    dev = [{"phase": "reinforce", "round": place, "dev_pass_rate": 0.5} for place in range(9, rounds, 10)]
    alarms = [{"phase": "reinforce", "round": place, "alarm": "no_signal", "message": "few groups"} for place in (3, 7)]
    write_lines(folder / "metrics.jsonl", [*(a_round(place, rounds) for place in range(rounds)), *dev, *alarms])
    seconds = {"write_s": 1.0, "wait_s": 0.5, "learn_s": 0.5}
    write_lines(folder / "timings.jsonl", [{"phase": "reinforce", "round": place} | seconds for place in range(rounds)])
    write_lines(folder / "journal.jsonl", [{"event": "started"}, {"event": "finished"}])
    stored = sorted({0, rounds - 1} | {row["round"] for row in rows})
    for place in stored:
        of_round = [a_row(place, 0, "passed"), *(row for row in rows if row["round"] == place)]
        extra = [pa.field(name, pa.string()) for name in of_round[-1] if name.startswith("stranger")]
        table = pa.Table.from_pylist(of_round, schema=pa.schema([*SCHEMA, *extra]))
        pq.write_table(table, store / part_name("reinforce", place, 0))
    write_lines(
        store / "commits.jsonl",
        [{"phase": "reinforce", "round": place, "ranks": 1, "purpose": "train"} for place in stored],
    )
    for name, mean in (("before", 0.3), ("final", 0.6)):
        (folder / f"evaluation_{name}.json").write_text(json.dumps(an_evaluation(mean)))
    return folder


def test_a_run_is_told_on_one_page(tmp_path: Path) -> None:
    rows = [
        a_row(29, 1, "wrong_answer"),
        a_row(29, 2, "runtime_error", error_type="TypeError", error_line=2),
        a_row(29, 3, "compile_error", error_type="SyntaxError", error_line=1),
    ]
    page = Page(write_report(a_run(tmp_path / "my-run", rows=rows)))
    for words in (
        "my-run", "finished", "30.0% → 60.0%", "+30.0 points", "30.0% (25.0 to 34.0)", "1,234 parameters",
        "Pass rate", "hidden tests", "example tests", "dev problems", "Outcomes", "wrong answer", "Groups without signal",
        "Completion length", "Truncated completions", "Policy gradient loss", "Gradient norm", "waiting for verdicts",
        "idle for 25.0% of this phase", "no signal", "2 times, rounds 4 to 8: few groups", "TypeError in line 2",
        "passes, as 1 of 4 programs for this problem do", "1 of 4 hidden tests passed", "stored as reinforce/29/0/2",
        "Add two numbers.", "versions.torch", "default 60", "Share of a round's programs that passed every hidden test.",
    ):  # fmt: skip
        assert words in page.text, words
    assert page.count("svg") == 11
    assert page.count("title") > 11
    assert all(attributes.get("aria-label") for tag, attributes in page.tags if tag == "svg")


def test_the_page_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    path = write_report(a_run(tmp_path / "run"))
    page = Page(path)
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert not [a for _, a in page.tags if {"src", "data", "xlink:href"} & a.keys()]
    assert all(a["href"].startswith("#") for _, a in page.tags if a.get("href"))  # type: ignore[union-attr]
    assert "url(" not in path.read_text()
    assert "@import" not in path.read_text()


def test_links_within_the_page_have_a_target(tmp_path: Path) -> None:
    page = Page(write_report(a_run(tmp_path / "run")))
    targets = {a["id"] for _, a in page.tags if "id" in a}
    assert {(a["href"] or "").removeprefix("#") for _, a in page.tags if "href" in a} <= targets


def test_text_of_programs_never_becomes_markup(tmp_path: Path) -> None:
    facts = dict.fromkeys(("program", "prompt", "problem_id", "error_type"), HOSTILE)
    folder = a_run(tmp_path / "<b>run", rows=[a_row(29, 1, "runtime_error", **facts)])
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"phase": HOSTILE, "round": 0, HOSTILE: 1.0, "outcomes": {HOSTILE: 3}}) + "\n")
        file.write(json.dumps({"phase": HOSTILE, "round": 0, "alarm": HOSTILE, "message": HOSTILE}) + "\n")
    (folder / "config.json").write_text(json.dumps({"recipe": HOSTILE, HOSTILE: HOSTILE, "seed": "\ud800"}))
    page = Page(write_report(folder))
    assert not {"script", "img", "b>run"} & {tag for tag, _ in page.tags}
    assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)]
    assert visible(HOSTILE) in page.text
    assert "\\u202e\\x00\\x1b end" in page.text
    assert not {"\u202e", "\x00", "\x1b"} & set(page.text)


def test_a_column_that_the_report_does_not_know_is_not_shown(tmp_path: Path) -> None:
    path = write_report(a_run(tmp_path / "run", rows=[a_row(29, 1, "wrong_answer", stranger="canary")]))
    assert "canary" not in path.read_text()


def test_programs_are_chosen_for_what_they_tell() -> None:
    rows = [
        a_row(1, 0, "passed"),
        a_row(1, 1, "passed"),
        a_row(1, 2, "wrong_answer", n_passed=0),
        a_row(1, 3, "wrong_answer", n_passed=3),
        a_row(1, 4, "wrong_answer", n_passed=2),
        a_row(1, 5, "timeout"),
        a_row(1, 0, "passed", group=1),
        a_row(1, 1, "compile_error", group=1),
        a_row(1, 2, "compile_error", group=1),
        a_row(1, 3, "compile_error", group=1),
    ]
    found = [(row["group"], row["index"]) for _, row in chosen(rows)]
    assert found == [(1, 0), (0, 3), (1, 1), (0, 5)]
    assert chosen([]) == []


def test_a_long_run_has_a_small_page(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run", rounds=10_000)
    path = write_report(folder)
    assert path.stat().st_size < 1_000_000
    page = Page(path)
    assert "rounds 1 to 84" in page.text
    lines = [a["points"] or "" for tag, a in page.tags if tag == "polyline"]
    assert max(len(line.split()) for line in lines) <= MOST_POINTS


def test_only_the_first_and_the_last_rounds_of_the_store_are_read(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run", rows=[a_row(place, 1, "timeout") for place in range(30)])
    for place in range(1, 27):
        (folder / "experience" / part_name("reinforce", place, 0)).unlink()
    assert not read_run(folder).notes
    (folder / "experience" / part_name("reinforce", 28, 0)).write_bytes(b"PAR1 torn")
    assert "experience: round 29 of reinforce cannot be read" in read_run(folder).notes[0]


@pytest.mark.parametrize(
    "name", ["config.json", "manifest.json", "metrics.jsonl", "timings.jsonl", "experience", "evaluation_before.json"]
)
def test_a_folder_without_one_of_its_files_is_told_as_far_as_it_goes(tmp_path: Path, name: str) -> None:
    folder = a_run(tmp_path / "run")
    (folder / name).rename(tmp_path / "elsewhere")
    page = Page(write_report(folder))
    assert "60.0%" in page.text
    if name not in ("experience", "evaluation_before.json"):
        assert f"{name} is missing" in page.text


def test_a_run_that_has_only_begun_has_a_report(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    page = Page(write_report(tmp_path))
    assert "No held-out evaluation yet." in page.text
    assert "interrupted" in page.text


@pytest.mark.parametrize("name", ["metrics.jsonl", "timings.jsonl"])
def test_a_torn_last_line_is_left_out_and_said(tmp_path: Path, name: str) -> None:
    folder = a_run(tmp_path / "run")
    whole = summary(read_run(folder))
    with (folder / name).open("ab") as file:
        file.write(b'{"phase": "reinforce", "round": 30, "pass_r\xff')
    torn = summary(read_run(folder))
    assert torn.pop("notes") == [f"{name}: 1 line cannot be read and is left out"]
    assert whole.pop("notes") == []
    assert torn == whole


def test_a_torn_json_file_is_said(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    (folder / "config.json").write_text('{"recipe": "gr')
    (folder / "evaluation_final.json").write_text('{"n_problems": 5')
    page = Page(write_report(folder))
    assert "config.json cannot be read" in page.text
    assert "30.0%" in page.text


def test_values_that_are_not_finite_are_said_and_left_out(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"phase": "reinforce", "round": 30, "grad_norm": NaN, "reward": Infinity}\n')
    run = read_run(folder)
    assert "reinforce: grad_norm was not finite in 1 rounds" in run.notes
    assert run.phases[0].metrics["grad_norm"][-1] == (29, 0.2)
    assert "NaN" not in Page(write_report(folder)).text


def test_the_state_of_a_run_is_read_from_its_journal_and_its_lock(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    assert read_run(folder).state is State.FINISHED
    write_lines(folder / "journal.jsonl", [{"event": "started"}])
    assert read_run(folder).state is State.INTERRUPTED
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert read_run(folder).state is State.RUNNING
    assert read_run(folder).state is State.INTERRUPTED
    write_lines(folder / "journal.jsonl", [{"event": "started"}, {"event": "stopped", "reason": "KeyboardInterrupt"}])
    assert read_run(folder).notes == ("the run was stopped: KeyboardInterrupt",)
    (folder / "results.json").write_text(json.dumps({"second": an_evaluation(0.2), "first": an_evaluation(0.4)}))
    assert read_run(folder).state is State.FINISHED
    assert list(read_run(folder).evaluations) == ["second", "first"]


def test_a_round_that_was_done_again_counts_as_it_was_written_last(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"phase": "reinforce", "round": 29, "grad_norm": 9.0}) + "\n")
    assert read_run(folder).phases[0].metrics["grad_norm"][-1] == (29, 9.0)
    assert read_run(folder).phases[0].n_rounds == 30


@pytest.mark.parametrize("length", [1, 2, 119, 120, 121, 10_000])
def test_binning_keeps_the_mean_and_the_extremes(length: int) -> None:
    values = tuple((place, math.sin(place)) for place in range(length))
    points = binned(values)
    assert len(points) <= MOST_POINTS
    assert (points[0].first, points[-1].last) == (0, length - 1)
    weights = [point.last - point.first + 1 for point in points]
    mean = sum(point.mean * weight for point, weight in zip(points, weights, strict=True)) / length
    assert mean == pytest.approx(sum(value for _, value in values) / length)
    assert max(point.high for point in points) == max(value for _, value in values)
    assert min(point.low for point in points) == min(value for _, value in values)


def test_smoothing_keeps_a_constant_and_lies_within_the_values() -> None:
    constant = binned(tuple((place, 3.0) for place in range(50)))
    assert [point.mean for point in smoothed(constant)] == [3.0] * 50
    jump = smoothed(binned(tuple((place, float(place >= 25)) for place in range(50))))
    assert [point.mean for point in jump] == sorted(point.mean for point in jump)
    assert (jump[0].mean, jump[-1].mean) == (0.0, 1.0)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 0.03), (-0.03, 0.001), (5, 6), (0, 12345), (-1e-9, 1e-9)])
def test_ticks_enclose_their_values(low: float, high: float) -> None:
    places = ticks(low, high)
    assert places[0] <= low + 1e-12
    assert places[-1] >= high - 1e-12
    assert 2 <= len(places) <= 7


@pytest.mark.parametrize("value", [0.0, 3e-14, -3e-14, 7.5])
def test_a_line_that_does_not_move_has_an_axis(value: float) -> None:
    """A KL to the policy's own start is next to nothing, but not 0."""
    unit = Unit("nats", str, from_zero=False)
    drawn = line_chart("KL", [Line("kl", ((0, value), (1, value * (1 + 1e-12))), "a")], unit, 2)
    assert "nan" not in str(drawn)


def test_a_figure_sums_a_series_up() -> None:
    values = figure(tuple((place, float(place)) for place in range(200)))
    assert (values.start, values.end, values.lowest, values.highest) == (4.5, 194.5, 0.0, 199.0)
    assert figure(((0, 2.0),)).start == figure(((0, 2.0),)).end == 2.0


def test_numbers_are_written_as_people_write_them() -> None:
    assert [number(value) for value in (0, 0.123456, -2.5, 1234567.0)] == ["0", "0.123", "−2.5", "1,234,567"]
    assert percent(0.2345) == "23.4%"
    said = [duration(value).replace("\u00a0", " ") for value in (0.0123, 59, 61, 3700)]
    assert said == ["0.0123 s", "59 s", "1 min 01 s", "1 h 01 min"]


def test_elements_escape_text_and_attributes() -> None:
    inner = element("b", "<i>")
    assert element("a", "x & ", inner, class_='"q"', open=True, id=None) == (
        '<a class="&quot;q&quot;" open>x &amp; <b>&lt;i&gt;</b></a>'
    )


def test_the_command_says_where_the_page_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = a_run(tmp_path / "run")
    assert main(["report", str(folder)]) == 0
    assert capsys.readouterr().out.strip() == str(folder / "report.html")
    assert main(["report", str(folder), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["evaluations"]["final"]["pass_at"]["1"]["mean"] == 0.6
    assert shown["phases"][0]["idle_share"] == 0.25
    assert shown["alarms"][0]["count"] == 2


def test_a_folder_that_holds_no_run_is_the_users_mistake(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match="expected a run folder"):
            write_report(folder)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_real_run_has_a_report(tmp_path: Path) -> None:
    words = (
        "--recipe grpo --model.name scratch:nano --data.dev_size 4 --data.test_size 4 --warm_start.rounds 2 "
        "--graders.workers 2 --warm_start.problems_per_round 2 --reinforce.rounds 2 --reinforce.problems_per_round 2 "
        "--sampling.n 2 --sampling.max_new_tokens 8 --evaluation.n 1 --evaluation.ks [1]"
    ).split()
    done = rl_train("run", "rl/configs/quickstart.toml", "--folder", str(tmp_path / "run"), *words)
    assert done.returncode == 0, done.stderr
    run = read_run(tmp_path / "run")
    assert run.state is State.FINISHED
    assert [phase.name for phase in run.phases] == ["warm_start", "reinforce"]
    assert run.notes == ()
    assert run.samples
    page = Page(write_report(tmp_path / "run"))
    assert "on 4 held-out problems" in page.text
    assert "Policy gradient loss" in page.text
