"""Config files as plain values: TOML or YAML, with the line on which each key is set."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from envs.errors import UserError

YAML_ENDINGS = (".yaml", ".yml")
"""Endings of YAML files. `.json` is the resolved config of a run folder; every other file is TOML."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The values of one config file."""

    values: dict[str, Any]
    """Sections and keys, as the file has them."""
    line_of: Callable[[Sequence[str]], int]
    """Line on which a key is set, given its path; of the nearest section where the key itself cannot be found."""


def read_config_file(path: Path) -> ConfigFile:
    """Read one file; raises UserError that names the file, and the line where the text is at fault."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file; expected a TOML or YAML config (`rl-train init` copies examples, such as "
            "quickstart.toml)"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot read this config: {error}") from None
    if path.suffix == ".json":
        return _read_json(text, path)
    return _read_yaml(text, path) if path.suffix.lower() in YAML_ENDINGS else _read_toml(text, path)


def _read_json(text: str, path: Path) -> ConfigFile:
    """The resolved config of a run folder; YAML's composer knows the lines of JSON too."""
    try:
        values = json.loads(text)
    except ValueError as error:
        raise UserError(f"{path}: not JSON: {error}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}:1: expected an object; got {values!r}")
    return ConfigFile(values, _read_yaml(text, path).line_of)


def _read_toml(text: str, path: Path) -> ConfigFile:
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not TOML: {error}") from None
    return ConfigFile(values, lambda parts: _toml_line(text, parts))


def _toml_line(text: str, parts: Sequence[str]) -> int:
    table, best = "", 1
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line):
            table = header[1].replace(" ", "").replace('"', "")
            if ".".join(parts).startswith(table):
                best = number
        elif key := re.match(r"""\s*["']?([\w.\-]+)["']?\s*=""", line):
            full = f"{table}.{key[1]}" if table else key[1]
            if full == ".".join(parts[: full.count(".") + 1]):
                return number
    return best


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """PyYAML's safe loader, with the plain scalars of YAML 1.2: `no` and `on` are text and `1e-4` is a number.

    A key that occurs twice is refused: the earlier value would be lost in silence.
    """

    yaml_implicit_resolvers: Mapping[str, Any] = {}

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _at(key, "expected a name before the colon; got a list or a mapping")
            if key.value in seen:
                raise _at(key, f"the key {key.value} occurs twice")
            seen.add(key.value)
        return node


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)


def _read_yaml(text: str, path: Path) -> ConfigFile:
    lines: dict[tuple[str, ...], int] = {}
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        values = {} if root is None else _plain(loader, root, (), (), lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise UserError(f"{path}:{mark.line + 1}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path}: not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}:1: expected keys with values, as in `seed: 3`; got {values!r}")
    return ConfigFile(values, lambda parts: _nearest_line(lines, parts))


def _plain(
    loader: _Loader,
    node: yaml.Node,
    place: tuple[str, ...],
    around: tuple[yaml.Node, ...],
    lines: dict[tuple[str, ...], int],
) -> Any:
    """The value of a node; writes the line of every key below it to `lines`, by its path."""
    if any(node is outer for outer in around):
        raise _at(node, "an anchor holds itself")
    around = (*around, node)
    if isinstance(node, yaml.MappingNode):
        loader.flatten_mapping(node)  # `<<: *anchor`
        for key, _ in node.value:
            lines[(*place, key.value)] = key.start_mark.line + 1
        return {key.value: _plain(loader, value, (*place, key.value), around, lines) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*place, str(index))] = item.start_mark.line + 1
        return [_plain(loader, item, (*place, str(i)), around, lines) for i, item in enumerate(node.value)]
    return loader.construct_object(node)


def _nearest_line(lines: Mapping[tuple[str, ...], int], parts: Sequence[str]) -> int:
    known = (lines[tuple(parts[:n])] for n in range(len(parts), 0, -1) if tuple(parts[:n]) in lines)
    return next(known, 1)


def _at(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested sections as dotted names."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found
