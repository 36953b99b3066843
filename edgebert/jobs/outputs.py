"""How records become the bytes of a file: JSONL, CSV, TSV, Parquet, or vectors alone as .npy.

A layout turns a block of records into bytes that are appended, and at the end makes the whole of
them the file asked for. Blocks are encoded apart, so that it can be done where they are run.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebert.errors import InputError
from edgebert.jobs.compression import Compression, end_of, pack
from edgebert.jobs.parquet import Blocks, result_types, to_block, to_table
from edgebert.jobs.work import OnError, Request, result_names
from edgebert.manifest import Manifest, Task
from edgebert.records import numbers_of, to_json
from edgebert.vector_records import vector_writer

NPY_HEAD = 128  # bytes: room for any shape, and data stay aligned for mapping
# half a surrogate pair in a field that is handed through: Python's escape of it is JSON's as well
ESCAPED = "backslashreplace"

Record = Mapping[str, Any]


class OutputFormat(StrEnum):
    """How a file holds records."""

    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"
    NPY = "npy"

    @classmethod
    def of(cls, name: str) -> "OutputFormat":
        """Tell by a file's name, .gz and .zst left out; what has no known end holds JSONL."""
        end = end_of(name).removeprefix(".")
        return cls(end) if end in tuple(cls) else cls.JSONL


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a job's records are written; values only, so that it can be sent to another process."""

    form: OutputFormat
    compression: Compression
    columns: tuple[str, ...]  # of the input, as far as its first rows show them
    results: tuple[str, ...]  # columns that are added
    types: Mapping[str, Any]  # Parquet: Arrow types of those columns that have a known one
    vector: NDArray[Any] | None  # one as they are written; None: the task gives none

    def encode(self, records: Sequence[Record]) -> bytes:
        """Give the bytes of a block.

        Raises:
            InputError: the format cannot hold a record.
        """
        return pack(ENCODERS[self.form](self, records), self.compression)

    def head(self) -> bytes:
        """Give the bytes before the first block."""
        if self.form is OutputFormat.NPY:
            return _npy_head(self, 0)
        if self.form in DELIMITERS:
            row = _csv_text([(*self.columns, *self.results)], DELIMITERS[self.form])
            return pack(row, self.compression)
        if self.form is OutputFormat.PARQUET:
            return _parquet(self, [])
        return b""


def plan_layout(
    name: str,
    manifest: Manifest,
    request: Request,
    columns: Sequence[str],
    types: Mapping[str, Any],
) -> Layout:
    """Choose how records are written, by the output's name.

    Args:
        name: of the output.
        manifest: of the bundle.
        request: what is done.
        columns: of the input's first rows.
        types: Arrow types of the input's columns, if it is Parquet.

    Raises:
        InputError: the format cannot hold what this task gives.
    """
    form, compression = OutputFormat.of(name), Compression.of(name)
    vector = None
    if manifest.task is Task.EMBED:
        width = request.options.get("dimensions") or manifest.dimensions
        write = vector_writer(manifest, request.precision, request.ranges)
        vector = write(np.full(width, width**-0.5, np.float32))
    _check_form(name, request, manifest.task, vector)
    results = result_names(manifest, request)
    if form is OutputFormat.PARQUET:
        known = result_types(vector)
        types = {**types, **{name: known[name.removeprefix(request.prefix)] for name in results}}
    return Layout(
        form=form,
        compression=compression,
        columns=tuple(columns),
        results=tuple(results),
        types=types,
        vector=vector,
    )


def _check_form(name: str, request: Request, task: Task, vector: NDArray[Any] | None) -> None:
    form, compression = OutputFormat.of(name), Compression.of(name)
    if compression is not Compression.NONE and form in (OutputFormat.PARQUET, OutputFormat.NPY):
        raise InputError(f"{name}: {form} is not packed as a whole; leave {compression.value} out")
    if form is OutputFormat.NPY and vector is None:
        raise InputError(f"{name}: .npy holds vectors; task {task.value!r} gives none")
    if form is OutputFormat.NPY and request.on_error is not OnError.FAIL:
        raise InputError(
            f"{name}: --on-error {request.on_error} needs a place to say which rows were bad, and "
            ".npy holds vectors alone; write Parquet or JSONL"
        )


def _jsonl(layout: Layout, records: Sequence[Record]) -> bytes:
    text = "".join(f"{to_json(record)}\n" for record in records)
    return text.encode("utf-8", ESCAPED)


def _csv(layout: Layout, records: Sequence[Record]) -> bytes:
    names = (*layout.columns, *layout.results)
    for record in records:
        if unknown := sorted(record.keys() - set(names)):
            raise InputError(
                f"column {unknown[0]!r} is not in the first rows of the input, so the header does "
                f"not have it; write JSONL or Parquet. The row: {record!r:.80}"
            )
    rows = [[_cell(record.get(name)) for name in names] for record in records]
    return _csv_text(rows, DELIMITERS[layout.form])


def _csv_text(rows: Sequence[Sequence[Any]], delimiter: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", ESCAPED)


def _cell(value: Any) -> Any:
    """Give a value as CSV holds it: nothing for None, JSON for what is no string or number."""
    if isinstance(value, np.ndarray):
        return json.dumps(numbers_of(value))
    if value is None or (isinstance(value, str | int | float) and not isinstance(value, bool)):
        return value
    return to_json(value).strip('"')


def _parquet(layout: Layout, records: Sequence[Record]) -> bytes:
    return to_block(record_table(layout, records))


def record_table(layout: Layout, records: Sequence[Record]) -> Any:
    """Make an Arrow table of records, the columns of the results last."""
    seen = dict.fromkeys(name for record in records for name in record)
    own = [name for name in dict.fromkeys((*layout.columns, *seen)) if name not in layout.results]
    return to_table(records, [*own, *layout.results], layout.types)


def _npy(layout: Layout, records: Sequence[Record]) -> bytes:
    (name, *_) = layout.results
    return b"".join(record[name].tobytes() for record in records)


def _npy_head(layout: Layout, rows: int) -> bytes:
    """Write the header of an array of (rows, D), always as long.

    Source: numpy.lib.format, version 1.0.
    """
    if layout.vector is None:
        raise InputError(".npy holds vectors; this task gives none")
    shape = (rows, len(layout.vector))
    values = {"descr": layout.vector.dtype.str, "fortran_order": False, "shape": shape}
    start = b"\x93NUMPY\x01\x00" + (NPY_HEAD - 10).to_bytes(2, "little")
    return start + repr(values).encode().ljust(NPY_HEAD - 11) + b"\n"


DELIMITERS = {OutputFormat.CSV: ",", OutputFormat.TSV: "\t"}
ENCODERS: Mapping[OutputFormat, Callable[[Layout, Sequence[Record]], bytes]] = {
    OutputFormat.JSONL: _jsonl,
    OutputFormat.CSV: _csv,
    OutputFormat.TSV: _csv,
    OutputFormat.PARQUET: _parquet,
    OutputFormat.NPY: _npy,
}


def finish_file(layout: Layout, part: Path, rows: int, blocks: Blocks) -> Path:
    """Make the file asked for of a file of all blocks; may be done again.

    Returns:
        Where it stands: the file of blocks itself, or beside it.
    """
    if layout.form is OutputFormat.NPY:
        with part.open("r+b") as stream:
            stream.write(_npy_head(layout, rows))
    if layout.form is not OutputFormat.PARQUET:
        return part
    whole = part.with_name(f"{part.name}.parquet")
    blocks.write(part, whole)
    return whole
