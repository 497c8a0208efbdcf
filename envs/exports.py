"""Programs in the files that other evaluators take: EvalPlus' JSONL and LiveCodeBench's JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


def write_evalplus(programs: Iterable[tuple[str, str]], path: str | Path) -> None:
    """Write (problem id, program) pairs as lines `{"task_id", "solution"}`, several lines for several programs."""
    rows = [json.dumps({"task_id": problem_id, "solution": program}) for problem_id, program in programs]
    Path(path).write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")


def write_livecodebench(programs: Mapping[str, Sequence[str]], path: str | Path) -> None:
    """Write the programs of each question as `[{"question_id", "code_list"}]`, for the runner's custom evaluator.

    Raises ValueError where questions have different numbers of programs, which that evaluator refuses.
    """
    counts = {len(code_list) for code_list in programs.values()}
    if len(counts) > 1:
        raise ValueError(f"LiveCodeBench takes the same number of programs for every question; got {sorted(counts)}")
    rows = [{"question_id": question, "code_list": list(code_list)} for question, code_list in programs.items()]
    Path(path).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
