"""Parquet through pyarrow, its only user: rows in, and blocks that become one file at the end.

Parquet has its index at its end and cannot be appended to; so a job appends blocks in Arrow's IPC
stream format (one whole stream each) and writes Parquet from them when all are there.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from edgebert.errors import InputError
from edgebert.jobs.extras import load_extra

ROWS_AT_ONCE = 2048
GROUP_BLOCKS = 8  # blocks of a row group: 16,384 rows, 50 MB of vectors of 768


def read_parquet(path: Path) -> Iterator[dict[str, Any]]:
    """Read rows one by one, some thousands in memory.

    Raises:
        InputError: not Parquet, damaged, or it holds values that Python has no type for.
        MissingExtraError: pyarrow is not installed.
    """
    arrow, parquet = _arrow(), _parquet()
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=ROWS_AT_ONCE):
                yield from _without_nanoseconds(batch).to_pylist()
    except (arrow.ArrowException, ValueError) as error:
        raise InputError(f"{path.name}: cannot be read as Parquet: {error}") from error


def _without_nanoseconds(batch: Any) -> Any:
    """Give times in microseconds, as Python counts them; where that loses any, it is an error.

    pyarrow's own way depends on pandas being there, and cuts times of day in silence.
    """
    arrow, types = _arrow(), _arrow().types
    arrays = []
    for field, array in zip(batch.schema, batch.columns, strict=True):
        kind = field.type
        if types.is_timestamp(kind) and kind.unit == "ns":
            kind = arrow.timestamp("us", kind.tz)
        elif types.is_time64(kind):
            kind = arrow.time64("us")
        elif types.is_duration(kind) and kind.unit == "ns":
            kind = arrow.duration("us")
        try:
            arrays.append(array.cast(kind))
        except arrow.ArrowInvalid as error:
            raise ValueError(
                f"column {field.name!r} counts nanoseconds, which get lost here: {error}; round it "
                "to microseconds, or leave it out"
            ) from error
    return arrow.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def count_parquet(path: Path) -> int:
    """Read how many rows a file says that it has."""
    return int(_parquet().read_metadata(path).num_rows)


def types_of(paths: Sequence[Path]) -> Mapping[str, Any]:
    """Give the Arrow type of each column of files, which must agree.

    Raises:
        InputError: they do not, or one is not Parquet.
    """
    arrow, parquet = _arrow(), _parquet()
    try:
        schemas = [parquet.read_schema(path) for path in paths]
        schema = arrow.unify_schemas(schemas, promote_options="permissive")
    except (arrow.ArrowException, OSError) as error:
        raise InputError(f"the Parquet files cannot be joined: {error}") from error
    return {each.name: each.type for each in schema}


def result_types(vector: np.ndarray[Any, Any] | None) -> Mapping[str, Any]:
    """Give the Arrow type of each result column; `vector` is one of those that are written."""
    arrow = _arrow()
    text, number, whole = arrow.string(), arrow.float64(), arrow.int64()
    label = arrow.struct({"label": text, "score": number})
    answer = arrow.struct({"answer": text, "score": number, "start": whole, "end": whole})
    entity = {"entity": text, "score": number, "word": text, "start": whole, "end": whole}
    fill = {"token": whole, "token_str": text, "score": number, "sequence": text}
    types = {
        "label": text,
        "score": number,
        "labels": arrow.list_(label),
        "answer": text,
        "start": whole,
        "end": whole,
        "answers": arrow.list_(answer),
        "entities": arrow.list_(arrow.struct(entity)),
        "masks": arrow.list_(arrow.list_(arrow.struct(fill))),
        "n_tokens": whole,
        "truncated": arrow.bool_(),
        "error": text,
    }
    if vector is not None:
        types["embedding"] = arrow.list_(arrow.from_numpy_dtype(vector.dtype), len(vector))
    return types


def to_table(
    records: Sequence[Mapping[str, Any]], names: Sequence[str], types: Mapping[str, Any]
) -> Any:
    """Make a table of records.

    Args:
        records: the rows.
        names: the columns; a row without one has null there.
        types: of those columns whose type is known.

    Raises:
        InputError: a column holds values of several types.
    """
    arrow = _arrow()
    arrays = {}
    for name in names:
        values = [record.get(name) for record in records]
        try:
            arrays[name] = _array(values, types.get(name))
        except (arrow.ArrowException, TypeError, OverflowError) as error:
            raise InputError(
                f"column {name!r} cannot be written as Parquet: {error}; write JSONL"
            ) from error
    return arrow.table(arrays)


def _array(values: Sequence[Any], kind: Any) -> Any:
    arrow = _arrow()
    vectors = bool(values) and all(isinstance(value, np.ndarray) for value in values)
    if vectors and arrow.types.is_fixed_size_list(kind):  # at once, not number by number
        return arrow.FixedSizeListArray.from_arrays(np.concatenate(values), type=kind)
    return arrow.array(values, type=kind)


def to_block(table: Any) -> bytes:
    """Give a table as one Arrow stream."""
    arrow = _arrow()
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return cast("bytes", sink.getvalue().to_pybytes())


class Blocks:
    """Blocks in the order written, and the one schema that they share."""

    def __init__(self) -> None:
        self._schema: Any = None

    def add(self, block: bytes) -> None:
        """Widen the schema by that of a block, before the block is appended.

        Raises:
            InputError: a column has a type that goes with none before.
        """
        self._widen(_arrow().ipc.open_stream(block).schema)

    def recall(self, path: Path) -> None:
        """Take in the blocks of a file that an earlier run has left."""
        for table in _tables(path):
            self._widen(table.schema)

    def write(self, blocks: Path, target: Path) -> None:
        """Write the blocks of a file as Parquet; memory holds one row group."""
        with _parquet().ParquetWriter(target, self._schema, compression="zstd") as writer:
            group: list[Any] = []
            for table in _tables(blocks):
                group.append(table)
                if len(group) == GROUP_BLOCKS:
                    self._write_group(writer, group)
                    group = []
            if group:
                self._write_group(writer, group)

    def _write_group(self, writer: Any, group: Sequence[Any]) -> None:
        tables = [self._schema.empty_table(), *group]
        table = _arrow().concat_tables(tables, promote_options="permissive")
        writer.write_table(table.cast(self._schema), row_group_size=table.num_rows or None)

    def _widen(self, schema: Any) -> None:
        arrow = _arrow()
        known = [] if self._schema is None else [self._schema]
        try:
            self._schema = arrow.unify_schemas([*known, schema], promote_options="permissive")
        except arrow.ArrowException as error:
            raise InputError(f"a column changes its type: {error}; write JSONL") from error


def _tables(path: Path) -> Iterator[Any]:
    """Read the streams of a file one after the other; each is small."""
    ipc = _arrow().ipc
    with path.open("rb") as stream:
        size = path.stat().st_size
        while stream.tell() < size:
            yield ipc.open_stream(stream).read_all()


def _arrow() -> Any:
    load_extra("pyarrow.ipc", "parquet")
    return load_extra("pyarrow", "parquet")


def _parquet() -> Any:
    return load_extra("pyarrow.parquet", "parquet")
