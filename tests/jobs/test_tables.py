"""Rows come out of every format as they were put in, and what is no row is said to be none."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert.errors import InputError
from edgebert.jobs import tables
from edgebert.jobs.tables import Entry, Format, find_files, parse_entries, read_entries, read_rows

ROWS: list[dict[str, Any]] = [
    {"id": "7", "text": "the cat"},
    {"id": "8", "text": 'line one\nline "two", 서울 😀'},
    {"id": "", "text": ""},
]


def as_jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_csv(rows: list[dict[str, Any]], delimiter: str = ",") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ["id", "text"], delimiter=delimiter, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def zstd(data: bytes) -> bytes:
    compressor = pytest.importorskip("zstandard").ZstdCompressor()
    return bytes(compressor.compress(data))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("in.jsonl", as_jsonl(ROWS)),
        ("in.ndjson", as_jsonl(ROWS)),
        ("in.csv", as_csv(ROWS)),
        ("in.tsv", as_csv(ROWS, "\t")),
        ("in.CSV", b"\xef\xbb\xbf" + as_csv(ROWS)),
        ("in.jsonl.gz", gzip.compress(as_jsonl(ROWS[:1])) + gzip.compress(as_jsonl(ROWS[1:]))),
    ],
)
def test_rows_come_out_as_they_were_put_in(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    assert list(read_rows(tmp_path / name)) == ROWS


def test_frames_of_zstd_are_read_one_after_the_other(tmp_path: Path) -> None:
    data = zstd(as_jsonl(ROWS[:2])) + zstd(as_jsonl(ROWS[2:]))
    (tmp_path / "in.jsonl.zst").write_bytes(data)
    assert list(read_rows(tmp_path / "in.jsonl.zst")) == ROWS


def test_parquet_keeps_types(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    rows = [{"text": "the cat", "n": 1, "tags": ["a"]}, {"text": None, "n": 2, "tags": []}]
    pytest.importorskip("pyarrow.parquet").write_table(
        arrow.Table.from_pylist(rows), tmp_path / "in.parquet"
    )
    assert list(read_rows(tmp_path / "in.parquet")) == rows


def test_lines_are_texts_and_only_a_line_feed_ends_one() -> None:
    stream = io.BytesIO("\ufeffa\u2028b\x0cc\rd\n\ne\r\n".encode())
    found = [entry.fields for entry in parse_entries(stream, Format.LINES)]
    assert found == [{"text": "a\u2028b\x0cc\rd"}, {"text": ""}, {"text": "e"}]


@given(st.lists(st.fixed_dictionaries({"id": st.text(), "text": st.text()})))
def test_any_text_survives_csv(rows: list[dict[str, str]]) -> None:
    entries = parse_entries(io.BytesIO(as_csv(rows)), Format.CSV)
    assert [entry.fields for entry in entries] == rows


@pytest.mark.parametrize(
    ("form", "data", "places"),
    [
        (Format.JSONL, b'{"text": "a"}\n{\n[1]\n\xff\n{"text": "b"}\n', [2, 3, 4]),
        (Format.LINES, b"a\n\xff\nb\n", [2]),
        (Format.CSV, b"id,text\n1,a\n2\n3,b,c\n4,\xff\n5,d\n", [3, 4, 5]),
    ],
)
def test_a_faulty_row_is_said_to_be_and_those_after_it_are_read(
    form: Format, data: bytes, places: list[int]
) -> None:
    entries = list(parse_entries(io.BytesIO(data), form, "in: "))
    assert [e.place for e in entries if e.fault] == [f"in: line {number}" for number in places]
    assert not entries[0].fault
    assert not entries[-1].fault


def test_a_reader_of_all_rows_stops_at_a_faulty_one(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b'{"text": "a"}\n{\n')
    rows = read_rows(tmp_path / "in.jsonl")
    assert next(rows) == {"text": "a"}
    with pytest.raises(InputError, match=r"^in.jsonl: line 2: not JSON"):
        next(rows)


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    ("name", "make", "complaint"),
    [
        ("a.csv", lambda: b'id,text\n1,"open', "line 2: not CSV"),
        ("a.csv", lambda: b"id,id\n1,2\n", "two columns are named 'id'"),
        ("a.jsonl.gz", lambda: cut(gzip.compress(as_jsonl(ROWS))), "cannot be read"),
        ("a.jsonl.gz", lambda: b"not gzip", "cannot be read"),
        ("a.jsonl.zst", lambda: cut(zstd(as_jsonl(ROWS))), "cannot be read: the last zstd"),
        ("a.jsonl.zst", lambda: b"not zstd", "cannot be read"),
        ("a.parquet", lambda: b"not parquet", "cannot be read as Parquet"),
    ],
)
def test_a_damaged_file_is_an_input_error(
    tmp_path: Path, name: str, make: Callable[[], bytes], complaint: str
) -> None:
    for end, package in ((".parquet", "pyarrow"), (".zst", "zstandard")):
        if name.endswith(end):
            pytest.importorskip(package)
    (tmp_path / name).write_bytes(make())
    with pytest.raises(InputError, match=complaint):
        list(read_rows(tmp_path / name))


def test_a_line_without_end_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LINE_BYTES", 100)
    with pytest.raises(InputError, match="line 1: over 100 bytes"):
        list(parse_entries(io.BytesIO(b"a" * 1000), Format.LINES))


def test_a_file_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        list(read_entries(tmp_path / "absent.csv"))


@pytest.mark.parametrize("kind", ["timestamp", "time64", "duration"])
def test_nanoseconds_are_kept_or_refused_and_never_cut(tmp_path: Path, kind: str) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    for number in (5_000, 5_001):
        column = arrow.array([number, None], getattr(arrow, kind)("ns"))
        parquet.write_table(arrow.table({"t": column}), tmp_path / f"{number}.parquet")
    first, second = read_rows(tmp_path / "5000.parquet")
    assert (arrow.scalar(first["t"]).value, second["t"]) == (5, None)
    with pytest.raises(InputError, match="'t' counts nanoseconds, which get lost here"):
        list(read_rows(tmp_path / "5001.parquet"))


def test_parquet_cannot_be_streamed() -> None:
    with pytest.raises(InputError, match="from a file"):
        list(parse_entries(io.BytesIO(), Format.PARQUET))


def test_an_empty_csv_has_no_rows() -> None:
    assert list[Entry](parse_entries(io.BytesIO(), Format.CSV)) == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.csv", "a.jsonl", "sub/c.txt.gz", ".hidden.csv", "notes.md", ".git/d.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def test_a_folder_stands_for_its_tables_in_order(folder: Path) -> None:
    assert find_files([str(folder)]) == [folder / n for n in ("a.jsonl", "b.csv", "sub/c.txt.gz")]


def test_a_glob_stands_for_files_in_order(folder: Path) -> None:
    assert find_files([f"{folder}/[ab].*"]) == [folder / "a.jsonl", folder / "b.csv"]


def test_a_file_whose_name_looks_like_a_glob_is_itself(folder: Path) -> None:
    (folder / "[a].csv").write_bytes(b"")
    assert find_files([f"{folder}/[a].csv"]) == [folder / "[a].csv"]


@pytest.mark.parametrize("name", ["*.parquet", ""])
def test_a_name_that_stands_for_nothing_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"tables end in \.jsonl"):
        find_files([f"{tmp_path}/{name}"])


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.jsonl", Format.JSONL),
        ("a.txt", Format.LINES),
        ("a.json", Format.LINES),
        ("jsonl", Format.LINES),
        ("-", Format.LINES),
        ("a.tsv.gz", Format.TSV),
        ("a.b.Parquet", Format.PARQUET),
    ],
)
def test_a_format_is_told_by_the_files_name(name: str, form: Format) -> None:
    assert Format.of(name) is form


@pytest.mark.parametrize("line", ["text", "[" * 200_000, '["a"]', '"a"', "null", "{"])
def test_what_is_no_json_object_is_a_fault(line: str) -> None:
    (entry,) = parse_entries(io.BytesIO(line.encode()), Format.JSONL)
    assert "JSON" in entry.fault


def test_a_stream_that_breaks_off_is_an_input_error() -> None:
    class Broken(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(InputError, match="the input cannot be read: Input/output error"):
        list(parse_entries(Broken(), Format.LINES))


def test_rows_of_plain_files_are_counted_before_they_are_read(tmp_path: Path) -> None:
    for name in ("a.txt", "b.jsonl"):
        (tmp_path / name).write_bytes(b"1\n2\n")
    assert tables.count_rows([tmp_path / "a.txt", tmp_path / "b.jsonl"]) == 4
    assert tables.count_rows([tmp_path / "a.txt", tmp_path / "c.txt.gz"]) is None
