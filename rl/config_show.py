"""Configs for people and editors: as commented TOML, as a JSON schema, and what differs between two of them."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envs.errors import UserError
from rl.config import CONFIGS, RunConfig, keys, load_config
from rl.config_compare import CompareSection
from rl.config_files import flat

SCHEMA_FILE, NOTEBOOK = "schema.json", "quickstart.ipynb"
ABSENT = "(absent)"
"""What `differences` gives for a key that one side does not have."""


def as_toml(config: RunConfig) -> str:
    """Every key with its value below its meaning; `load_config` reads the text back to the same config.

    TOML has no null: a key without a value is written as a comment.
    """
    values = flat(config.model_dump(mode="json"))
    lines: list[str] = []
    section = ""
    for name, default, meaning in keys():
        parent, _, key = name.rpartition(".")
        if parent != section:
            section = parent
            lines += ["", f"[{section}]"]
        lines += textwrap.wrap(
            f"{meaning} Default: {_written(default)}.", 118, initial_indent="# ", subsequent_indent="# "
        )
        value = values[name]
        lines.append(f"# {key} = " if value is None else f"{key} = {_written(value)}")
    return "\n".join(lines) + "\n"


def schema() -> dict[str, Any]:
    """JSON schema of a config file, that of a comparison too: editors complete and check keys by it."""
    found = RunConfig.model_json_schema()
    found["properties"]["compare"] = CompareSection.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def values_of(path: Path) -> dict[str, Any]:
    """Every key of a config file, or of the config.json of a run folder, by its dotted name.

    A run folder is taken as it is: an older version of rl-train may have had other keys. Raises UserError.
    """
    if not path.is_dir():
        return flat(load_config(path).model_dump(mode="json"))
    file = path / "config.json"
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: expected a config file or a run folder; there is no {file.name} in it") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot read this config: {error}") from None
    if not isinstance(values, dict):
        raise UserError(f"{file}: expected an object; got {values!r}")
    return flat(values)


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Keys whose values differ, each with both values; in the order of `a`, then of `b`."""
    pairs = {name: (a.get(name, ABSENT), b.get(name, ABSENT)) for name in (*a, *b)}
    return {name: (left, right) for name, (left, right) in pairs.items() if left != right}


def copy_examples(folder: Path) -> list[Path]:
    """Write the shipped configs to a folder, each with a line on how to run it, their schema for editors, the notebook.

    Raises UserError before anything is written where a file would be overwritten.
    """
    texts = {
        folder / example.name: _explanation(folder / example.name) + example.read_text(encoding="utf-8")
        for example in sorted(CONFIGS.glob("*.toml"))
    }
    texts[folder / NOTEBOOK] = (CONFIGS / NOTEBOOK).read_text(encoding="utf-8")
    if taken := [path for path in (*texts, folder / SCHEMA_FILE) if path.exists()]:
        raise UserError(f"{taken[0]}: there is such a file already, and nothing is overwritten; name another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")
        (folder / SCHEMA_FILE).write_text(json.dumps(schema(), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{folder}: cannot write examples there: {error.strerror}") from None
    return list(texts)


def _explanation(path: Path) -> str:
    return (
        f"#:schema ./{SCHEMA_FILE}\n"
        f"# An example of rl-train: look at the plan with `rl-train run {path} --dry-run`, train without `--dry-run`.\n"
        "# Keys that are left out keep their defaults; `rl-train config show FILE` writes out all of them.\n\n"
    )


def _written(value: Any) -> str:
    """A value as TOML; `none` where there is none, for comments."""
    if value is None:
        return "none"
    if isinstance(value, str | Path):
        # JSON's strings are TOML's, but for one control character and for pairs of surrogates.
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_written, value))}]"
    return json.dumps(value)
