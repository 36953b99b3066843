"""The learner's verbs: from labelled files to answers, and back to having learnt nothing."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Called

Call = Callable[..., Called]
ROWS = [("the cat eats", "cat"), ("the cat sleeps", "cat"), ("a dog runs", "dog"), ("dog", "dog")]


@pytest.fixture
def bundle(tiny: Path) -> Path:
    return tiny / "tiny-embed"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in ROWS))
    return path


@pytest.fixture
def learnt(call: Call, bundle: Path, table: Path, tmp_path: Path) -> Path:
    path = tmp_path / "animals.learn"
    result = call("learn", bundle, path, table, "--receipts", tmp_path / "receipts.jsonl")
    assert (result.code, result.out) == (0, "")
    assert result.err == "4 texts learnt; 4 of 2 classes known\n"
    return path


def digest(call: Call, bundle: Path, path: Path) -> str:
    result = call("report", bundle, path)
    assert result.code == 0, result.err
    return str(json.loads(result.out)["digest"])


def test_what_was_learnt_is_predicted(call: Call, bundle: Path, learnt: Path) -> None:
    result = call("predict", bundle, learnt, stdin=b"the cat eats\na dog runs\n")
    records = [json.loads(line) for line in result.out.splitlines()]
    assert [(record["text"], record["label"]) for record in records] == [
        ("the cat eats", "cat"),
        ("a dog runs", "dog"),
    ]


def test_several_labels_stand_in_a_list(call: Call, bundle: Path, learnt: Path) -> None:
    result = call("predict", bundle, learnt, "--top-k", 2, stdin=b"the cat\n")
    assert len(json.loads(result.out)["labels"]) == 2


def test_jsonl_teaches_the_same_as_csv(
    call: Call, bundle: Path, learnt: Path, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"text": t, "label": n}) + "\n" for t, n in ROWS))
    other = tmp_path / "other.learn"
    assert call("learn", bundle, other, rows).code == 0
    assert digest(call, bundle, other) == digest(call, bundle, learnt)


def test_receipts_forget_all_that_was_learnt(
    call: Call, bundle: Path, learnt: Path, tmp_path: Path
) -> None:
    result = call("forget", bundle, learnt, "--receipts", tmp_path / "receipts.jsonl")
    assert (result.code, result.err) == (0, "4 texts forgotten; 0 are known\n")


def test_receipts_are_added_to_those_of_before(
    call: Call, bundle: Path, learnt: Path, table: Path, tmp_path: Path
) -> None:
    receipts = tmp_path / "receipts.jsonl"
    assert call("learn", bundle, learnt, table, "--receipts", receipts).code == 0
    result = call("forget", bundle, learnt, "--receipts", receipts)
    assert (result.code, result.err) == (0, "8 texts forgotten; 0 are known\n")


def test_nothing_is_learnt_where_receipts_cannot_be_written(
    call: Call, bundle: Path, learnt: Path, table: Path, tmp_path: Path
) -> None:
    before = learnt.read_bytes()
    result = call("learn", bundle, learnt, table, "--receipts", tmp_path / "none" / "x")
    assert (result.code, "cannot be written" in result.err) == (1, True)
    assert learnt.read_bytes() == before


def test_the_same_rows_forget_all_that_was_learnt(
    call: Call, bundle: Path, learnt: Path, table: Path
) -> None:
    result = call("forget", bundle, learnt, table)
    assert (result.code, result.err) == (0, "4 texts forgotten; 0 are known\n")


def test_merging_is_having_learnt_both(
    call: Call, bundle: Path, learnt: Path, table: Path, tmp_path: Path
) -> None:
    other, both = tmp_path / "other.learn", tmp_path / "both.learn"
    assert call("learn", bundle, other, table).code == 0
    for _ in range(2):
        assert call("learn", bundle, both, table).code == 0
    result = call("merge", bundle, learnt, other)
    assert (result.code, result.err) == (0, "8 texts of 2 classes known\n")
    assert digest(call, bundle, learnt) == digest(call, bundle, both)


def test_receipts_let_the_report_leave_each_out(
    call: Call, bundle: Path, learnt: Path, tmp_path: Path
) -> None:
    result = call("report", bundle, learnt, "--receipts", tmp_path / "receipts.jsonl")
    assert json.loads(result.out)["left_out"]["samples"] == 4


def test_texts_with_several_labels_stand_apart_by_a_bar(
    call: Call, bundle: Path, tmp_path: Path
) -> None:
    rows, path = tmp_path / "rows.csv", tmp_path / "several.learn"
    rows.write_text("text,labels\nthe cat eats,cat|food\na dog,dog\nfood,food\nnothing,\n")
    assert call("learn", bundle, path, rows, "--multi-label").code == 0
    report = json.loads(call("report", bundle, path).out)
    assert report["classes"] == {"cat": 1, "dog": 1, "food": 2}


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.csv", "words,label\n", "expected 'text' and 'label'"),
        ("a.csv", "text,label\nthe cat\n", "line 2: 1 fields, the header has 2"),
        ("a.jsonl", '{"text": "the cat"}\n', "line 1: expected a text in 'text' and a label"),
        ("a.jsonl", "the cat\n", "line 1: not JSON"),
        ("a.jsonl", '["the cat"]\n', "line 1: list, expected a JSON object"),
        ("a.csv", 'text,label\n"the cat', "not CSV"),
    ],
)
def test_rows_that_are_not_labelled_are_refused(
    call: Call, bundle: Path, tmp_path: Path, name: str, content: str, complaint: str
) -> None:
    rows = tmp_path / name
    rows.write_text(content)
    result = call("learn", bundle, tmp_path / "x.learn", rows)
    assert result.code == 1
    assert complaint in result.err
    assert result.err.count("\n") == 1


def test_rows_that_are_not_utf8_are_refused(call: Call, bundle: Path, tmp_path: Path) -> None:
    rows = tmp_path / "a.csv"
    rows.write_bytes(b"text,label\n\xff,a\n")
    result = call("learn", bundle, tmp_path / "x.learn", rows)
    assert (result.code, "not UTF-8" in result.err) == (1, True)


def test_the_tier_of_a_file_that_is_there_cannot_be_chosen(
    call: Call, bundle: Path, learnt: Path, table: Path
) -> None:
    result = call("learn", bundle, learnt, table, "--tier", "base")
    assert (result.code, "is there already" in result.err) == (1, True)


def test_nothing_to_forget_is_refused(call: Call, bundle: Path, learnt: Path) -> None:
    result = call("forget", bundle, learnt)
    assert result.err == "error: nothing to forget; give labelled texts or --receipts\n"


@pytest.mark.parametrize("verb", ["predict", "report", "forget", "merge"])
def test_a_learner_that_is_not_there_is_one_line_on_stderr(
    call: Call, bundle: Path, table: Path, tmp_path: Path, verb: str
) -> None:
    more = {"predict": [table], "forget": [table], "merge": [table], "report": []}[verb]
    result = call(verb, bundle, tmp_path / "absent.learn", *more)
    assert result.code == 1
    assert result.err.startswith(f"error: {tmp_path / 'absent.learn'}: no such file")
    assert result.err.count("\n") == 1


def test_a_damaged_learner_is_one_line_on_stderr(call: Call, bundle: Path, learnt: Path) -> None:
    data = bytearray(learnt.read_bytes())
    data[len(data) // 2] ^= 1
    learnt.write_bytes(data)
    result = call("report", bundle, learnt)
    assert (result.code, "damaged" in result.err) == (1, True)


@pytest.mark.parametrize(
    ("name", "text"),
    [("absent.csv", None), ("a.jsonl", "{"), ("a.csv", "text\na\n")],
)
def test_rows_that_cannot_be_learnt_leave_no_file_behind(
    call: Call, bundle: Path, tmp_path: Path, name: str, text: str | None
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    result = call("learn", bundle, tmp_path / "new.learn", tmp_path / name)
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert not (tmp_path / "new.learn").exists()


def test_a_failure_leaves_a_learner_that_was_there(
    call: Call, bundle: Path, learnt: Path, tmp_path: Path
) -> None:
    before = digest(call, bundle, learnt)
    assert call("learn", bundle, learnt, tmp_path / "absent.csv").code == 1
    assert digest(call, bundle, learnt) == before


def test_rows_come_from_any_table(call: Call, bundle: Path, learnt: Path, tmp_path: Path) -> None:
    with gzip.open(tmp_path / "rows.tsv.gz", "wt") as stream:
        stream.write("label\ttext\n" + "".join(f"{name}\t{text}\n" for text, name in ROWS))
    other = tmp_path / "other.learn"
    assert call("learn", bundle, other, tmp_path / "rows.tsv.gz").code == 0
    assert digest(call, bundle, other) == digest(call, bundle, learnt)
