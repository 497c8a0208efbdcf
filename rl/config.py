"""Configuration of a run: pydantic models, read from TOML or YAML and from `--key.path value`, errors in one line.

Precedence: defaults, then the file, then the command line. Unknown keys fail with the nearest known name.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from envs.errors import UserError
from rl.config_checks import refuse_contradictions, set_keys
from rl.config_critic import CoderlSection, CriticSection
from rl.config_files import ConfigFile, read_config_file
from rl.config_purify import PurifySection
from rl.config_reasoning import ReasoningSection
from rl.config_repair import RepairSection, RlefSection
from rl.config_sections import (
    AlarmsSection,
    CheckpointsSection,
    EngineSection,
    EvaluationSection,
    GradersSection,
    LearnerSection,
    LogSection,
    Section,
)
from rl.config_socratic import SocraticSection
from rl.config_teacher import DistilSection, EktSection, TeacherSection

CONFIGS = Path(__file__).parent / "configs"
"""Experiments that come with the package."""


class ModelSection(Section):
    """The policy."""

    name: str = "scratch:tiny"
    """`scratch:nano|tiny|small|nano-t5|tiny-t5` builds a model here; else a folder or hub name of transformers."""
    lora_rank: int = Field(default=0, ge=0)
    """Above 0: train adapters of this rank on all linear layers instead of the weights (needs peft)."""


class DataSection(Section):
    """The problems."""

    name: str = "basics"
    """A problem set, such as `basics`, `mbpp`, `files`; `auto` detects the format of `path`."""
    path: Path | None = None
    """Local file or folder of the set; generated sets have none."""
    labelled: str = "labelled"
    """Split whose reference solutions the warm start imitates."""
    train: str = "train"
    """Split to reinforce on; its solutions are never used."""
    dev: str = "dev"
    """Split that decides when to stop."""
    test: str = "test"
    """Split for the evaluation before and after."""
    labelled_size: int | None = Field(default=None, ge=1)
    """Problems of `labelled` that are used; by default all."""
    dev_size: int = Field(default=100, ge=1)
    """Problems of `dev` that are used."""
    test_size: int = Field(default=300, ge=1)
    """Problems of `test` that are used."""


class SamplingSection(Section):
    """How the policy writes."""

    n: int = Field(default=8, ge=1)
    """Programs per problem and round."""
    temperature: float = Field(default=1.0, gt=0)
    """Temperature of rollouts; the loss uses the same."""
    max_new_tokens: int = Field(default=96, ge=1)
    """Longest completion, in tokens."""
    stop: tuple[str, ...] = ()
    """Strings that end a completion; the program does not hold them."""
    stop_at_dedent: bool = False
    """End a completion at its first line, after line one, that begins in column 0: for one function per program."""
    server: str = ""
    """A vLLM server that writes the policy's programs, such as `http://localhost:8000`; else this process does."""


class WarmStartSection(Section):
    """Imitation of reference solutions before anything else."""

    rounds: int = Field(default=400, ge=0)
    """Most rounds of one optimizer step each; 0 skips the warm start."""
    problems_per_round: int = Field(default=64, ge=1)
    """Problems whose solutions make one step."""
    learning_rate: float = Field(default=3e-3, gt=0)
    """Step size of AdamW."""
    stop_above: float = Field(default=0.35, ge=0, le=1)
    """Stop once the dev pass rate exceeds this, so that reinforcement has room and signal."""
    evaluate_every: int = Field(default=25, ge=1)
    """Rounds between looks at the dev pass rate."""


class ReinforceSection(Section):
    """Policy gradient from unit tests."""

    rounds: int = Field(default=60, ge=0)
    """Rounds of one collection each."""
    problems_per_round: int = Field(default=32, ge=1)
    """Problems per round."""
    learning_rate: float = Field(default=3e-4, gt=0)
    """Step size of AdamW."""
    schedule: Literal["constant", "linear"] = "constant"
    """The learning rate stays, or falls to a tenth on a straight line over the steps of all rounds."""
    reward: Literal["binary", "fraction_passed", "four_level"] = "binary"
    """What a verdict is worth."""
    advantage: Literal["group_centered", "group_normalised", "leave_one_out"] = "group_centered"
    """What a rollout is worth within its group."""
    per: Literal["token", "sequence", "group", "constant"] = "token"
    """What the loss is a mean over; `constant` divides by rows times sampling.max_new_tokens."""
    epochs: int = Field(default=1, ge=1)
    """Passes over each round's rollouts."""
    minibatches: int = Field(default=1, ge=1)
    """Optimizer steps per pass, each on whole groups."""
    ahead: int = Field(default=0, ge=0, le=1)
    """1 writes a round before the steps of the round before it, so that grading and learning overlap."""
    clip_low: float = Field(default=0.2, gt=0, lt=1)
    """Lower clip of the importance ratio, where there is more than one step per round or `ahead` is 1."""
    clip_high: float = Field(default=0.2, gt=0)
    """Upper clip; above clip_low it is DAPO's clip-higher."""
    dual_clip: float | None = Field(default=None, gt=1)
    """Bound on the loss of bad rollouts, as a multiple of their advantage."""
    ratio: Literal["token", "sequence"] = "token"
    """Importance ratio per token (PPO, GRPO) or per sequence (GSPO)."""
    correction_cap: float = Field(default=2.0, ge=1)
    """Cap on the correction for rollouts of an older policy, where `ahead` is 1."""
    kl_weight: float = Field(default=0.0, ge=0)
    """Weight of the KL to the policy before reinforcement; 0 leaves it out."""
    kl_estimator: Literal["k2", "k3"] = "k2"
    """k2 has the gradient of KL(policy || reference), k3 that of KL(reference || policy)."""
    entropy_weight: float = Field(default=0.0, ge=0)
    """Weight of an entropy bonus; 0 leaves it out."""
    mask_truncated: bool = False
    """Leave rollouts that were cut at the length limit out of means and losses."""
    overlong_margin: int = Field(default=0, ge=0)
    """Tokens before the length limit over which a penalty grows to 1; 0 is no penalty."""
    max_draws: int = Field(default=1, ge=1)
    """Above 1: draw problems again, at most so often, until problems_per_round groups carry signal."""
    curriculum: bool = False
    """Prefer problems whose running pass rate is neither 0 nor 1."""
    value_learning_rate: float = Field(default=1e-3, gt=0)
    """Step size of the value head (recipe ppo)."""
    trace: float = Field(default=0.95, ge=0, le=1)
    """Lambda of generalised advantage estimation (recipe ppo)."""
    evaluate_every: int = Field(default=20, ge=1)
    """Rounds between looks at the dev pass rate."""

    @property
    def decay_steps(self) -> int:
        """Optimizer steps over which the learning rate falls; 0 where it stays."""
        return self.rounds * self.epochs * self.minibatches if self.schedule == "linear" else 0


class ExpertIterationSection(Section):
    """Sampling and imitation of what passed (recipe expert_iteration)."""

    iterations: int = Field(default=3, ge=1)
    """Times that the policy samples and then imitates."""
    problems: int = Field(default=512, ge=1)
    """Train problems that are attempted in each iteration, `sampling.n` programs each."""
    problems_per_round: int = Field(default=64, ge=1)
    """Problems of one collection, and of one optimizer step."""
    programs_per_problem: int = Field(default=4, ge=1)
    """Most accepted programs that are imitated per problem."""
    choose: Literal["first", "shortest"] = "first"
    """Which of the distinct accepted programs are imitated."""
    epochs: int = Field(default=4, ge=1)
    """Passes over the solved problems in each iteration."""
    steps: int = Field(default=0, ge=0)
    """Optimizer steps of each iteration, however many problems were solved; 0 goes by `epochs`."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Step size of AdamW."""
    restart: bool = False
    """Learn anew from the weights of the warm start in each iteration, on all that was accepted so far."""
    unsolved_only: bool = False
    """Attempt only problems that have no accepted program yet."""
    evaluate_every: int = Field(default=20, ge=1)
    """Rounds between looks at the dev pass rate."""


class RunConfig(Section):
    """One experiment."""

    recipe: str = "grpo"
    """Learning recipe."""
    seed: int = Field(default=0, ge=0)
    """Seed of the weights, the draws and the samples."""
    folder: Path = Path("runs/latest")
    """Where the run is written; must not hold a run already."""
    model: ModelSection = ModelSection()
    data: DataSection = DataSection()
    graders: GradersSection = GradersSection()
    sampling: SamplingSection = SamplingSection()
    warm_start: WarmStartSection = WarmStartSection()
    reinforce: ReinforceSection = ReinforceSection()
    critic: CriticSection = CriticSection()
    coderl: CoderlSection = CoderlSection()
    expert_iteration: ExpertIterationSection = ExpertIterationSection()
    teacher: TeacherSection = TeacherSection()
    ekt: EktSection = EktSection()
    distil: DistilSection = DistilSection()
    reasoning: ReasoningSection = ReasoningSection()
    purify: PurifySection = PurifySection()
    repair: RepairSection = RepairSection()
    rlef: RlefSection = RlefSection()
    socratic: SocraticSection = SocraticSection()
    learner: LearnerSection = LearnerSection()
    engine: EngineSection = EngineSection()
    evaluation: EvaluationSection = EvaluationSection()
    checkpoints: CheckpointsSection = CheckpointsSection()
    alarms: AlarmsSection = AlarmsSection()
    log: LogSection = LogSection()


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A config, and where its keys were set."""

    config: RunConfig
    """The validated choices."""
    sources: Mapping[str, str]
    """`file:line` or `--key.path` of every key that was set, by dotted name."""


def load_config(path: Path | None, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a config file, apply `--key.path value` overrides, validate; raises UserError of one line."""
    return load_with_sources(path, overrides).config


def load_with_sources(path: Path | None, overrides: Sequence[str] = ()) -> LoadedConfig:
    """As `load_config`, and where each key was set."""
    values, source = read_values(path, overrides)
    if "compare" in values:
        raise UserError(
            f"{label_by(source)('compare')}: expected the config of one run; `rl-train compare {path}` makes the "
            "runs of this one and compares them"
        )
    config = checked(values, label_by(source))
    return LoadedConfig(config, {name: source(name) for name, _, _ in set_keys(config)})


def read_values(path: Path | None, overrides: Sequence[str] = ()) -> tuple[dict[str, Any], Callable[[str], str]]:
    """The values of a file with `--key.path value` overrides, unchecked, and what says where a dotted name was set."""
    file = read_config_file(path) if path else ConfigFile({}, lambda parts: 1)
    # A section whose keys are all commented out is null in YAML.
    values = {name: {} if value is None and name in _SECTIONS else value for name, value in file.values.items()}
    from_command_line = _apply(values, overrides)

    def source(name: str) -> str:
        given = any(f"{name}.".startswith(f"{word}.") for word in from_command_line)
        if path is None or given or name.partition(".")[0] not in file.values:
            return f"--{name}"
        return f"{path}:{file.line_of(name.split('.'))}"

    return values, source


def label_by(source: Callable[[str], str]) -> Callable[[str], str]:
    """What names a key in an error: `file:line: key`, or `--key` from the command line."""
    return lambda name: where if (where := source(name)).startswith("--") else f"{where}: {name}"


def checked(values: Mapping[str, Any], label: Callable[[str], str]) -> RunConfig:
    """Values as a config; `label` says where a key was set. Raises UserError of one line."""
    try:
        config = RunConfig.model_validate(values)
    except ValidationError as error:
        raise UserError(explain(error, label, [*(key for key, _, _ in keys()), *_SECTIONS])) from None
    refuse_contradictions(config, label)
    return config


def keys(section: type[BaseModel] = RunConfig, prefix: str = "") -> list[tuple[str, Any, str]]:
    """Every key of a config as (dotted name, default, meaning), in the order of definition."""
    found: list[tuple[str, Any, str]] = []
    for name, field in section.model_fields.items():
        if isinstance(field.default, BaseModel):
            found += keys(type(field.default), f"{prefix}{name}.")
        else:
            found.append((prefix + name, field.default, field.description or ""))
    return found


_SECTIONS = tuple(name for name, field in RunConfig.model_fields.items() if isinstance(field.default, Section))


def _apply(values: dict[str, Any], overrides: Sequence[str]) -> set[str]:
    """Set `--key.path value` pairs in `values`; returns the dotted names that were set."""
    names: set[str] = set()
    words = list(overrides)
    while words:
        word = words.pop(0)
        if not word.startswith("--"):
            raise UserError(f"{word}: expected --key.path value; a config file goes before the keys")
        name, equals, value = word[2:].partition("=")
        if not equals:
            if not words:
                raise UserError(f"--{name}: expected a value after it; got nothing")
            value = words.pop(0)
        section = values
        *parents, last = name.split(".")
        for parent in parents:
            section = section.setdefault(parent, {})
            if not isinstance(section, dict):
                raise UserError(f"--{name}: {parent} is a value, not a section")
        section[last] = _value(value)
        names.add(name)
    return names


def _value(text: str) -> Any:
    """A list is written as in TOML; everything else stays text, which pydantic turns into the key's type."""
    if not text.startswith("["):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def explain(error: ValidationError, label: Callable[[str], str], known: Sequence[str]) -> str:
    """The first error as `where: key: what, got, expected`; `known` are the keys that an unknown one may mean."""
    first = error.errors()[0]
    parts = [str(part) for part in first["loc"]]
    name = ".".join(parts)
    where = label(name)
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5) or [
            key for key in known if key.rpartition(".")[2] == parts[-1]
        ]
        hint = f"; did you mean {near[0]}?" if near else "; `rl-train run --help` lists the keys"
        return f"{where}: unknown key{hint}"
    expected = first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"{where}: expected {expected}; got {first['input']!r}"
