"""Configs: precedence, every shipped file, and one line for each kind of mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from envs.errors import UserError
from rl.config import CONFIGS, RunConfig, keys, load_config
from rl.recipes import RECIPES


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_config_loads(path: Path) -> None:
    assert load_config(path).recipe in RECIPES


def test_the_command_line_wins_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("seed = 3\n[sampling]\nn = 6\ntemperature = 0.5\n")
    config = load_config(file, ["--sampling.n", "4", "--evaluation.ks=[1,2]"])
    assert (config.seed, config.sampling.n, config.sampling.temperature) == (3, 4, 0.5)
    assert config.evaluation.ks == (1, 2)
    assert config.reinforce == RunConfig().reinforce


def test_every_key_says_what_it_means() -> None:
    assert [name for name, _, meaning in keys() if not meaning] == []


@pytest.mark.parametrize(
    ("text", "overrides", "said"),
    [
        ("[sampling]\nn = 8\ntemprature = 1.0\n", [], "c.toml:3: sampling.temprature: unknown key; did you mean sampling.temperature?"),
        ("sed = 1\n", [], "c.toml:1: sed: unknown key; did you mean seed?"),
        ("\n\n[warm_strat]\nrounds = 1\n", [], "c.toml:3: warm_strat: unknown key; did you mean warm_start?"),
        ("[sampling]\nn = 'many'\n", [], "c.toml:2: sampling.n: expected a valid integer, unable to parse string as an integer; got 'many'"),
        ("[sampling]\n\nn = 0\n", [], "c.toml:3: sampling.n: expected greater than or equal to 1; got 0"),
        ("", ["--sampling.m", "4"], "--sampling.m: unknown key; did you mean sampling.n?"),
        ("", ["--reinforce.reward", "loud"], "--reinforce.reward: expected 'binary', 'fraction_passed' or 'four_level'; got 'loud'"),
        ("", ["--seed"], "--seed: expected a value after it; got nothing"),
        ("", ["seed", "3"], "seed: expected --key.path value; a config file goes before the keys"),
        ("", ["--seed.deep", "3", "--seed.deep.er", "4"], "--seed.deep.er: deep is a value, not a section"),
        ("seed = = 1\n", [], "c.toml: not TOML: Invalid value (at line 1, column 8)"),
        ("", ["--evaluation.n", "2"], "evaluation.ks: pass@4 needs at least as many programs per problem; got evaluation.n = 2"),
        ("", ["--sampling.n", "1"], "sampling.n: a group of one has no other to be compared with, so nothing would be learned; set 2 or more"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_one_line(tmp_path: Path, text: str, overrides: list[str], said: str) -> None:
    file = tmp_path / "c.toml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        load_config(file, overrides)
    assert str(caught.value).replace(f"{tmp_path}/", "") == said


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.toml: no such file; expected a TOML config .*quickstart"):
        load_config(tmp_path / "nowhere.toml")
