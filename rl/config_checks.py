"""Keys of a config that contradict each other, or that a recipe does not use: each is refused in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from envs.errors import UserError

if TYPE_CHECKING:
    from rl.config import RunConfig

_NO_VALUES = "it learns no values"
_BY_VALUES = "its advantages come from a value head, token by token"

_BASELINE_OF_CODERL = "its advantage is the return minus coderl.baseline"

_NO_DISTRIBUTIONS = dict.fromkeys(
    (
        "distil.kl_weight",
        "distil.imitation_weight",
        "distil.temperature",
        "distil.top_k",
        "distil.prompted",
        "distil.keep",
    ),
    "it learns the teacher's programs, not its distributions",
)

_ALL_DISTINCT = {
    **_NO_DISTRIBUTIONS,
    **dict.fromkeys(
        ("ekt.choose", "ekt.programs_per_problem"), "it learns all distinct right solutions; teacher.n is how many"
    ),
    **dict.fromkeys(
        ("ekt.without_dead_code", "ekt.literals_from_text", "ekt.check"), "answers are compared by value, and only they"
    ),
}

UNUSED_KEYS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "coderl": {
            "reinforce.advantage": _BASELINE_OF_CODERL,
            "reinforce.mask_truncated": _BASELINE_OF_CODERL,
            "reinforce.overlong_margin": _BASELINE_OF_CODERL,
            "reinforce.value_learning_rate": _NO_VALUES,
            "reinforce.trace": _NO_VALUES,
        },
        "ekt": _NO_DISTRIBUTIONS,
        "finetune_cot": _ALL_DISTINCT,
        "grpo": {"reinforce.value_learning_rate": _NO_VALUES, "reinforce.trace": _NO_VALUES},
        "hinted_cot": _ALL_DISTINCT,
        "on_policy_distillation": {
            "distil.imitation_weight": "the policy's own programs are not imitated",
            "distil.keep": "the policy's programs are new in each round",
        },
        "seqkd": {
            **_NO_DISTRIBUTIONS,
            **dict.fromkeys(
                ("ekt.choose", "ekt.programs_per_problem", "ekt.without_dead_code", "ekt.literals_from_text"),
                "it imitates all programs, whatever they are worth",
            ),
        },
        "symbolic_kd": {
            **_NO_DISTRIBUTIONS,
            "critic.classes": "its critic tells passed from failed",
        },
        "rlef": {"reinforce.value_learning_rate": _NO_VALUES, "reinforce.trace": _NO_VALUES},
        "ppo": {
            "reinforce.advantage": _BY_VALUES,
            "reinforce.mask_truncated": _BY_VALUES,
            "reinforce.overlong_margin": _BY_VALUES,
        },
    }
)
"""By recipe: keys of its phases that it does not use, and why; another value than the default is refused.

Keys of a phase that a recipe does not have are not listed: one file may serve several recipes.
"""
RECIPES_OF_GROUPS = frozenset({"grpo", "rlef"})
"""Recipes whose advantages compare the programs of one problem."""

RECIPES_OF_TEACHERS = frozenset(
    {"ekt", "finetune_cot", "hinted_cot", "kd", "on_policy_distillation", "seqkd", "symbolic_kd"}
)
"""Recipes that learn from a teacher."""
RECIPES_OF_RATIONALES = frozenset({"finetune_cot", "hinted_cot"})
"""Recipes that learn worked solutions, of which a config must say in which form."""
RECIPES_IN_WORDS = RECIPES_OF_RATIONALES | {"expert_iteration", "grpo", "ppo", "warm_start"}
"""Recipes that do not care whether a problem is answered by a program or in words."""
RECIPES_OF_DISTRIBUTIONS = frozenset({"kd", "on_policy_distillation"})
"""Recipes that need the teacher's model here: its distributions, not only its programs."""

_RATIOS_ARE_ONE = "one step per round: every importance ratio is 1"
IDLE_KEYS: tuple[tuple[tuple[str, ...], Callable[[RunConfig], bool], str], ...] = (
    (
        ("reinforce.clip_low", "reinforce.clip_high", "reinforce.dual_clip", "reinforce.ratio"),
        lambda config: not has_ratios(config),
        _RATIOS_ARE_ONE,
    ),
    (("reinforce.correction_cap",), lambda config: not config.reinforce.ahead, "no round is written ahead"),
    (("reinforce.kl_estimator",), lambda config: not config.reinforce.kl_weight, "reinforce.kl_weight is 0"),
    (("socratic.calculator",), lambda config: config.socratic.variant == "answer_only", "no step is written"),
    (
        ("socratic.max_steps",),
        lambda config: config.socratic.variant not in ("iterative", "all_at_once"),
        "one model writes whole chains",
    ),
)
"""(keys, when they change nothing, why): not refused, so that a weight can be set to 0 on the command line alone."""


def has_ratios(config: RunConfig) -> bool:
    """Whether reinforcement steps on rollouts of an older policy, so that importance ratios differ from 1."""
    settings = config.reinforce
    return settings.epochs * settings.minibatches > 1 or settings.ahead > 0


def set_keys(section: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(dotted name, value, default) of every key that was set, whatever to."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from set_keys(value, f"{prefix}{name}.")
        elif name in section.model_fields_set:
            yield prefix + name, value, field.default


def idle_keys(config: RunConfig) -> dict[str, str]:
    """Keys that were set but change nothing beside the others, with the reason."""
    names = {name for name, value, default in set_keys(config) if value != default}
    return {key: why for keys, idle, why in IDLE_KEYS if idle(config) for key in keys if key in names}


def refuse_contradictions(config: RunConfig, label: Callable[[str], str]) -> None:
    """Raise UserError for the first contradiction; `label` says where a key was set."""
    unused = UNUSED_KEYS.get(config.recipe, {})
    for name, value, default in set_keys(config):
        if name in unused and value != default:
            raise UserError(
                f"{label(name)}: recipe {config.recipe} does not use this key: {unused[name]}; remove it, or choose "
                f"another recipe; got {value!r}"
            )
    if max(config.evaluation.ks) > config.evaluation.n:
        raise UserError(
            f"evaluation.ks: pass@{max(config.evaluation.ks)} needs at least as many programs per problem; "
            f"got evaluation.n = {config.evaluation.n}"
        )
    compares = config.recipe in RECIPES_OF_GROUPS or (
        config.recipe == "coderl" and config.coderl.baseline in ("group_centered", "leave_one_out")
    )
    if compares and config.sampling.n < 2:
        raise UserError(
            "sampling.n: a group of one has no other to be compared with, so nothing would be learned; set 2 or more"
        )
    if config.sampling.server and config.model.lora_rank:
        raise UserError(
            "sampling.server: a server is sent whole weights, but adapters are trained; set model.lora_rank = 0, or "
            "remove sampling.server"
        )
    engine = config.engine
    if engine.offload != "none" and engine.zero < (3 if engine.offload == "all" else 1):
        raise UserError(
            f"engine.offload: {engine.offload!r} is done by ZeRO, at stage 1 or more for the optimizer's states, at "
            f"stage 3 for all; got engine.zero = {engine.zero}"
        )
    _refuse_within_reinforce(config)
    _refuse_within_reasoning(config, label)
    if learns_from_teacher(config.recipe, config.reasoning.form):
        _refuse_within_teacher(config)


def learns_from_teacher(recipe: str, form: str) -> bool:
    """Whether a recipe asks a teacher; answers alone are known without one."""
    return recipe in RECIPES_OF_TEACHERS and form != "answer"


def _refuse_within_reasoning(config: RunConfig, label: Callable[[str], str]) -> None:
    form, ask = config.reasoning.form, config.teacher.ask
    if config.recipe in RECIPES_OF_RATIONALES and "form" not in config.reasoning.model_fields_set:
        raise UserError(
            f'{label("reasoning.form")}: recipe {config.recipe} needs to know how the policy reasons: "token" or '
            f'"natural" in words, "program" by programs; got nothing'
        )
    if form != "program" and config.recipe not in RECIPES_IN_WORDS:
        raise UserError(
            f"{label('reasoning.form')}: recipe {config.recipe} learns programs; remove it, or choose one of "
            f"{', '.join(sorted(RECIPES_IN_WORDS))}; got {form!r}"
        )
    if config.recipe == "hinted_cot" and form == "answer":
        raise UserError(
            f"{label('reasoning.form')}: answers alone need no teacher, so there is nobody to give a hint to; choose "
            f"recipe finetune_cot; got {form!r}"
        )
    if learns_from_teacher(config.recipe, form) and ask == ("two_step" if form == "program" else "chain_of_thought"):
        raise UserError(
            f"{label('teacher.ask')}: {ask} asks for {'words' if form == 'program' else 'programs'}, which does not go "
            f"with reasoning.form = {form!r}; got {ask!r}"
        )


def _refuse_within_reinforce(config: RunConfig) -> None:
    reinforce, coderl = config.reinforce, config.coderl
    if config.recipe == "coderl" and not coderl.imitation_weight and not coderl.reinforcement_weight:
        raise UserError("coderl: both weights are 0, so there is nothing to learn; set one of them above 0")
    if reinforce.ahead and (reinforce.max_draws > 1 or reinforce.curriculum):
        raise UserError(
            "reinforce.ahead: a round that is drawn by the verdicts of the one before cannot be written ahead of them; "
            "set reinforce.ahead = 0, or max_draws = 1 and curriculum = false"
        )
    if reinforce.minibatches > reinforce.problems_per_round:
        raise UserError(
            f"reinforce.minibatches: {reinforce.minibatches} parts of whole groups need as many problems; "
            f"got reinforce.problems_per_round = {reinforce.problems_per_round}"
        )
    if reinforce.overlong_margin >= config.sampling.max_new_tokens:
        raise UserError(
            f"reinforce.overlong_margin: expected less than sampling.max_new_tokens, which is "
            f"{config.sampling.max_new_tokens}; got {reinforce.overlong_margin}"
        )


def _refuse_within_teacher(config: RunConfig) -> None:
    teacher = config.teacher
    if teacher.file is not None and (teacher.model or teacher.server):
        raise UserError("teacher.file: stored answers need no model and no server; remove teacher.file or the others")
    if teacher.file is None and not teacher.model:
        raise UserError(
            f"teacher.model: recipe {config.recipe} needs a teacher; name a model folder, run folder or hub name, or "
            f"set teacher.server with the server's name of its model, or teacher.file"
        )
    if config.recipe in RECIPES_OF_DISTRIBUTIONS and (teacher.file is not None or teacher.server):
        raise UserError(
            f"recipe: {config.recipe} learns the distributions of a teacher, whose model must run here; remove "
            f"teacher.file or teacher.server, or choose ekt or seqkd"
        )
    if config.recipe == "symbolic_kd":
        _refuse_within_purify(config)
    if config.recipe == "kd" and config.ekt.question_loss and config.distil.prompted:
        raise UserError(
            "distil.prompted: a teacher that is prompted otherwise says nothing about the question's tokens; set "
            "ekt.question_loss = false or distil.prompted = false"
        )
    if teacher.server and (teacher.api == "chat") != (teacher.ask == "chat"):
        raise UserError(
            f'teacher.api: messages are for api = "chat" with ask = "chat", texts for "completions" with another; got '
            f"api = {teacher.api!r} with ask = {teacher.ask!r}"
        )


def _refuse_within_purify(config: RunConfig) -> None:
    settings = config.purify
    if settings.problems >= config.ekt.problems:
        raise UserError(
            f"purify.problems: expected fewer than ekt.problems = {config.ekt.problems}, or nothing is left to "
            f"imitate; got {settings.problems}"
        )
    if settings.validation + settings.test >= 1:
        raise UserError(
            f"purify.validation: expected less than 1 together with purify.test, or nothing is left to fit the critic "
            f"to; got {settings.validation} + {settings.test}"
        )
