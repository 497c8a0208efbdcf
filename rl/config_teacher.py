"""Sections of a config that speak of teachers and of what is learned from them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from rl.config_sections import Section


class TeacherSection(Section):
    """Who writes programs for the policy to learn from: a local model, a server, or a file of stored answers."""

    model: str = ""
    """A model folder, run folder or hub name of transformers; with `server`, the server's name of the model."""
    server: str = ""
    """URL of an OpenAI-compatible server up to its version, such as `http://localhost:8000/v1`."""
    api: Literal["completions", "chat"] = "completions"
    """How a server is asked; `chat` needs teacher.ask = "chat"."""
    file: Path | None = None
    """JSONL file of stored answers: rows of `problem_id` and `completion`."""
    ask: Literal["plain", "few_shot", "chain_of_thought", "two_step", "chat"] = "few_shot"
    """Prompt of the teacher; the policy reads the bare problem. `two_step` asks to reason, then for the answer."""
    shots: int = Field(default=3, ge=0)
    """Labelled problems that are shown with their solutions; not with `plain` and `two_step`."""
    n: int = Field(default=4, ge=1)
    """Programs per problem."""
    temperature: float = Field(default=0.6, ge=0)
    """Sampling temperature."""
    max_new_tokens: int = Field(default=150, ge=1)
    """Longest answer, in tokens of the teacher."""
    stop: tuple[str, ...] = ()
    """Strings that end an answer; a server gets the first four."""
    stop_at_dedent: bool = True
    """End a `plain` or `few_shot` program at its first line in column 0 after line one: for one function each."""
    cache: Path = Path("runs/teacher")
    """Folder that keeps what a server has answered: nothing in it is paid for again, by no run."""
    max_requests: int | None = Field(default=None, ge=0)
    """Most requests that the cache may have cost, over all runs; none is no bound."""
    max_tokens: int | None = Field(default=None, ge=0)
    """Most tokens that the cache may have cost, prompts included; none is no bound."""
    per_request: int = Field(default=8, ge=1)
    """Most programs that one request asks for."""
    parallel: int = Field(default=4, ge=1)
    """Requests in flight."""
    tries: int = Field(default=6, ge=1)
    """Times that a request is sent before the run gives up."""
    timeout_s: float = Field(default=300.0, gt=0)
    """Seconds of silence after which a try has failed."""
    key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the server's key; the key itself is in no config."""


class EktSection(Section):
    """Imitation of a teacher's solutions (recipes ekt, finetune_cot, hinted_cot, kd, seqkd, symbolic_kd)."""

    problems: int = Field(default=1000, ge=1)
    """Train problems that the teacher attempts."""
    choose: Literal["first", "shortest", "agreed"] = "first"
    """Which of the accepted programs are imitated; `agreed`: those that most others equal but for names."""
    programs_per_problem: int = Field(default=1, ge=1)
    """Most distinct programs that are imitated per problem."""
    without_dead_code: bool = False
    """Refuse programs with variables that play no part in the answer."""
    literals_from_text: bool = False
    """Refuse programs with numbers that the statement does not hold."""
    check: Literal["value", "paper"] = "value"
    """What accepts an answer; `paper` is the original's: floats only, an error of 1 %."""
    question_loss: bool = False
    """Learn the question's tokens too, as the original did."""
    epochs: int = Field(default=30, ge=1)
    """Passes over the problems that the teacher solved."""
    steps: int = Field(default=0, ge=0)
    """Optimizer steps in all, however many problems were solved; 0 goes by `epochs`."""
    problems_per_round: int = Field(default=16, ge=1)
    """Problems of one optimizer step."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Step size of AdamW."""
    evaluate_every: int = Field(default=100, ge=1)
    """Rounds between looks at the dev pass rate."""


class DistilSection(Section):
    """Learning a teacher's distributions (recipes kd, on_policy_distillation)."""

    kl_weight: float = Field(default=1.0, ge=0)
    """Weight of the KL divergence."""
    imitation_weight: float = Field(default=1.0, ge=0)
    """Weight of the cross-entropy on the teacher's programs (recipe kd); 0 leaves it out."""
    temperature: float = Field(default=1.0, gt=0)
    """Temperature of both distributions; the loss is multiplied by its square."""
    top_k: int = Field(default=64, ge=0)
    """Tokens that the teacher tells apart in each state, all others being one event; 0 is the whole vocabulary."""
    keep: bool = False
    """Keep what the teacher says of each program for later epochs (recipe kd): 8 bytes per token and listed token."""
    prompted: bool = False
    """Whether the teacher is shown its own prompt (teacher.ask) or, like the policy, the bare problem."""
    rounds: int = Field(default=60, ge=0)
    """Rounds of the policy's own programs (recipe on_policy_distillation)."""
    problems_per_round: int = Field(default=32, ge=1)
    """Problems per round of the policy's own programs, `sampling.n` programs each."""
    learning_rate: float = Field(default=3e-4, gt=0)
    """Step size of AdamW for the policy's own programs."""
    evaluate_every: int = Field(default=20, ge=1)
    """Rounds between looks at the dev pass rate."""
