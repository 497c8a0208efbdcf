"""Who writes the programs: functions that turn problems into rollouts.

A Write is called with the problems of a round and the round's number; it yields each problem's Group as soon as it is
written, so that its programs can be graded while the next ones are sampled.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from critics.sampling import Request, Writer
from envs.forms import Form, form_of, program_of, references, retold
from envs.problem import Problem
from envs.prompts import completion_for, plain
from envs.rollout import Group, Prompt, Rollout, Segment, StopReason
from rl.decode import DEDENT, Completion, Insert, StopStrings, sample
from rl.models import Policy
from rl.teachers import Answer, Question, Teacher

Ask = Callable[[Problem], Prompt]
"""Problem -> Prompt: how the writer is asked."""
Sampler = Callable[..., list[list[Completion]]]
"""What samples: `rl.decode.sample`, or that of a server, with the same arguments."""
Write = Callable[[Sequence[Problem], int], Iterator[Group]]
"""(problems, round) -> their Groups; the verdict of a program that nobody has run yet is None."""


def stop_at(policy: Policy, strings: Sequence[str], *, at_dedent: bool = False) -> StopStrings | None:
    """What ends the policy's completions besides the end of text; None for nothing.

    `at_dedent` adds every line after the first that begins in column 0.
    """
    strings = (*strings, *(DEDENT if at_dedent else ()))
    vocabulary = policy.model.config.get_text_config().vocab_size
    return StopStrings(strings, policy.tokenizer, vocabulary) if strings else None


def by_policy(
    policy: Policy,
    *,
    ask: Ask,
    n: int,
    temperature: float,
    max_new_tokens: int,
    seed: int,
    policy_version: Callable[[], int] = lambda: 0,
    stop: StopStrings | None = None,
    with_greedy: bool = False,
    sampler: Sampler = sample,
    rows: int = 256,
) -> Write:
    """Sample `n` completions per problem from the policy, and `with_greedy` its likeliest one, which comes last.

    At most `rows` sampled sequences are decoded together.

    A completion ends with the end of text, a stop string (which its program does not hold), or `max_new_tokens`.
    """

    def write(problems: Sequence[Problem], round_number: int) -> Iterator[Group]:
        for start in range(0, len(problems), max(1, rows // n)):
            chunk = problems[start : start + max(1, rows // n)]
            prompts = [ask(problem) for problem in chunk]
            prompt_ids = [policy.encode(prompt.text) for prompt in prompts]
            seeds = [
                [rollout_seed(seed, round_number, problem.id, i) for i in range(n + with_greedy)] for problem in chunk
            ]
            completions = sampler(
                policy.model,
                prompt_ids,
                seeds,
                temperature=temperature,
                max_new_tokens=max_new_tokens,
                end_id=policy.end_id,
                stop=stop,
                greedy_last=with_greedy,
            )
            for problem, prompt, ids, group_seeds, group in zip(
                chunk, prompts, prompt_ids, seeds, completions, strict=True
            ):
                version = policy_version()
                rollouts = [
                    _sampled(
                        policy,
                        problem,
                        prompt,
                        ids,
                        completion,
                        temperature=0.0 if with_greedy and i == n else temperature,
                        seed=row_seed,
                        stop=stop,
                        version=version,
                    )
                    for i, (completion, row_seed) in enumerate(zip(group, group_seeds, strict=True))
                ]
                yield ungraded(problem, rollouts)

    return write


def continuing(
    policy: Policy,
    *,
    temperature: float,
    stop: StopStrings | None = None,
    author: str = "policy",
    insert: Insert | None = None,
    rows: int = 256,
    sampler: Sampler = sample,
) -> Writer:
    """The policy as a writer after any prompt; about `rows` sequences are decoded together, by `sampler`.

    Ids that were written already are part of the completion as they are. They carry no behaviour log-probs: they were
    chosen, not drawn.
    """

    def write(requests: Sequence[Request], max_new_tokens: int) -> list[list[Rollout]]:
        found: list[list[Rollout]] = []
        for chunk in _chunks(requests, rows):
            prompt_ids = [policy.encode(request.prompt.text) for request in chunk]
            completions = sampler(
                policy.model,
                prompt_ids,
                [request.seeds for request in chunk],
                temperature=temperature,
                max_new_tokens=max_new_tokens,
                end_id=policy.end_id,
                stop=stop,
                written_P=[request.written_ids for request in chunk],
                insert=insert,
            )
            for request, ids, group in zip(chunk, prompt_ids, completions, strict=True):
                found.append(
                    [
                        _sampled(
                            policy,
                            request.problem,
                            request.prompt,
                            ids,
                            completion,
                            temperature=temperature,
                            seed=seed,
                            stop=stop,
                            author=author,
                            written_ids=request.written_ids,
                        )
                        for completion, seed in zip(group, request.seeds, strict=True)
                    ]
                )
        return found

    return write


def by_reference(policy: Policy, *, ask: Ask) -> Write:
    """One rollout per reference in the form of the prompt: its text, tokenised once, after the problem's own prompt."""

    def write(problems: Sequence[Problem], round_number: int) -> Iterator[Group]:
        for problem in problems:
            prompt = ask(problem)
            ids = policy.encode(prompt.text)
            yield ungraded(
                problem,
                [written(policy, prompt, ids, text, program) for text, program in references(problem, form_of(prompt))],
            )

    return write


def local_teacher(
    policy: Policy, *, temperature: float, max_new_tokens: int, stop: StopStrings | None = None, rows: int = 256
) -> Teacher:
    """A model in this process as a teacher, with its own tokenizer; about `rows` answers are decoded together."""

    def answer(questions: Sequence[Question]) -> Iterator[list[Answer]]:
        together = max(1, rows // max((len(question.seeds) for question in questions), default=1))
        for start in range(0, len(questions), together):
            chunk = questions[start : start + together]
            completions = sample(
                policy.model,
                [policy.encode(question.prompt.text) for question in chunk],
                [question.seeds for question in chunk],
                temperature=temperature,
                max_new_tokens=max_new_tokens,
                end_id=policy.end_id,
                stop=stop,
            )
            for group in completions:
                texts = [policy.decode(completion.ids) for completion in group]
                yield [
                    Answer(text if stop is None else stop.cut(text), completion.stop)
                    for text, completion in zip(texts, group, strict=True)
                ]

    return answer


def by_teacher(
    teacher: Teacher, policy: Policy, *, ask: Ask, prompt: Ask, n: int, temperature: float, seed: int
) -> Write:
    """`n` solutions per problem by a teacher, as the learner would write them: in its form and ids, after its prompt.

    The rollout's prompt says how the teacher was asked, its prompt ids are those of `prompt` for the learner. A seed
    does not depend on the round, so that a question that was answered once is found in a cache.
    """

    def write(problems: Sequence[Problem], round_number: int) -> Iterator[Group]:
        questions = [
            Question(ask(problem), tuple(rollout_seed(seed, 0, problem.id, i) for i in range(n)))
            for problem in problems
        ]
        for problem, question, answers in zip(problems, questions, teacher(questions), strict=True):
            bare = prompt(problem)
            ids = policy.encode(bare.text)
            rollouts = [
                _taught(policy, problem, question.prompt, ids, form_of(bare), answer, temperature, row_seed)
                for answer, row_seed in zip(answers, question.seeds, strict=False)
            ]
            yield ungraded(problem, rollouts)

    return write


def either(belongs_to_first: Callable[[Problem], bool], first: Write, second: Write) -> Write:
    """Each problem is attempted by one of two writers; those of the first come first."""

    def write(problems: Sequence[Problem], round_number: int) -> Iterator[Group]:
        yield from first([problem for problem in problems if belongs_to_first(problem)], round_number)
        yield from second([problem for problem in problems if not belongs_to_first(problem)], round_number)

    return write


def from_experience(groups: Mapping[str, Group]) -> Write:
    """Rollouts that were written before: the group of each problem, by its id, with the verdicts it has."""
    return lambda problems, round_number: (groups[problem.id] for problem in problems)


def one_each(groups: Mapping[str, Group], seed: int) -> Write:
    """Of rollouts that were written before, one per problem, drawn anew in each round."""

    def write(problems: Sequence[Problem], round_number: int) -> Iterator[Group]:
        for problem in problems:
            group = groups[problem.id]
            place = rollout_seed(seed, round_number, problem.id, 0) % len(group.rollouts)
            yield Group(group.problem, group.rollouts[place : place + 1], group.verdicts[place : place + 1])

    return write


def ungraded(problem: Problem, rollouts: Sequence[Rollout]) -> Group:
    """A Group whose programs nobody has run yet."""
    return Group(problem, tuple(rollouts), (None,) * len(rollouts))


def written(policy: Policy, prompt: Prompt, prompt_ids: tuple[int, ...], text: str, program: str) -> Rollout:
    """A completion that nobody sampled, and the program that it stands for."""
    return Rollout(
        prompt=prompt,
        prompt_ids=prompt_ids,
        segments=(Segment((*policy.encode(text), policy.end_id), "reference"),),
        text=text,
        program=program,
        stop=StopReason.NOT_SAMPLED,
    )


def with_question(rollout: Rollout) -> Rollout:
    """The same rollout with a loss on its prompt as well, but for the first token, which nothing predicts."""
    first, rest = rollout.prompt_ids[:1], rollout.prompt_ids[1:]
    return replace(rollout, prompt_ids=first, segments=(Segment(rest, rollout.author), *rollout.segments))


def rewritten(policy: Policy, rollout: Rollout, problem: Problem, program: str) -> Rollout:
    """A rollout as if its author had been asked this problem and had written this program."""
    ids = _taught_ids(policy, completion_for(problem, program).rstrip() + "\n", rollout.stop)
    segments = (Segment(ids, rollout.author),)
    return replace(rollout, prompt_ids=policy.encode(plain(problem).text), segments=segments, program=program)


def rollout_seed(seed: int, round_number: int, problem_id: str, index: int) -> int:
    """Seed of one rollout: a 63-bit hash of who it is, so that it does not depend on what else is sampled."""
    name = f"{seed}/{round_number}/{problem_id}/{index}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest()) >> 1


def _sampled(
    policy: Policy,
    problem: Problem,
    prompt: Prompt,
    prompt_ids: tuple[int, ...],
    completion: Completion,
    *,
    temperature: float,
    seed: int,
    stop: StopStrings | None,
    version: int = 0,
    author: str = "policy",
    written_ids: tuple[int, ...] = (),
) -> Rollout:
    """A completion of the policy; `written_ids` are those at its beginning that it was given."""
    text = policy.decode(written_ids + completion.ids)
    if stop is not None:
        text = stop.cut(text)
    written = (Segment(written_ids, author),) if written_ids else ()
    return Rollout(
        prompt=prompt,
        prompt_ids=prompt_ids,
        segments=(*written, *_segments(completion, author)),
        text=text,
        program=program_of(text, problem, form_of(prompt)),
        stop=completion.stop,
        temperature=temperature,
        policy_version=version,
        seed=seed,
    )


def _segments(completion: Completion, author: str) -> tuple[Segment, ...]:
    """A completion in one piece, or in several where ids were put into it, which nobody learns."""
    found: list[Segment] = []
    for inserted, run in groupby(range(len(completion.ids)), key=completion.inserted.__contains__):
        places = list(run)
        part = slice(places[0], places[-1] + 1)
        ids = completion.ids[part]
        if inserted:
            found.append(Segment(ids, "environment", learn=False))
        else:
            found.append(Segment(ids, author, log_probs=completion.log_probs[part]))
    return tuple(found)


def _chunks(requests: Sequence[Request], rows: int) -> Iterator[list[Request]]:
    """Requests in order, together while they ask for no more than `rows` programs."""
    chunk: list[Request] = []
    for request in requests:
        if chunk and sum(len(other.seeds) for other in [*chunk, request]) > rows:
            yield chunk
            chunk = []
        chunk.append(request)
    if chunk:
        yield chunk


def _taught(
    policy: Policy,
    problem: Problem,
    asked: Prompt,
    prompt_ids: tuple[int, ...],
    form: Form,
    answer: Answer,
    temperature: float,
    seed: int,
) -> Rollout:
    """An answer as a reference of the learner's form would be told; what was cut off has no end."""
    completion, program = retold(answer.text, problem, form)
    return Rollout(
        prompt=asked,
        prompt_ids=prompt_ids,
        segments=(Segment(_taught_ids(policy, completion, answer.stop), "teacher"),),
        text=answer.text,
        program=program,
        stop=answer.stop,
        temperature=temperature,
        seed=seed,
    )


def _taught_ids(policy: Policy, completion: str, stop: StopReason) -> tuple[int, ...]:
    """The completion in the learner's ids, with the end of text unless it was cut off."""
    ids = policy.encode(completion)
    return ids if stop is StopReason.LENGTH else (*ids, policy.end_id)
