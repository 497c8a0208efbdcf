"""Config of a comparison: an ordinary config, which all arms share, and `[compare]` with what each arm does otherwise.

[compare]
seeds = [0, 1]

[compare.arms.ekt]          # the recipe is the arm's name, unless it says otherwise
ekt.steps = 800             # any key of a config, but for those that all arms share
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from envs.errors import UserError
from rl.config import RunConfig, checked, explain, keys, label_by, read_values
from rl.config_checks import learns_from_teacher
from rl.config_files import flat
from rl.config_sections import Section
from rl.run import holds_a_run

COMPARISON = "compare.json"
"""File of a comparison's folder that holds its config."""
START, TEACHER = "warm_start", "teacher"
"""Names that no arm may have: the runs that all arms start from, and the row of the teacher."""
SHARED = ("seed", "folder", "model", "data", "warm_start", "evaluation", "graders")
"""Sections and keys that an arm may not set: a comparison is of what learns, from one start on the same problems."""
WHO = ("model", "server", "file", "api", "ask", "shots", "max_new_tokens", "stop", "stop_at_dedent")
"""Keys of `[teacher]` in which teachers differ when they are measured."""
SEED = "{seed}"
"""Stands for the seed in any text of the config, such as the path of a teacher."""


class CompareSection(Section):
    """What is compared, and how it is measured."""

    seeds: tuple[Annotated[int, Field(ge=0)], ...] = (0, 1, 2)
    """Seeds of which each arm is run; every seed has a warm start of its own."""
    n: int = Field(default=20, ge=1)
    """Programs per test problem; evaluation.temperature is their temperature, and a greedy one comes beside them."""
    ks: tuple[Annotated[int, Field(ge=1)], ...] = (1, 5, 20)
    """k of each pass@k of the table; the curves show all up to n."""
    teacher: bool = True
    """Measure teachers too, at the same temperature; a server is asked n + 1 times per test problem and seed."""
    arms: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """By the name of each arm: the keys in which it differs."""


class _File(Section):
    """The part of a file that is not a config, for the names in errors."""

    compare: CompareSection


@dataclass(frozen=True, slots=True)
class Arm:
    """One run of a comparison."""

    name: str
    """Name of the arm."""
    config: RunConfig
    """Its whole config."""
    measures_teacher: bool = False
    """Whether it is the first of its seed that learns from this teacher, which is measured beside it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A checked comparison."""

    base: RunConfig
    """What all arms share; its recipe is the warm start."""
    settings: CompareSection
    """The section `[compare]`."""

    def start(self, seed: int) -> Arm:
        """The warm start of a seed."""
        values = _with_seed(self.base.model_dump(mode="json"), seed)
        return Arm(START, RunConfig.model_validate({**values, "seed": seed, "folder": self.folder(START, seed)}))

    def arms(self, seed: int) -> list[Arm]:
        """The arms of a seed, in the order of the file; raises UserError where one of them cannot be run."""
        return [self._arm(name, seed, lambda key: key) for name in self.settings.arms]

    def folder(self, name: str, seed: int) -> Path:
        """Run folder of an arm."""
        return self.base.folder / f"{name}-{seed}"

    def _arm(self, name: str, seed: int, label: Callable[[str], str]) -> Arm:
        """An arm of a seed: the shared config with the arm's own keys, from the seed's warm start on."""
        shared = self.base.model_dump(mode="json", exclude_unset=True)
        start = {
            "seed": seed,
            "folder": str(self.folder(name, seed)),
            "model": {**shared.get("model", {}), "name": str(self.folder(START, seed) / "checkpoints" / "final")},
            "warm_start": {**shared.get("warm_start", {}), "rounds": 0},
        }
        values = {**_merged(shared | {"recipe": name}, self.settings.arms[name]), **start}
        config = checked(_with_seed(values, seed), label)
        return Arm(name, config, self.settings.teacher and self._first_of_teacher(name))

    def _first_of_teacher(self, name: str) -> bool:
        """Whether no arm before this one learns from the same teacher; a file of answers is not measured."""
        seen: list[Any] = []
        for other, own in self.settings.arms.items():
            shared = self.base.model_dump(mode="json", include={"teacher", "reasoning"})
            values = _merged({"recipe": other, **shared}, own)
            taught = learns_from_teacher(values["recipe"], values["reasoning"]["form"])
            who = [values["teacher"][key] for key in WHO] if taught else None
            if other == name:
                return who is not None and values["teacher"]["file"] is None and who not in seen
            seen.append(who)
        return False


def load_comparison(path: Path, overrides: list[str]) -> Comparison:
    """Read a comparison from its file, or from its folder; raises UserError of one line."""
    from rl.recipes import RECIPES

    if path.is_dir() and not (path / COMPARISON).is_file():
        raise UserError(f"{path}: this folder holds no comparison; expected a config file or a comparison's folder")
    values, source = read_values(path / COMPARISON if path.is_dir() else path, overrides)
    label = label_by(source)
    if path.is_dir():  # which may have been moved since
        values["folder"] = str(path)
    settings = _settings(values.pop("compare", {}), label)
    if values.setdefault("recipe", START) != START:
        raise UserError(f"{label('recipe')}: each arm has a recipe of its own; remove it; got {values['recipe']!r}")
    comparison = Comparison(checked(values, label), settings)
    if holds_a_run(comparison.base.folder):
        raise UserError(f"folder: {comparison.base.folder} already holds a run; name another folder with --folder")
    for name, own in settings.arms.items():
        place = f"compare.arms.{name}"
        recipe = str(own.get("recipe", name))
        if recipe not in RECIPES or recipe == START:
            near = difflib.get_close_matches(recipe, [r for r in RECIPES if r != START], n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UserError(
                f"{label(place + '.recipe' * ('recipe' in own))}: expected a recipe, by the arm's name or its key "
                f"`recipe`, of {', '.join(r for r in RECIPES if r != START)}; got {recipe!r}{hint}"
            )
        set_here = flat(own)

        def label_of_arm(key: str, place: str = place, set_here: Mapping[str, Any] = set_here) -> str:
            here = any(f"{one}.".startswith(f"{key}.") or f"{key}.".startswith(f"{one}.") for one in set_here)
            return label(f"{place}.{key}" if here else key)

        comparison._arm(name, settings.seeds[0], label_of_arm)
    return comparison


def _settings(values: Any, label: Callable[[str], str]) -> CompareSection:
    """The section `[compare]`, checked for itself."""
    try:
        settings = _File.model_validate({"compare": values}).compare
    except ValidationError as error:
        raise UserError(explain(error, label, [name for name, *_ in keys(CompareSection, "compare.")])) from None
    if not settings.arms:
        raise UserError(
            f"{label('compare.arms')}: expected at least one arm, such as [compare.arms.ekt], with the keys in which "
            "it differs; got none"
        )
    if not settings.seeds or len(set(settings.seeds)) < len(settings.seeds):
        raise UserError(f"{label('compare.seeds')}: expected at least one seed, each once; got {[*settings.seeds]}")
    if not settings.ks or max(settings.ks) > settings.n:
        raise UserError(f"{label('compare.ks')}: expected k of 1 to compare.n = {settings.n}; got {[*settings.ks]}")
    for name, own in settings.arms.items():
        if not re.fullmatch(r"[\w-]+", name) or name in (START, TEACHER):
            raise UserError(
                f"{label(f'compare.arms.{name}')}: expected a name of letters, digits, - and _ that is neither {START} "
                f"nor {TEACHER}; got {name!r}"
            )
        for key in flat(own):
            if key.partition(".")[0] in SHARED:
                raise UserError(
                    f"{label(f'compare.arms.{name}.{key}')}: all arms share this; set {key} outside [compare], or "
                    "compare.seeds for seeds"
                )
    return settings


def _merged(values: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Values with others on top, section by section."""
    merged = dict(values)
    for key, value in own.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def _with_seed(value: Any, seed: int) -> Any:
    """Values in which the seed has taken the place of `{seed}`."""
    if isinstance(value, str):
        return value.replace(SEED, str(seed))
    if isinstance(value, Mapping):
        return {key: _with_seed(each, seed) for key, each in value.items()}
    return [_with_seed(each, seed) for each in value] if isinstance(value, list | tuple) else value
