"""Writing that survives a kill: files appear whole or not at all, and a torn last line is cut."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError


def sync(path: Path) -> None:
    """Make sure that a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path to write to, whose content takes the place of `path` once it is on the disk."""
    partial = path.with_name(f".{path.name}")
    yield partial
    sync(partial)
    os.rename(partial, path)


def write_text(path: Path, text: str) -> None:
    """Write a file, whole or not at all."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, default=str) + "\n")


def append_line(path: Path, line: str) -> None:
    """Add one line to a file and wait until it is on the disk."""
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def lines_of(path: Path) -> list[str]:
    """The whole lines of a file, without their ends; none where there is no file."""
    if not path.exists():
        return []
    return path.read_bytes().decode("utf-8", "replace").split("\n")[:-1]


def without_torn_tail(path: Path) -> None:
    """Cut what follows the last line end: a line that a kill has torn."""
    if path.exists():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(path, whole)


@contextmanager
def plain_os_errors(path: Path) -> Iterator[None]:
    """Raise the OSError that torch and safetensors wrap in errors of their own when a write fails."""
    try:
        yield
    except (RuntimeError, SafetensorError) as error:
        if isinstance(error.__context__, OSError):
            raise OSError(error.__context__.errno, error.__context__.strerror, str(path)) from error
        if number := re.search(r"os error (\d+)", str(error)):
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error
        raise


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A new folder to write into, which takes the place of `path` once everything in it is on the disk."""
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    with plain_os_errors(path):
        yield partial
    publish_folder(partial, path)


def publish_folder(partial: Path, path: Path) -> None:
    """Sync a finished folder and give it its name, in place of what had it."""
    for root, _, files in os.walk(partial):
        for name in files:
            sync(Path(root, name))
        sync(Path(root))
    if path.exists():
        old = path.with_name(f".{path.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        os.rename(path, old)
        os.rename(partial, path)
        shutil.rmtree(old)
    else:
        os.rename(partial, path)
    sync(path.parent)
