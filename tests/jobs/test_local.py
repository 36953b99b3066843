"""A job's output: every row in order, every column kept, in the format asked for."""

import csv
import gzip
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebert.errors import EdgebertError, InputError
from edgebert.jobs.local import run_job
from edgebert.jobs.tables import read_rows
from edgebert.jobs.work import OnError
from edgebert.tasks.embed import Embedder
from tests.jobs.conftest import OUTPUTS, a_job, make_rows, names, need
from tests.make_tiny import DATA


def vectors() -> Any:
    return Embedder.load(DATA / "tiny-embed").embed([row["text"] for row in make_rows(50)])


@pytest.mark.parametrize("name", [name for name in OUTPUTS if name != "out.npy"])
def test_every_format_holds_all_rows_in_order_with_their_columns(rows: Path, name: str) -> None:
    need(name)
    output = rows.with_name(name)
    run_job(a_job(rows, output))
    found = list(read_rows(output))
    assert [int(row["id"]) for row in found] == list(range(50))
    assert list(found[0]) == ["id", "text", "embedding", "n_tokens", "truncated"]
    written = [row["embedding"] for row in found]
    numbers = [json.loads(v) if isinstance(v, str) else v for v in written]
    assert np.allclose(np.float32(numbers), vectors(), atol=1e-6)
    assert names(rows.parent) == sorted(["in.jsonl", name])


def test_vectors_alone_are_an_array_that_can_be_mapped(rows: Path) -> None:
    run_job(a_job(rows, rows.with_name("out.npy")))
    found = np.load(rows.with_name("out.npy"), mmap_mode="r")
    assert (found.shape, found.dtype) == ((50, 32), np.float32)
    assert np.allclose(found, vectors(), atol=1e-6)


def test_parquet_holds_vectors_of_a_fixed_size(rows: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    run_job(a_job(rows, rows.with_name("out.parquet"), options={"dimensions": 7}))
    schema = parquet.read_schema(rows.with_name("out.parquet"))
    assert str(schema.field("embedding").type) == "fixed_size_list<element: float>[7]"
    assert str(schema.field("id").type) == "int64"


def test_parquet_to_parquet_keeps_the_types_of_columns(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = arrow.table(
        {
            "text": arrow.array(["the cat", "a"], arrow.large_string()),
            "n": arrow.array([None, 2], arrow.int16()),
            "when": arrow.array([1, 2], arrow.timestamp("ms", "UTC")),
            "exact": arrow.array([1000, None], arrow.timestamp("ns", "Asia/Seoul")),
        }
    )
    parquet.write_table(table, tmp_path / "in.parquet")
    run_job(a_job(tmp_path / "in.parquet", tmp_path / "out.parquet"))
    assert parquet.read_table(tmp_path / "out.parquet").select([0, 1, 2, 3]) == table


@pytest.mark.parametrize(
    ("bundle", "row"),
    [
        ("tiny-classify", {"text": "the cat"}),
        ("tiny-tag", {"text": "2i)A0`Z]tQ;-_$RXn!zZ"}),
        ("tiny-answer", {"question": "the cat", "context": "anna lives in paris"}),
        ("tiny-fill", {"text": "the <mask>"}),
    ],
)
def test_parquet_holds_what_jsonl_holds(tmp_path: Path, bundle: str, row: dict[str, str]) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "in.jsonl").write_text(f"{json.dumps(row)}\n" * 20)
    for name in ("out.jsonl", "out.parquet"):
        run_job(a_job(tmp_path / "in.jsonl", tmp_path / name, bundle=DATA / bundle))
    found = list(read_rows(tmp_path / "out.parquet"))
    assert found == list(read_rows(tmp_path / "out.jsonl"))


def test_columns_that_appear_late_are_in_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    lines = [{"text": "a", "n": 1}] * 9 + [{"text": "b", "n": 1.5, "late": "x"}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    run_job(a_job(tmp_path / "in.jsonl", tmp_path / "out.parquet"))
    found = list(read_rows(tmp_path / "out.parquet"))
    assert [row["n"] for row in found] == [1.0] * 9 + [1.5]
    assert [row["late"] for row in found] == [None] * 9 + ["x"]


def test_a_column_of_two_types_is_refused_for_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    lines = [{"text": "a", "n": 1}] * 8 + [{"text": "b", "n": "x"}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(InputError, match=r"changes its type: .*write JSONL"):
        run_job(a_job(tmp_path / "in.jsonl", tmp_path / "out.parquet"))


def test_a_column_that_the_header_lacks_is_refused_for_csv(tmp_path: Path) -> None:
    lines = [{"text": "a"}] * 9 + [{"text": "b", "late": "x"}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(InputError, match="'late' is not in the first rows"):
        run_job(a_job(tmp_path / "in.jsonl", tmp_path / "out.csv"))


def test_several_files_are_one_input_in_order(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\none\n")
    (tmp_path / "b.txt").write_text("two\n")
    job = a_job(tmp_path, tmp_path / "out.jsonl")
    run_job(replace(job, inputs=[tmp_path / "b.txt", tmp_path / "a.csv"]))
    assert [row["text"] for row in read_rows(tmp_path / "out.jsonl")] == ["two", "one"]


@pytest.mark.parametrize("name", OUTPUTS)
def test_no_rows_give_a_whole_file(tmp_path: Path, name: str) -> None:
    need(name)
    (tmp_path / "in.jsonl").write_text("")
    run_job(a_job(tmp_path / "in.jsonl", tmp_path / name))
    if name == "out.npy":
        assert np.load(tmp_path / name).shape == (0, 32)
    else:
        assert list(read_rows(tmp_path / name)) == []


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.parquet"])
def test_recorded_errors_keep_the_rows_aligned(tmp_path: Path, name: str) -> None:
    need(name)
    (tmp_path / "in.jsonl").write_text('{"text": "a"}\n{\n{"text": "b"}\n')
    job = a_job(tmp_path / "in.jsonl", tmp_path / name, on_error=OnError.RECORD)
    summary = run_job(job)
    found = [row.get("error") or "" for row in read_rows(tmp_path / name)]
    assert [bool(error) for error in found] == [False, True, False]
    assert (summary.state.read, summary.state.bad) == (3, 1)


@pytest.mark.parametrize("policy", [OnError.SKIP, OnError.RECORD])
def test_an_array_cannot_leave_rows_out(rows: Path, policy: OnError) -> None:
    with pytest.raises(InputError, match="vectors alone"):
        run_job(a_job(rows, rows.with_name("out.npy"), on_error=policy))


@pytest.mark.parametrize("name", ["out.npy.gz", "out.parquet.zst"])
def test_files_with_an_index_are_not_packed(rows: Path, name: str) -> None:
    with pytest.raises(InputError, match="is not packed as a whole"):
        run_job(a_job(rows, rows.with_name(name)))


def test_an_output_among_the_inputs_is_refused(rows: Path) -> None:
    before = rows.read_bytes()
    with pytest.raises(InputError, match="is among the inputs"):
        run_job(a_job(rows, rows))
    assert rows.read_bytes() == before


def test_an_output_that_cannot_be_made_is_one_error(rows: Path) -> None:
    with pytest.raises(EdgebertError, match="cannot be written: No such file"):
        run_job(a_job(rows, rows.parent / "absent" / "out.jsonl"))


def test_a_stream_is_written_as_a_file_is(rows: Path) -> None:
    run_job(a_job(rows, rows.with_name("out.jsonl")))
    sink = io.BytesIO()
    run_job(replace(a_job(rows, rows), output=sink))
    assert sink.getvalue() == rows.with_name("out.jsonl").read_bytes()


def test_csv_keeps_texts_of_several_lines(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text('text\n"two\nlines, ""quoted"""\n')
    run_job(a_job(tmp_path / "in.csv", tmp_path / "out.csv"))
    with (tmp_path / "out.csv").open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert row["text"] == 'two\nlines, "quoted"'
    assert row["truncated"] == "false"


def test_packed_output_is_of_members_that_concatenate(rows: Path) -> None:
    run_job(a_job(rows, rows.with_name("out.jsonl.gz")))
    run_job(a_job(rows, rows.with_name("out.jsonl")))
    unpacked = gzip.decompress(rows.with_name("out.jsonl.gz").read_bytes())
    assert unpacked == rows.with_name("out.jsonl").read_bytes()
