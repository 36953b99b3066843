"""Rows of a file, of any supported format: JSONL, CSV, TSV, Parquet, plain lines; .gz and .zst.

`read_rows` is for whoever wants all rows or an error; `read_entries` also gives what is no row, so
that a long job can count and go on. Both hold one row at a time (Parquet: some thousands).
CSV is RFC 4180 with a header line; all its values are strings.
"""

import csv
import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from glob import glob, has_magic
from pathlib import Path
from typing import Any, BinaryIO

from edgebert.errors import InputError
from edgebert.jobs.compression import Compression, end_of, open_bytes
from edgebert.jobs.parquet import count_parquet, read_parquet

LINE_BYTES = 256 << 20  # of one row: bounds what a file without line feeds can take
COUNT_CHUNK = 1 << 20
BOM = "\ufeff"


class Format(StrEnum):
    """How a file holds its rows."""

    LINES = "lines"
    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"

    @classmethod
    def of(cls, name: str) -> "Format":
        """Tell by a file's name, .gz and .zst left out; what has no known end holds lines."""
        return ENDS.get(end_of(name), cls.LINES)


ENDS = {
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".csv": Format.CSV,
    ".tsv": Format.TSV,
    ".parquet": Format.PARQUET,
    ".txt": Format.LINES,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A row as it was read, or what is wrong with it."""

    place: str  # for messages: "in.csv: line 7"
    fields: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""  # why this is no row; then it has no fields


def read_rows(path: Path, form: Format | None = None) -> Iterator[dict[str, Any]]:
    """Read the rows of a file as dicts, one by one.

    Args:
        path: the file; packed if its name ends in .gz or .zst.
        form: how it holds rows; None: by its name. Plain lines come as {"text": line}.

    Raises:
        InputError: it cannot be read, or a row is not as the format says; names the line.
        MissingExtraError: pyarrow or zstandard is needed and not installed.
    """
    for entry in read_entries(path, form):
        if entry.fault:
            raise InputError(f"{entry.place}: {entry.fault}")
        yield dict(entry.fields)


def read_entries(path: Path, form: Format | None = None) -> Iterator[Entry]:
    """Read a file's rows and faulty rows, one by one; args and errors as for `read_rows`."""
    form = form or Format.of(path.name)
    try:
        if form is Format.PARQUET:
            rows = enumerate(read_parquet(path), 1)
            yield from (Entry(f"{path.name}: row {number}", row) for number, row in rows)
            return
        with open_bytes(path) as stream:
            yield from parse_entries(stream, form, f"{path.name}: ")
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read: {reason}") from error


def parse_entries(stream: BinaryIO, form: Format, name: str = "") -> Iterator[Entry]:
    """Read rows of an open stream; `name` stands before their places.

    Raises:
        InputError: Parquet, which cannot be streamed, or a fault that hides all rows after it.
    """
    if form is Format.PARQUET:
        raise InputError("Parquet is read from a file, not from a stream; give its name")
    try:
        yield from READERS[form](stream, name)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{name}the input cannot be read: {reason}") from error


def _lines(stream: BinaryIO, name: str) -> Iterator[tuple[str, str | None]]:
    """Yield places and texts of lines; None for one that is not UTF-8."""
    for number, line in enumerate(iter(partial(stream.readline, LINE_BYTES), b""), 1):
        place = f"{name}line {number}"
        if len(line) == LINE_BYTES:
            raise InputError(f"{place}: over {LINE_BYTES:,} bytes; a row may have as many")
        try:
            text = line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            yield place, None
            continue
        yield place, text.removeprefix(BOM) if number == 1 else text


def _line_entries(stream: BinaryIO, name: str) -> Iterator[Entry]:
    for place, text in _lines(stream, name):
        yield Entry(place, fault="not UTF-8") if text is None else Entry(place, {"text": text})


def _json_entries(stream: BinaryIO, name: str) -> Iterator[Entry]:
    for place, text in _lines(stream, name):
        if text is None:
            yield Entry(place, fault="not UTF-8")
        elif text.strip():
            yield _json_entry(place, text)


def _json_entry(place: str, text: str) -> Entry:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Entry(place, fault=f"not JSON: {error}; for plain text, --format lines")
    if not isinstance(fields, dict):
        return Entry(place, fault=f"{type(fields).__name__}, expected a JSON object")
    return Entry(place, fields)


def _csv_entries(stream: BinaryIO, name: str, delimiter: str = ",") -> Iterator[Entry]:
    csv.field_size_limit(LINE_BYTES)  # the module's own bound of 128 KB is for the whole process
    # what is not UTF-8 comes as surrogates, which tell it from text
    text = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
        _check_header(header, name)
        for row in reader:
            if row:
                yield _csv_entry(f"{name}line {reader.line_num}", header, row)
    except csv.Error as error:
        raise InputError(f"{name}line {reader.line_num}: not CSV: {error}") from error
    finally:
        text.detach()  # the stream is its owner's to close


def _check_header(header: Sequence[str], name: str) -> None:
    twice = [column for place, column in enumerate(header) if column in header[:place]]
    if twice:
        raise InputError(f"{name}line 1: two columns are named {twice[0]!r}; rename one")
    if not _is_text(header):
        raise InputError(f"{name}line 1: not UTF-8")


def _csv_entry(place: str, header: Sequence[str], row: Sequence[str]) -> Entry:
    if len(row) != len(header):
        return Entry(place, fault=f"{len(row)} fields, the header has {len(header)}")
    if not _is_text(row):
        return Entry(place, fault="not UTF-8")
    return Entry(place, dict(zip(header, row, strict=True)))


def _is_text(values: Iterable[str]) -> bool:
    try:
        "".join(values).encode()
    except UnicodeEncodeError:
        return False
    return True


READERS: Mapping[Format, Callable[[BinaryIO, str], Iterator[Entry]]] = {
    Format.LINES: _line_entries,
    Format.JSONL: _json_entries,
    Format.CSV: _csv_entries,
    Format.TSV: partial(_csv_entries, delimiter="\t"),
}


def find_files(names: Sequence[str]) -> list[Path]:
    """List the files that names, globs and folders stand for, in a fixed order.

    A folder stands for the tables in it and below, by name; hidden ones are left out.

    Raises:
        InputError: a name stands for no file.
    """
    found: list[Path] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            some = [each for each in sorted(path.rglob("*")) if _is_table(each, path)]
        elif has_magic(name) and not path.exists():
            some = [Path(each) for each in sorted(glob(name, recursive=True))]
            some = [each for each in some if each.is_file()]
        else:
            some = [path]
        if not some:
            kind = "the folder holds no table" if path.is_dir() else "no file has such a name"
            raise InputError(f"{name}: {kind}; tables end in {', '.join(ENDS)}")
        found += some
    return found


def _is_table(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return not hidden and path.is_file() and end_of(path.name) in ENDS


def count_rows(paths: Sequence[Path], form: Format | None = None) -> int | None:
    """Count the rows of files, about: lines are counted, Parquet says it; packed files: None."""
    total = 0
    try:
        for path in paths:
            if (form or Format.of(path.name)) is Format.PARQUET:
                total += count_parquet(path)
            elif Compression.of(path.name) is not Compression.NONE:
                return None
            else:
                with path.open("rb") as stream:
                    chunks = iter(partial(stream.read, COUNT_CHUNK), b"")
                    total += sum(chunk.count(b"\n") for chunk in chunks)
    except OSError:
        return None  # whoever reads them says so
    return total if paths else None
