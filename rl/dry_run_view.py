"""A dry run as people read it: settings, formulas, arithmetic, memory, time, prompts, programs."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rl.dry_run import Memory, PhaseReport, Report, Setting
from rl.estimate import Item, total


def show(report: Report, console: Console) -> None:
    """Print the whole report; nothing of it is read as markup."""
    problems = ", ".join(f"{count} {name}" for name, count in report.problems.items())
    _say(console, f"dry run of recipe {report.recipe}, {report.ranks} rank(s): nothing is trained, nothing is kept")
    _say(console, f"{report.parameters:,} parameters; problems: {problems}; isolation {report.isolation}")
    _show_settings(console, report.settings)
    for phase in report.phases:
        _show_phase(console, phase)
    _show_memory(console, report.memory)
    _show_time(console, report.seconds)
    for prompt in report.prompts:
        room = f" of {report.positions} positions" if report.positions else ""
        _head(console, f"prompt of {prompt.problem_id}: {prompt.tokens} tokens{room}")
        _say(console, prompt.text)
    _show_programs(console, report)
    if report.contradictions:
        _head(console, "this run cannot work")
        for line in report.contradictions:
            _say(console, line)


def _show_settings(console: Console, settings: Iterable[Setting]) -> None:
    _head(console, "settings that differ from the defaults")
    for setting in settings:
        _say(console, f"{setting.key} = {setting.value}   (default: {setting.default}; set at {setting.source})")
        if setting.idle:
            _say(console, f"  changes nothing: {setting.idle}")


def _show_phase(console: Console, phase: PhaseReport) -> None:
    _head(console, phase.name)
    loss = " + ".join(f"{term.weight:g} x {term.name}" for term in phase.objective)
    _say(console, f"minimise  {loss}")
    for term in phase.objective:
        _say(console, f"  {term.name} = {term.formula}; {term.mean}")
        if term.needs:
            _say(console, f"    reads {', '.join(term.needs)}")
    _say(console, f"  advantage: {phase.advantage}")
    _say(console, f"  reward R: {phase.reward}")
    for note in phase.notes:
        _say(console, f"  {note}")
    table = _table()
    for name, count in phase.counts.items():
        _row(table, name, f"{count:,}" if isinstance(count, int) else f"{count:.4g}")
    console.print(table)


def _show_memory(console: Console, memory: Memory) -> None:
    _head(console, "memory per rank (estimated, at most)")
    table = _table()
    for item in (*memory.stays, *memory.learning):
        _row(table, item.name, size(item.amount))
    for item in memory.sampling:
        _row(table, f"{item.name}, when not learning", size(item.amount))
    _row(table, "at once", size(memory.most))
    _row(table, memory.where, f"{size(memory.there)}, {size(memory.free)} free")
    console.print(table)
    if memory.most > memory.there:
        _say(console, "does not fit: lower learner.micro_batch_tokens, set model.lora_rank, or take a smaller model")


def _show_time(console: Console, seconds: tuple[Item, ...]) -> None:
    _head(console, "time (an estimate from a few seconds of real work; completions at their longest)")
    if not seconds:
        _say(console, "not measured")
        return
    table = _table()
    for item in seconds:
        _row(table, item.name, duration(item.amount))
    _row(table, "in all", duration(total(seconds)))
    console.print(table)


def _show_programs(console: Console, report: Report) -> None:
    _head(console, "programs through the real grader")
    for kind, wanted in (("reference", "passed"), ("known wrong", "did not pass")):
        mine = [program for program in report.programs if program.program == kind]
        good = sum(program.as_expected for program in mine)
        _say(console, f"{kind}: {good} of {len(mine)} {wanted}" if mine else f"{kind}: there is none to try")
        for program in mine:
            if not program.as_expected:
                _say(console, f"  {program.problem_id}: {kind} program: {program.outcome}")


def size(n_bytes: float) -> str:
    """Bytes as people read them."""
    for unit in ("B", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:,.3g} GB" if n_bytes < 1000 else f"{n_bytes:,.0f} GB"


def duration(seconds: float) -> str:
    """Seconds as people read them."""
    if seconds < 120:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _head(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, style="bold"))


def _say(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=True)


def _table() -> Table:
    """Two columns: what, and how much."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(overflow="fold")
    table.add_column(justify="right", overflow="fold")
    return table


def _row(table: Table, *cells: str) -> None:
    table.add_row(*(Text(cell) for cell in cells))
