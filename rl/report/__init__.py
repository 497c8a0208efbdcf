"""report: a run folder -> one self-contained HTML page, whether the run is finished, was killed or still goes on."""

from __future__ import annotations

from pathlib import Path

from envs.errors import UserError
from rl.durable import write_text
from rl.report.page import page
from rl.report.reading import RunRecord, read_run

REPORT = "report.html"


def write_report(folder: Path) -> Path:
    """Write report.html into a run folder and return its path; raises UserError where the folder holds no run."""
    return write_page(read_run(folder))


def write_page(run: RunRecord) -> Path:
    """Write the page of a run that was read into its folder and return its path; raises UserError where it cannot."""
    path = run.folder / REPORT
    try:
        write_text(path, page(run))
    except OSError as error:
        raise UserError(f"{path}: the report cannot be written: {error.strerror}") from None
    return path
