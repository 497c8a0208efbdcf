"""Who writes the programs: functions that turn problems into rollouts.

A Write is called with the problems of a round and the round's number; it yields each problem's Group as soon as it is
written, so that its programs can be graded while the next ones are sampled.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from critics.filters import repair_pairs
from critics.sampling import Request, Writer
from envs.extract import extract_program
from envs.feedback import GradeAll, by_examples
from envs.problem import Problem
from envs.prompts import completion_for, repair
from envs.rollout import Group, Prompt, Rollout, Segment, StopReason
from envs.verdict import Verdict
from rl.decode import Completion, StopStrings, sample
from rl.models import Policy
from rl.teachers import Answer, Question, Teacher

Ask = Callable[[Problem], Prompt]
"""Problem -> Prompt: how the writer is asked."""
Sampler = Callable[..., list[list[Completion]]]
"""What samples: `rl.decode.sample`, or that of a server, with the same arguments."""
Write = Callable[[Sequence[Problem], int], Iterator[Group]]
"""(problems, round) -> their Groups; the verdict of a program that nobody has run yet is None."""


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
    policy: Policy, *, temperature: float, stop: StopStrings | None = None, author: str = "policy", rows: int = 256
) -> Writer:
    """The policy as a writer for critic sampling; about `rows` sequences are decoded together.

    Ids that were written already are part of the completion as they are. They carry no behaviour log-probs: they were
    chosen, not drawn.
    """

    def write(requests: Sequence[Request], max_new_tokens: int) -> list[list[Rollout]]:
        found: list[list[Rollout]] = []
        for chunk in _chunks(requests, rows):
            prompt_ids = [policy.encode(request.prompt.text) for request in chunk]
            completions = sample(
                policy.model,
                prompt_ids,
                [request.seeds for request in chunk],
                temperature=temperature,
                max_new_tokens=max_new_tokens,
                end_id=policy.end_id,
                stop=stop,
                written_P=[request.written_ids for request in chunk],
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
    """One rollout per reference solution: its text, tokenised once, after the problem's own prompt."""

    def write(problems: Sequence[Problem], round_number: int) -> Iterator[Group]:
        for problem in problems:
            prompt = ask(problem)
            ids = policy.encode(prompt.text)
            yield ungraded(
                problem, [_written(policy, problem, prompt, ids, solution) for solution in problem.solutions]
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
    """`n` programs per problem by a teacher, as the learner would write them: in its own ids, after its own prompt.

    The rollout's prompt says how the teacher was asked, its prompt ids are those of `prompt` for the learner. A seed
    does not depend on the round, so that a question that was answered once is found in a cache.
    """

    def write(problems: Sequence[Problem], round_number: int) -> Iterator[Group]:
        questions = [
            Question(ask(problem), tuple(rollout_seed(seed, 0, problem.id, i) for i in range(n)))
            for problem in problems
        ]
        for problem, question, answers in zip(problems, questions, teacher(questions), strict=True):
            ids = policy.encode(prompt(problem).text)
            rollouts = [
                _taught(policy, problem, question.prompt, ids, answer, temperature, row_seed)
                for answer, row_seed in zip(answers, question.seeds, strict=False)
            ]
            yield ungraded(problem, rollouts)

    return write


def together(*writers: Write) -> Write:
    """Every writer attempts every problem: a Group holds the rollouts of all of them, writer by writer."""

    def write(problems: Sequence[Problem], round_number: int) -> Iterator[Group]:
        for groups in zip(*(writer(problems, round_number) for writer in writers), strict=True):
            yield Group(
                groups[0].problem,
                tuple(rollout for group in groups for rollout in group.rollouts),
                tuple(verdict for group in groups for verdict in group.verdicts),
            )

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


def repairs(policy: Policy, groups: Iterable[Group], grade: GradeAll, at_most: int = 4) -> dict[str, Group]:
    """What a repair model learns from: per problem, repair prompts of failed programs with a program that passes.

    `groups` are graded rollouts, from the store; at most `at_most` failed programs of each are run again, on the
    example tests, whose findings the prompts show. Left out are those that pass the example tests, with which a repair
    model has nothing to go by, and problems of which nothing is left.
    """
    pairs = [(group.problem, pair) for group in groups for pair in repair_pairs(group, at_most)]
    feedbacks = by_examples([(problem, pair.failed.program) for problem, pair in pairs], grade)
    rows: dict[str, list[tuple[Problem, Rollout, Verdict]]] = {}
    for (problem, pair), feedback in zip(pairs, feedbacks, strict=True):
        if feedback is not None and feedback.passed is False:
            prompt = repair(problem, pair.failed.program, feedback)
            rows.setdefault(problem.id, []).append(
                (problem, _mended(policy, problem, prompt, pair.passed), pair.verdict)
            )
    return {name: Group(of[0][0], tuple(r for _, r, _ in of), tuple(v for *_, v in of)) for name, of in rows.items()}


def ungraded(problem: Problem, rollouts: Sequence[Rollout]) -> Group:
    """A Group whose programs nobody has run yet."""
    return Group(problem, tuple(rollouts), (None,) * len(rollouts))


def with_question(rollout: Rollout) -> Rollout:
    """The same rollout with a loss on its prompt as well, but for the first token, which nothing predicts."""
    first, rest = rollout.prompt_ids[:1], rollout.prompt_ids[1:]
    return replace(rollout, prompt_ids=first, segments=(Segment(rest, rollout.author), *rollout.segments))


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
        segments=(*written, Segment(completion.ids, author, log_probs=completion.log_probs)),
        text=text,
        program=extract_program(text, problem),
        stop=completion.stop,
        temperature=temperature,
        policy_version=version,
        seed=seed,
    )


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


def _mended(policy: Policy, problem: Problem, prompt: Prompt, passed: Rollout) -> Rollout:
    """A program that passes as the completion of a repair prompt, with the ids that it was written in.

    Only a completion of another form than the plain prompt's is tokenised anew. Log-probs under another prompt are
    none under this one.
    """
    ids = policy.encode(prompt.text)
    if passed.prompt.mode not in ("plain", "repair"):
        return _written(policy, problem, prompt, ids, passed.program)
    segments = tuple(replace(segment, log_probs=None) for segment in passed.segments)
    return replace(passed, prompt=prompt, prompt_ids=ids, segments=segments)


def _written(policy: Policy, problem: Problem, prompt: Prompt, prompt_ids: tuple[int, ...], solution: str) -> Rollout:
    """A reference continues the starter code where it begins with it, and is a whole program otherwise."""
    text = completion_for(problem, solution)
    return Rollout(
        prompt=prompt,
        prompt_ids=prompt_ids,
        segments=(Segment((*policy.encode(text), policy.end_id), "reference"),),
        text=text,
        program=solution,
        stop=StopReason.NOT_SAMPLED,
    )


def _taught(
    policy: Policy,
    problem: Problem,
    asked: Prompt,
    prompt_ids: tuple[int, ...],
    answer: Answer,
    temperature: float,
    seed: int,
) -> Rollout:
    """The program of an answer, continuing the starter code as a reference does; what was cut off has no end."""
    program = extract_program(answer.text, problem)
    ids = policy.encode(completion_for(problem, program).rstrip() + "\n")
    end = () if answer.stop is StopReason.LENGTH else (policy.end_id,)
    return Rollout(
        prompt=asked,
        prompt_ids=prompt_ids,
        segments=(Segment((*ids, *end), "teacher"),),
        text=answer.text,
        program=program,
        stop=answer.stop,
        temperature=temperature,
        seed=seed,
    )
