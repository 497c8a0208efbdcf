"""Configs: precedence, every shipped file, and one line for each kind of mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from envs.errors import UserError
from rl.config import CONFIGS, RunConfig, keys, load_config, load_with_sources
from rl.config_checks import IDLE_KEYS, RECIPES_OF_GROUPS, UNUSED_KEYS, idle_keys
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
        ("seed = 1\n", ["--warm_strat.rounds", "1"], "--warm_strat: unknown key; did you mean warm_start?"),
        ("seed = 1\n", ["--evaluation.ks", "[1, 'x']"], "--evaluation.ks.1: expected a valid integer, unable to parse string as an integer; got 'x'"),
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
    assert complaint(tmp_path, "c.toml", text, overrides) == said


def complaint(folder: Path, name: str, text: str, overrides: list[str]) -> str:
    """What is said about a config file with this text."""
    file = folder / name
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        load_config(file, overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{folder}/", "")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.toml: no such file; expected a TOML or YAML config .*quickstart"):
        load_config(tmp_path / "nowhere.toml")


def test_yaml_and_toml_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        "seed = 3\n[data]\nname = 'mbpp'\n[reinforce]\nlearning_rate = 1e-4\ncurriculum = true\n[evaluation]\nks = [1, 2]\n"
    )
    (tmp_path / "a.yaml").write_text(
        "seed: 3\ndata: {name: mbpp}\nreinforce:\n  learning_rate: 1e-4\n  curriculum: true\nevaluation:\n  ks:\n    - 1\n    - 2\n"
    )
    assert load_config(tmp_path / "a.yaml") == load_config(tmp_path / "a.toml")


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("reinforce: {learning_rate: 1e-4}", "reinforce.learning_rate", 1e-4),
        ("reinforce: {learning_rate: 3E5}", "reinforce.learning_rate", 3e5),
        ("reinforce: {learning_rate: .5}", "reinforce.learning_rate", 0.5),
        ("reinforce: {curriculum: yes}", "reinforce.curriculum", True),
        ("reinforce: {curriculum: no}", "reinforce.curriculum", False),
        ("reinforce: {dual_clip: ~}", "reinforce.dual_clip", None),
        ("reinforce: {dual_clip: null}", "reinforce.dual_clip", None),
        ("data: {labelled: no, train: on, dev: y}", "data.labelled", "no"),
        ("data: {labelled: 2026-11-21}", "data.labelled", "2026-11-21"),
        ("data: {labelled: 1:30}", "data.labelled", "1:30"),
        ("seed: 010", "seed", 10),
        ("sampling:\n  # n: 4\nseed: 1", "sampling.n", 8),
        ("sampling: &s {n: 4}\nevaluation: {<<: *s, ks: [1]}", "evaluation.n", 4),
        ("sampling: {stop: [&a '#', *a]}", "sampling.stop", ("#", "#")),
        ("", "seed", 0),
        ("# nothing\n", "seed", 0),
    ],
)  # fmt: skip
def test_the_traps_of_yaml(tmp_path: Path, text: str, name: str, value: object) -> None:
    (tmp_path / "c.yml").write_text(text)
    found: object = load_config(tmp_path / "c.yml")
    for part in name.split("."):
        found = getattr(found, part)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sampling:\n  n: 8\n  temprature: 1.0\n", "c.yaml:3: sampling.temprature: unknown key; did you mean sampling.temperature?"),
        ("sed: 1\n", "c.yaml:1: sed: unknown key; did you mean seed?"),
        ("a: &a {n: 4}\n", "c.yaml:1: a: unknown key; `rl-train run --help` lists the keys"),
        ("sampling:\n  n: many\n", "c.yaml:2: sampling.n: expected a valid integer, unable to parse string as an integer; got 'many'"),
        ("sampling:\n\n  n: 0\n", "c.yaml:3: sampling.n: expected greater than or equal to 1; got 0"),
        ("sampling: {stop_at_dedent: maybe}", "c.yaml:1: sampling.stop_at_dedent: expected a valid boolean, unable to interpret input; got 'maybe'"),
        ("evaluation:\n  ks:\n  - 1\n  - x\n", "c.yaml:4: evaluation.ks.1: expected a valid integer, unable to parse string as an integer; got 'x'"),
        ("seed: 1\nsampling:\n  n: 2\nseed: 2\n", "c.yaml:4: not YAML: the key seed occurs twice"),
        ("sampling: &s {n: 2}\nevaluation:\n  <<: *s\n  m: 2\n", "c.yaml:4: evaluation.m: unknown key; did you mean evaluation.n?"),
        ("sampling:\n  stop: [\n", "c.yaml:3: not YAML: expected the node content, but found '<stream end>'"),
        ("sampling:\n\tn: 2\n", "c.yaml:2: not YAML: found character '\\t' that cannot start any token"),
        ("- seed\n", "c.yaml:1: expected keys with values, as in `seed: 3`; got ['seed']"),
        ("seed: 1\n---\nseed: 2\n", "c.yaml:2: not YAML: but found another document"),
        ("seed: !!python/object/apply:os.getpid []\n", "c.yaml:1: seed: expected a valid integer; got []"),
        ("seed: !!python/name:os.getpid ''\n", "c.yaml:1: not YAML: could not determine a constructor for the tag 'tag:yaml.org,2002:python/name:os.getpid'"),
        ("seed: !!int many\n", "c.yaml: not YAML: invalid literal for int() with base 10: 'many'"),
        ("data: &d\n  name: *d\n", "c.yaml:1: not YAML: an anchor holds itself"),
        ("data: &d\n  ? [a]\n  : 1\n", "c.yaml:2: not YAML: expected a name before the colon; got a list or a mapping"),
        ("seed: \x01\n", "c.yaml: not YAML: unacceptable character #x0001: special characters are not allowed"),
        ("evaluation:\n  n: 2\n", "evaluation.ks: pass@4 needs at least as many programs per problem; got evaluation.n = 2"),
    ],
)  # fmt: skip
def test_a_mistake_in_yaml_is_told_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    assert complaint(tmp_path, "c.yaml", text, []) == said


@pytest.mark.parametrize(
    ("text", "overrides", "said"),
    [
        ("recipe = 'ppo'\n[reinforce]\nadvantage = 'leave_one_out'\n", [], "c.toml:3: reinforce.advantage: recipe ppo does not use this key: its advantages come from a value head, token by token; remove it, or choose another recipe; got 'leave_one_out'"),
        ("[reinforce]\nmask_truncated = true\n", ["--recipe", "ppo"], "c.toml:2: reinforce.mask_truncated: recipe ppo does not"),
        ("recipe = 'ppo'\n", ["--reinforce.overlong_margin", "8"], "--reinforce.overlong_margin: recipe ppo does not use this key"),
        ("[reinforce]\ntrace = 0.9\n", [], "c.toml:2: reinforce.trace: recipe grpo does not use this key: it learns no values"),
        ("", ["--reinforce.value_learning_rate", "1"], "--reinforce.value_learning_rate: recipe grpo does not"),
    ],
)  # fmt: skip
def test_a_key_that_the_recipe_does_not_use_is_refused(
    tmp_path: Path, text: str, overrides: list[str], said: str
) -> None:
    assert complaint(tmp_path, "c.toml", text, overrides).startswith(said)


def test_a_key_at_its_default_or_of_another_phase_contradicts_nothing(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("recipe = 'ppo'\n[reinforce]\nadvantage = 'group_centered'\ntrace = 0.9\n")
    assert load_config(tmp_path / "c.toml").reinforce.trace == 0.9
    assert load_config(tmp_path / "c.toml", ["--recipe", "warm_start"]).recipe == "warm_start"


def test_the_tables_of_unused_and_idle_keys_name_recipes_and_keys_that_exist() -> None:
    known = {name for name, _, _ in keys()}
    assert set(UNUSED_KEYS) | RECIPES_OF_GROUPS <= set(RECIPES)
    assert {name for unused in UNUSED_KEYS.values() for name in unused} <= known
    assert {name for names, _, _ in IDLE_KEYS for name in names} <= known


def test_keys_that_change_nothing_are_known(tmp_path: Path) -> None:
    words = ["--reinforce.clip_high", "0.3", "--reinforce.kl_estimator", "k3", "--reinforce.correction_cap=3"]
    assert set(idle_keys(load_config(None, words))) == {
        word.partition("=")[0][2:] for word in words if word[:2] == "--"
    }
    assert set(idle_keys(load_config(None, [*words, "--reinforce.epochs", "2"]))) == {
        "reinforce.kl_estimator",
        "reinforce.correction_cap",
    }
    assert not idle_keys(load_config(None, [*words, "--reinforce.ahead", "1", "--reinforce.kl_weight", "0.1"]))


def test_every_key_that_was_set_has_a_source(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("seed = 1\n[sampling]\nn = 4\n\ntemperature = 0.5\n")
    loaded = load_with_sources(tmp_path / "c.toml", ["--sampling.n", "6"])
    place = tmp_path / "c.toml"
    assert loaded.sources == {"seed": f"{place}:1", "sampling.n": "--sampling.n", "sampling.temperature": f"{place}:5"}


def test_the_config_of_a_run_folder_is_read_back(tmp_path: Path) -> None:
    config = load_config(None, ["--seed", "7", "--data.path", "prøblems 😀", "--reinforce.learning_rate", "1e-5"])
    (tmp_path / "config.json").write_text(json.dumps(config.model_dump(mode="json"), indent=2))
    assert load_config(tmp_path / "config.json") == config
    assert complaint(tmp_path, "c.json", '{\n"seed": 1,\n"sampling":\n{"m": 2}}', []).startswith(
        "c.json:4: sampling.m: unknown"
    )
    assert complaint(tmp_path, "c.json", "{", []).startswith("c.json: not JSON: Expecting")
    assert complaint(tmp_path, "c.json", "[]", []) == "c.json:1: expected an object; got []"
