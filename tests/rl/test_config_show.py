"""Configs for people: commented TOML that is read back, the schema, differences, and the examples."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rl.cli import main
from rl.config import CONFIGS, RunConfig, keys, load_config
from rl.config_show import as_toml, schema

Said = pytest.CaptureFixture[str]

TEXT = st.text(st.characters(codec="utf-8"))
POSITIVE = st.floats(min_value=1e-300, max_value=1e300)
CONFIG = st.fixed_dictionaries(
    {},
    optional={
        "seed": st.integers(0, 2**70),
        "folder": TEXT.map(Path),
        "model": st.fixed_dictionaries({"name": TEXT}),
        "data": st.fixed_dictionaries({"path": st.none() | TEXT.map(Path), "labelled": TEXT}),
        "graders": st.fixed_dictionaries({"workers": st.none() | st.integers(1, 9)}),
        "sampling": st.fixed_dictionaries({"stop": st.lists(TEXT).map(tuple), "stop_at_dedent": st.booleans()}),
        "reinforce": st.fixed_dictionaries(
            {
                "learning_rate": POSITIVE,
                "dual_clip": st.none() | st.floats(1, 9, exclude_min=True),
                "ratio": st.sampled_from(["token", "sequence"]),
            }
        ),
        "evaluation": st.fixed_dictionaries({"ks": st.lists(st.integers(1, 4), min_size=1)}),
    },
)


@settings(deadline=None)
@given(values=CONFIG)
def test_a_config_that_is_shown_is_read_back_the_same(tmp_path_factory: Any, values: dict[str, Any]) -> None:
    config = RunConfig.model_validate(values)
    file = tmp_path_factory.getbasetemp() / "shown.toml"
    file.write_text(as_toml(config), encoding="utf-8", newline="")
    assert load_config(file) == config


def test_show_writes_every_key_below_its_meaning(capsys: Said) -> None:
    assert main(["config", "show", "rl/configs/quickstart.toml", "--sampling.n", "16"]) == 0
    shown = capsys.readouterr().out
    values = tomllib.loads(shown)
    assert values["sampling"]["n"] == 16
    assert "# Programs per problem and round. Default: 8.\nn = 16\n" in shown
    assert "# dual_clip = \n" in shown
    words = " ".join(shown.replace("\n# ", " ").split())
    assert [name for name, _, meaning in keys() if " ".join(meaning.split()) not in words] == []


def test_show_as_json_is_the_config_of_a_run_folder(capsys: Said) -> None:
    assert main(["config", "show", "rl/configs/quickstart.toml", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == load_config(CONFIGS / "quickstart.toml").model_dump(mode="json")


def test_the_schema_knows_every_key_with_its_meaning(capsys: Said) -> None:
    assert main(["config", "schema"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == schema()
    assert found["additionalProperties"] is False
    n = found["$defs"]["SamplingSection"]["properties"]["n"]
    assert (n["type"], n["minimum"], n["default"]) == ("integer", 1, 8)
    assert n["description"] == "Programs per problem and round."


def test_diff_gives_a_line_per_key_and_exit_code_1(capsys: Said, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("seed = 1\n[sampling]\nn = 4\n")
    (tmp_path / "b.yaml").write_text("seed: 2\nsampling: {n: 4}\nreinforce: {dual_clip: 3}\n")
    assert main(["config", "diff", str(tmp_path / "a.toml"), str(tmp_path / "b.yaml")]) == 1
    assert capsys.readouterr().out == "seed: 1 -> 2\nreinforce.dual_clip: None -> 3.0\n"
    assert main(["config", "diff", str(tmp_path / "a.toml"), str(tmp_path / "b.yaml"), "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"seed": [1, 2], "reinforce.dual_clip": [None, 3.0]}


def test_diff_reads_run_folders_of_any_version(capsys: Said, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("seed = 1\n")
    values = load_config(tmp_path / "a.toml").model_dump(mode="json")
    (tmp_path / "config.json").write_text(json.dumps(values))
    assert main(["config", "diff", str(tmp_path / "a.toml"), str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""
    del values["sampling"]["n"]
    values["sampling"]["top_p"] = 0.9
    (tmp_path / "config.json").write_text(json.dumps(values))
    assert main(["config", "diff", str(tmp_path / "a.toml"), str(tmp_path)]) == 1
    assert capsys.readouterr().out == "sampling.n: 8 -> (absent)\nsampling.top_p: (absent) -> 0.9\n"


@pytest.mark.parametrize(
    ("text", "said"), [(None, "there is no config.json in it"), ("{", "cannot read this config"), ("3", "expected an object; got 3")]
)  # fmt: skip
def test_diff_refuses_what_is_no_run_folder(capsys: Said, tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    assert main(["config", "diff", "rl/configs/quickstart.toml", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_init_copies_every_example_so_that_it_runs(
    capsys: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "mine"]) == 0
    out = capsys.readouterr().out
    assert "next: rl-train run mine/quickstart.toml --dry-run" in out
    for example in CONFIGS.glob("*.toml"):
        copied = Path("mine") / example.name
        assert f"wrote {copied}\n" in out
        assert copied.read_text().startswith("#:schema ./schema.json\n# An example of rl-train")
        assert load_config(copied) == load_config(example)
    assert json.loads(Path("mine/schema.json").read_text()) == schema()
    assert Path("mine/quickstart.ipynb").read_text() == (CONFIGS / "quickstart.ipynb").read_text()


def test_init_overwrites_nothing(capsys: Said, tmp_path: Path) -> None:
    (tmp_path / "mbpp.toml").write_text("mine")
    assert main(["init", str(tmp_path)]) == 2
    assert "mbpp.toml: there is such a file already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mbpp.toml"]
    (tmp_path / "file").write_text("")
    assert main(["init", str(tmp_path / "file/folder")]) == 2
    assert "cannot write examples there" in capsys.readouterr().err


@pytest.mark.parametrize("example", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_an_example_explains_itself(example: Path) -> None:
    text = example.read_text()
    assert text.startswith("# ")
    assert sum(line.lstrip().startswith("#") for line in text.splitlines()) >= 6
