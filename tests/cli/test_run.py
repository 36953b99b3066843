"""`edgebert run`: lines or JSONL in, JSONL out, in order, or one clear error."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebert.tasks.embed import Embedder
from tests.cli.conftest import Called
from tests.make_tiny import DATA

Call = Callable[..., Called]
Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
EMBED = DATA / "tiny-embed"


def rows(result: Called) -> list[dict[str, Any]]:
    assert result.code == 0, result.err
    lines = result.out.split("\n")  # splitlines would take U+2028 for an end, which JSON does not
    assert lines.pop() == ""
    return [json.loads(line) for line in lines]


def jsonl(*lines: object) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def test_lines_of_stdin_become_records_on_stdout(call: Call) -> None:
    found = rows(call("run", EMBED, stdin=b"the cat\n\na dog"))
    assert [row["text"] for row in found] == ["the cat", "", "a dog"]
    assert [row["n_tokens"] for row in found] == [4, 2, 4]


def test_a_hyphen_is_stdin_and_stdout(call: Call) -> None:
    named = call("run", EMBED, "-", "-o", "-", stdin=b"the cat\n")
    assert named == call("run", EMBED, stdin=b"the cat\n")


def test_the_vectors_are_those_of_the_library(call: Call) -> None:
    texts = ["the cat", "a good film and bad food", "서울 날씨"]
    found = rows(call("run", EMBED, stdin="\n".join(texts).encode()))
    expected = Embedder.load(EMBED).embed(texts)
    assert np.array_equal(np.float32([row["embedding"] for row in found]), expected)


def test_data_goes_to_stdout_and_the_summary_to_stderr(call: Call) -> None:
    result = call("run", EMBED, stdin=b"the cat\n" + b"the " * 60)
    assert result.err == "2 texts, 1 cut at 40 tokens\n"
    assert [row["truncated"] for row in rows(result)] == [False, True]


def test_the_summary_can_be_left_out(call: Call) -> None:
    assert call("run", EMBED, "--quiet", stdin=b"the cat\n").err == ""


def test_no_texts_give_no_records(call: Call) -> None:
    assert call("run", EMBED) == Called(0, "", "0 texts, 0 cut at 40 tokens\n")


def test_a_jsonl_file_is_told_by_its_name_and_keeps_its_fields(call: Call, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl({"id": 7, "text": "the cat", "gold": ["x", None]}))
    (row,) = rows(call("run", EMBED, tmp_path / "in.jsonl"))
    assert list(row) == ["id", "text", "gold", "embedding", "n_tokens", "truncated"]
    assert (row["id"], row["gold"]) == (7, ["x", None])


def test_any_other_file_holds_lines(call: Call, tmp_path: Path) -> None:
    (tmp_path / "in.json").write_bytes(jsonl({"text": "the cat"}))
    (row,) = rows(call("run", EMBED, tmp_path / "in.json"))
    assert row["text"] == '{"text": "the cat"}'


def test_a_format_that_is_named_wins(call: Call) -> None:
    found = rows(call("run", EMBED, "--format", "jsonl", stdin=jsonl({"text": "the cat"})))
    assert found[0]["text"] == "the cat"


def test_only_a_line_feed_ends_a_line(call: Call, tmp_path: Path) -> None:
    text = "a\u2028b\x0cc\rd\x85e"
    (tmp_path / "in.txt").write_bytes(f"{text}\nthe cat\r\n".encode())
    from_file = rows(call("run", EMBED, tmp_path / "in.txt"))
    from_stdin = rows(call("run", EMBED, stdin=f"{text}\nthe cat\r\n".encode()))
    assert [row["text"] for row in from_file] == [text, "the cat"]
    assert from_stdin == from_file


def test_text_of_any_script_is_written_as_it_is(call: Call) -> None:
    result = call("run", EMBED, stdin="서울 é 😀\n".encode())
    assert result.out.startswith('{"text": "서울 é 😀", ')


def test_half_a_surrogate_pair_in_another_field_is_handed_through(call: Call) -> None:
    line = b'{"id": "\\ud83d", "text": "the cat"}\n'
    (row,) = rows(call("run", EMBED, "--format", "jsonl", stdin=line))
    assert row["id"] == "\ud83d"


def test_classification_gives_its_best_label(call: Call) -> None:
    (row,) = rows(call("run", DATA / "tiny-classify", stdin=b"the cat\n"))
    assert list(row) == ["text", "label", "score", "n_tokens", "truncated"]


def test_classification_gives_as_many_labels_as_asked_for(call: Call) -> None:
    (row,) = rows(call("run", DATA / "tiny-classify", "--top-k", 2, stdin=b"the cat\n"))
    assert [list(label) for label in row["labels"]] == [["label", "score"]] * 2


def test_a_pair_is_classified_as_a_pair(call: Call) -> None:
    lines = jsonl({"text": "the", "text_pair": "cat"})
    (row,) = rows(call("run", DATA / "tiny-classify", "--format", "jsonl", stdin=lines))
    assert row["n_tokens"] == 5


def test_tags_point_into_the_text(call: Call) -> None:
    text = "2i)A0`Z]tQ;-_$RXn!zZ"
    (row,) = rows(call("run", DATA / "tiny-tag", stdin=text.encode()))
    assert row["entities"]
    for entity in row["entities"]:
        assert entity["word"] == text[entity["start"] : entity["end"]]


def test_tags_can_stay_ungrouped(call: Call) -> None:
    arguments = ("run", DATA / "tiny-tag", "--aggregation", "none")
    (row,) = rows(call(*arguments, stdin=b"2i)A0`Z]tQ;-_$RXn!zZ"))
    assert {entity["entity"][:2] for entity in row["entities"]} <= {"B-", "I-"}


def test_questions_are_answered(call: Call) -> None:
    lines = jsonl({"question": "the cat", "context": "anna lives in paris", "id": 3})
    (row,) = rows(call("run", DATA / "tiny-answer", "--format", "jsonl", stdin=lines))
    assert row["id"] == 3
    assert row["answer"] == "anna lives in paris"[row["start"] : row["end"]]


def test_masks_are_filled(call: Call) -> None:
    (row,) = rows(call("run", DATA / "tiny-fill", "--top-k", 3, stdin=b"the <mask>\n"))
    assert [len(mask) for mask in row["masks"]] == [3]


def fails(result: Called, complaint: str) -> None:
    assert result.code == 1
    assert result.err.startswith("error: ")
    assert complaint in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "stdin", "complaint"),
    [
        (("--format", "jsonl"), b'{"text": "a"}\n{"text": \n', "line 2: not JSON"),
        (
            ("--format", "jsonl"),
            b'{"texts": "a"}\n',
            "line 1: field 'text' is missing, expected a string",
        ),
        (("--format", "jsonl"), b'{"text": "\\ud800"}\n', "line 1: not Unicode text"),
        (("--format", "jsonl"), jsonl({"text": "a", "text_pair": "b"}), "line 1: a pair"),
        ((), b"a\n\xff\n", "line 2: not UTF-8"),
        (("absent.txt",), b"", "absent.txt: cannot be read: No such file"),
        (("--threads", "0"), b"", "threads is 0"),
        (("--prompt", "query"), b"a\n", "no prompt 'query'; the bundle has: none"),
        (("--top-k", "3"), b"a\n", "unexpected keyword argument 'top_k'"),
        (("--truncation", "error"), b"the " * 60, "line 1: 62 tokens, the model takes 40"),
    ],
)
def test_bad_input_is_one_line_that_names_it(
    call: Call, arguments: tuple[str, ...], stdin: bytes, complaint: str
) -> None:
    fails(call("run", EMBED, *arguments, stdin=stdin), complaint)


def test_lines_for_a_task_of_pairs_are_refused(call: Call) -> None:
    fails(call("run", DATA / "tiny-answer", stdin=b"why\n"), "give JSONL with 'question'")


def test_a_folder_without_tables_is_refused(call: Call, tmp_path: Path) -> None:
    fails(call("run", EMBED, tmp_path), f"{tmp_path}: the folder holds no table")


@pytest.mark.parametrize("option", [("--format", "xml"), ("--truncation", "x"), ("--top-k", "x")])
def test_an_option_of_another_value_is_wrong_usage(call: Call, option: tuple[str, str]) -> None:
    assert call("run", EMBED, *option).code == 2


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_output_file_holds_what_stdout_would(call: Call, tmp_path: Path) -> None:
    stdin = "the cat\n서울 😀\n".encode()
    result = call("run", EMBED, "-o", tmp_path / "out.jsonl", stdin=stdin)
    assert (result.code, result.out) == (0, "")
    assert names(tmp_path) == ["out.jsonl"]
    on_stdout = call("run", EMBED, stdin=stdin).out
    assert (tmp_path / "out.jsonl").read_bytes() == on_stdout.encode()


@pytest.mark.parametrize("before", [None, "old results"])
def test_an_output_file_appears_whole_or_not_at_all(
    call: Call, tmp_path: Path, before: str | None
) -> None:
    out = tmp_path / "out.jsonl"
    if before is not None:
        out.write_text(before)
    stdin = jsonl(*[{"text": "a"}] * 3000) + b"{"
    fails(call("run", EMBED, "--format", "jsonl", "-o", out, stdin=stdin), "line 3001: not JSON")
    assert names(tmp_path) == ([] if before is None else ["out.jsonl"])
    assert before is None or out.read_text() == before


def test_an_output_file_that_cannot_be_made_is_refused(call: Call, tmp_path: Path) -> None:
    out = tmp_path / "absent" / "out.jsonl"
    fails(call("run", EMBED, "-o", out, stdin=b"a\n"), f"{out}: cannot be written: No such file")


def test_a_disk_that_fills_up_leaves_the_old_output(tmp_path: Path, small_disk: Run) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("old results")
    result = small_disk(9999, "run", EMBED, "-o", out, stdin=b"the cat\n" * 100)
    assert result.returncode == 1
    assert result.stderr.startswith(b"error: ")
    assert b"out.jsonl: cannot be written: File too large" in result.stderr
    assert names(tmp_path) == ["out.jsonl"]
    assert out.read_text() == "old results"


def test_stdin_and_stdout_are_utf8_whatever_the_locale(python: Run) -> None:
    result = python(
        *("-m", "edgebert", "run", str(EMBED), "--quiet"),
        stdin="서울 é 😀\n".encode(),
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
    )
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.decode().startswith('{"text": "서울 é 😀", ')
