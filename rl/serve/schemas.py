"""What requests may say. A field that is not here is ignored, and the answer's Warning header names it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

LONGEST_TEXT = 1_000_000
"""Characters of any one text."""
Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]
# Lists fail at their first mistake: a million of them, each told, would be an attack.
TokenIds = Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(min_length=1, fail_fast=True)]
Texts = Annotated[list[Text], Field(min_length=1, fail_fast=True)]
StopString = Annotated[str, Field(min_length=1, max_length=256)]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False, protected_namespaces=())


class Limits(_Body):
    """What one run of a program may use; the server has limits of its own."""

    cpu_s: float | None = Field(default=None, gt=0, description="CPU seconds")
    memory_mb: int | None = Field(default=None, ge=16, description="address space, in MiB")


class SearchOptions(_Body):
    """How critic sampling spends a budget of tokens on a problem, and the problem's example tests."""

    example_tests: list[Any] = Field(
        default=[], description='{"input": [arguments], "output": value}, texts for stdio, or `assert` lines'
    )
    entry_point: str | None = Field(None, max_length=200, description="name of the function that the tests call")
    starter_code: Text = Field("", description="code that the program continues from")
    interface: Literal["function", "stdio", "assert"] | None = Field(
        None, description="how tests call the program; found from the tests where it is left out"
    )
    tolerance: float | None = Field(None, ge=0, description="allowed error of float answers")
    limits: Limits = Limits()
    n: int = Field(16, ge=1, description="programs per round")
    budget: int | None = Field(None, ge=1, description="tokens that may be generated; n times the longest by default")
    rounds: int | None = Field(None, ge=0, description="most rounds after the first; as the budget bears by default")
    keep: int = Field(1, ge=1, description="failed programs that are repaired in a round")
    cut: Literal["argmax", "sample"] = Field("argmax", description="where the seed of a passing program ends")
    drop: Literal["below_first", "below_half", "nothing"] = Field(
        "below_first", description="p(passed) below which a seed is dropped"
    )
    refine: bool = Field(True, description="whether programs that pass the example tests are cut and written on")
    repair: bool = Field(True, description="whether failed ones are repaired, where the server has a repair model")


class SolveRequest(SearchOptions):
    """A problem to solve by critic sampling."""

    problem: Text = Field(min_length=1, description="the task in words")
    model: str | None = Field(None, max_length=500)
    max_tokens: int | None = Field(None, ge=1, description="longest program, in tokens")
    temperature: float = Field(0.8, ge=0, le=2)
    seed: Seed | None = None
    stream: bool = Field(False, description="tell of every program by server-sent events, before the answer")


class StreamOptions(_Body):
    include_usage: bool | None = None


class _Sampling(_Body):
    """What completions and chat have in common."""

    model: str = Field(max_length=500)
    n: int | None = Field(None, ge=1)
    seed: Seed | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    stop: StopString | Annotated[list[StopString], Field(max_length=16, fail_fast=True)] | None = None
    max_tokens: int | None = Field(None, ge=0)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    user: str | None = None
    return_token_ids: bool | None = Field(None, description="whether choices also hold token ids")
    critic: SearchOptions | None = Field(None, description="choose by critic sampling")

    @property
    def stops(self) -> tuple[str, ...]:
        """Stop strings."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with its usage."""
        return bool(self.stream_options and self.stream_options.include_usage)


class CompletionRequest(_Sampling):
    """POST /v1/completions."""

    prompt: Text | Texts | TokenIds | Annotated[list[TokenIds], Field(min_length=1, fail_fast=True)]
    best_of: int | None = Field(None, ge=1)
    echo: bool | None = None
    logprobs: int | None = Field(None, ge=0, le=20)
    suffix: str | None = None


class TextPart(_Body):
    type: Literal["text"]
    text: Text


class Message(_Body):
    role: str = Field(max_length=100)
    content: Text | Annotated[list[TextPart], Field(fail_fast=True)] | None = None

    @property
    def text(self) -> str:
        """Its parts as one text."""
        content = self.content or ""
        return content if isinstance(content, str) else "".join(part.text for part in content)


class ChatRequest(_Sampling):
    """POST /v1/chat/completions."""

    messages: list[Message] = Field(min_length=1, max_length=1000, fail_fast=True)
    max_completion_tokens: int | None = Field(None, ge=0)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)


def unknown_fields(body: BaseModel) -> list[str]:
    """Names of fields that mean nothing here, with where they stand."""
    names = list(body.model_extra or ())
    for name in type(body).model_fields:
        value = getattr(body, name)
        if isinstance(value, BaseModel):
            names += [f"{name}.{inner}" for inner in unknown_fields(value)]
    return names
