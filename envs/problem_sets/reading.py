"""Rows of data files (JSONL, JSON, gzip, Parquet, hub) with the place of each row, and typed access to their keys."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envs.problem import Problem
from envs.problem_sets.problem_set import DataError, DroppedRow, ProblemSet, RowError, problem_set

Convert = Callable[[Mapping[str, Any]], Problem]
"""A function from the row of one format to a Problem; raises RowError that names the key."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file, not looked into yet."""

    file: str
    """Path or hub name."""
    line: int
    """Line of a JSONL file, otherwise position of the row; from 1."""
    value: Any
    """The bytes of a JSONL line, or a value already parsed."""


def load_rows(
    name: str, split: str, rows: Iterable[Row], convert: Convert, licence: str = "", strict: bool = False
) -> ProblemSet:
    """Convert every row; one that fails is dropped with its reason, or raised as DataError if `strict`."""
    problems: list[Problem] = []
    places: list[tuple[str, int]] = []
    dropped: list[DroppedRow] = []
    for row in rows:
        try:
            problem = convert(as_object(row.value))
        except RowError as error:
            if strict:
                raise DataError(f"{row.file}:{row.line}: {error}") from error
            dropped.append(DroppedRow(row.file, row.line, str(error)))
            continue
        problems.append(problem)
        places.append((row.file, row.line))
    return problem_set(name, split, problems, places, dropped, licence)


def read_rows(path: str | Path, split: str, patterns: Iterable[str] = (), config: str | None = None) -> Iterator[Row]:
    """Rows of a file, of the file for `split` in a folder (or one that matches `patterns`), or of a hub data set.

    A `path` that does not exist and reads as `owner/name` is a hub name; `config` is its configuration there.
    """
    location = Path(path)
    if location.is_dir():
        yield from (row for file in split_files(location, split, patterns) for row in _file_rows(file))
    elif location.exists():
        yield from _file_rows(location)
    elif str(path).count("/") == 1 and not str(path).startswith((".", "/")) and not location.suffix:
        yield from _hub_rows(str(path), split, config)
    else:
        raise DataError(f"{path}: no such file or folder, and not a hub name of the form owner/name")


def split_files(folder: Path, split: str, patterns: Iterable[str] = ()) -> list[Path]:
    """The files of a folder that hold one split: the set's own names first, then `split.jsonl` and its like."""
    endings = ("jsonl", "jsonl.gz", "json", "json.gz", "parquet")
    usual = [f"{split}.{ending}" for ending in endings] + [f"{split}-*.parquet", f"data/{split}-*.parquet"]
    for pattern in (*patterns, *usual):
        if files := sorted(folder.glob(pattern)):
            return files
    raise DataError(f"{folder}: no file for split {split!r}; expected one of {', '.join((*patterns, *usual))}")


def required_path(path: str | Path | None, name: str, origin: str) -> str | Path:
    """The path itself; a set that is not bundled has none of its own, and nothing is downloaded unasked."""
    if path is None:
        raise DataError(f"{name}: expected data.path, a file, folder or hub name; got none (published as {origin})")
    return path


def _file_rows(file: Path) -> Iterator[Row]:
    name = str(file)
    try:
        if file.suffix == ".parquet":
            yield from (Row(name, index, value) for index, value in enumerate(_parquet_values(file), 1))
            return
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            if ".json" in file.suffixes:
                values = parse_json(stream.read(), "file")
                if not isinstance(values, list):
                    raise DataError(f"{name}:1: expected a list of rows; got {type(values).__name__}")
                yield from (Row(name, index, value) for index, value in enumerate(values, 1))
            else:
                yield from (Row(name, number, line) for number, line in enumerate(stream, 1) if line.strip())
    except DataError:
        raise
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise DataError(f"{name}: cannot be read: {str(error) or type(error).__name__}") from error


def _parquet_values(file: Path) -> Iterator[Any]:
    from pyarrow import parquet

    for batch in parquet.ParquetFile(file).iter_batches(batch_size=256):
        yield from batch.to_pylist()


def _hub_rows(name: str, split: str, config: str | None) -> Iterator[Row]:
    from datasets import load_dataset

    try:
        rows = load_dataset(name, config, split=split)
    except (
        Exception
    ) as error:  # the hub's library raises a dozen classes for a name, split or network that is not there
        raise DataError(
            f"{name}: split {split!r} cannot be loaded from the hub: {str(error).splitlines()[0]}"
        ) from error
    yield from (Row(name, index, value) for index, value in enumerate(rows, 1))


def as_object(value: Any) -> Mapping[str, Any]:
    """The row as a mapping with text keys; raises RowError."""
    if isinstance(value, bytes):
        value = parse_json(value, "row")
    if not isinstance(value, Mapping):
        raise RowError(f"row: expected an object; got {type(value).__name__}")
    return value


def parse_json(text: str | bytes, key: str) -> Any:
    """Parse JSON; raises RowError that names `key`, also for text nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError:
        raise RowError(f"{key}: expected JSON; got text nested too deeply") from None
    except ValueError as error:
        raise RowError(f"{key}: expected JSON; got {shorten(text)} ({error})") from None


def json_field(row: Mapping[str, Any], key: str) -> Any:
    """A value that some copies of a data set hold as JSON text and others as it is."""
    value = row.get(key)
    return parse_json(value, key) if isinstance(value, str) and value.strip() else value


def text(row: Mapping[str, Any], key: str, default: str | None = None) -> str:
    """A text, or `default` where the key is missing or null; raises RowError."""
    value = row.get(key)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise RowError(f"{key}: expected text; got {shorten(value)}")
    return value


def name(row: Mapping[str, Any], key: str) -> str:
    """A number or a text that names the row; raises RowError."""
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise RowError(f"{key}: expected an id; got {shorten(value)}")
    return str(value)


def texts(row: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A list of texts, empty where the key is missing or null; raises RowError."""
    return as_texts(row.get(key), key)


def as_texts(value: Any, key: str) -> tuple[str, ...]:
    """`value` as a tuple of texts; raises RowError that names `key`."""
    value = () if value is None else value
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise RowError(f"{key}: expected a list of texts; got {shorten(value)}")
    return tuple(value)


def as_list(value: Any, key: str) -> list[Any]:
    """`value` as a list; raises RowError that names `key`."""
    if not isinstance(value, list | tuple):
        raise RowError(f"{key}: expected a list; got {shorten(value)}")
    return list(value)


def shorten(value: Any, length: int = 80) -> str:
    """A short form of a value for an error message."""
    shown = repr(value if not isinstance(value, str | bytes) else value[: 2 * length])
    return shown if len(shown) <= length else f"{shown[:length]}..."


def content_id(content: str) -> str:
    """A name for a row that has none: the start of a hash of its text."""
    return hashlib.sha256(content.encode(errors="surrogatepass")).hexdigest()[:12]
