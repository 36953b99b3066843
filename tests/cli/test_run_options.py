"""`edgebert run` with the options of each task: what is asked for is in the record."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebert.tasks.embed import Embedder
from edgebert.vectors import Precision, embedding_ranges, quantize_embeddings, unit_ranges
from tests.cli.conftest import Called
from tests.damage import edit_manifest
from tests.make_tiny import DATA

Call = Callable[..., Called]
LONG = "the " * 60 + "anna"


def run(call: Call, name: str, *arguments: object, stdin: str = "the cat\n") -> dict[str, Any]:
    """Run one text and give its record."""
    result = call("run", DATA / name, *arguments, stdin=stdin.encode())
    assert result.code == 0, result.err
    (line,) = result.out.splitlines()
    record: dict[str, Any] = json.loads(line)
    return record


def question(context: str) -> str:
    return json.dumps({"question": "the cat", "context": context}) + "\n"


def answer(call: Call, context: str, *arguments: object) -> dict[str, Any]:
    found = run(call, "tiny-answer", "--format", "jsonl", *arguments, stdin=question(context))
    return {name: value for name, value in found.items() if name not in ("question", "context")}


@pytest.mark.parametrize(
    ("name", "text"),
    [("tiny-embed", LONG), ("tiny-classify", LONG), ("tiny-fill", "a<mask>" + "a" * 60)],
)
def test_long_texts_are_cut_unasked_and_run_in_windows_where_asked(
    call: Call, name: str, text: str
) -> None:
    found = [run(call, name, *more, stdin=text) for more in ((), ("--truncation", "window"))]
    assert [record["truncated"] for record in found] == [True, False]


def test_long_texts_are_tagged_in_windows_unasked(call: Call) -> None:
    assert run(call, "tiny-tag", stdin=LONG)["truncated"] is False
    assert run(call, "tiny-tag", "--truncation", "cut", stdin=LONG)["truncated"] is True


def test_long_contexts_are_read_in_windows_unasked(call: Call) -> None:
    assert answer(call, LONG)["truncated"] is False
    assert answer(call, LONG, "--truncation", "cut")["truncated"] is True


def test_the_summary_counts_what_was_cut_and_not_what_was_read_in_windows(call: Call) -> None:
    stdin = f"the cat\n{LONG}\n".encode()
    assert call("run", DATA / "tiny-tag", stdin=stdin).err == "2 texts, 0 cut at 40 tokens\n"
    cut = call("run", DATA / "tiny-tag", "--truncation", "cut", stdin=stdin)
    assert cut.err == "2 texts, 1 cut at 40 tokens\n"


def test_vectors_have_the_dimensions_asked_for(call: Call) -> None:
    found = run(call, "tiny-embed", "--dimensions", 7)["embedding"]
    expected = Embedder.load(DATA / "tiny-embed").embed(["the cat"], dimensions=7)
    assert np.array_equal(np.float32([found]), expected)


@pytest.mark.parametrize("precision", list(Precision))
def test_vectors_have_the_precision_asked_for(call: Call, precision: Precision) -> None:
    more = ("--dimensions", 7, "--precision", precision.value)
    found = run(call, "tiny-embed", *more)["embedding"]
    vectors = Embedder.load(DATA / "tiny-embed").embed(["the cat"], dimensions=7)
    expected = quantize_embeddings(vectors, precision, ranges=unit_ranges(7))
    assert np.array_equal(np.array([found], expected.dtype), expected)


def test_int8_takes_the_ranges_of_vectors_written_before(call: Call, tmp_path: Path) -> None:
    texts = "the cat\na dog\nanna lives in paris\n"
    corpus = tmp_path / "corpus.jsonl"
    call("run", DATA / "tiny-embed", "-o", corpus, stdin=texts.encode())
    found = run(call, "tiny-embed", "--precision", "int8", "--ranges", corpus)["embedding"]
    vectors = Embedder.load(DATA / "tiny-embed").embed(texts.splitlines())
    expected = quantize_embeddings(vectors, "int8", ranges=embedding_ranges(vectors))
    assert found == expected[0].tolist()


@pytest.mark.parametrize("more", [("--precision", "int8"), ("--precision", "float32")])
def test_a_precision_where_there_are_no_vectors_is_refused(call: Call, more: tuple[str]) -> None:
    found = call("run", DATA / "tiny-tag", *more, stdin=b"anna\n")
    assert (found.code, found.out) == (1, "")
    assert "--precision is of vectors; task 'tag' gives none" in found.err


def test_ranges_of_another_width_than_the_vectors_are_refused(call: Call, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    call("run", DATA / "tiny-embed", "-o", corpus, stdin=b"the cat\n")
    more = ("--dimensions", 7, "--precision", "int8", "--ranges", corpus)
    found = call("run", DATA / "tiny-embed", *more, stdin=b"the cat\n")
    assert (found.code, found.out) == (1, "")
    assert "need ranges of shape (2, 7), found an array of shape (2, 32)" in found.err


@pytest.mark.parametrize("name", ["missing.jsonl", "-"])
def test_a_file_of_ranges_that_is_not_there_is_refused(
    call: Call, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    more = ("--precision", "int8", "--ranges", name)
    found = call("run", DATA / "tiny-embed", *more, stdin=b"the cat\n")
    assert (found.code, found.out) == (1, "")
    assert f"{name}: cannot be read" in found.err


def test_a_prompt_is_put_in_front(call: Call, copied: Callable[..., Path]) -> None:
    folder = edit_manifest(copied(), lambda values: values.update(prompts={"query": "the "}))
    result = call("run", folder, "--prompt", "query", stdin=b"cat\n")
    expected = run(call, "tiny-embed", stdin="the cat\n")["embedding"]
    assert json.loads(result.out)["embedding"] == expected


def test_a_threshold_gives_the_labels_above_it(call: Call) -> None:
    every = run(call, "tiny-classify", "--threshold", 0, "--top-k", 9)["labels"]
    middle = every[1]["score"]
    found = run(call, "tiny-classify", "--threshold", middle, "--top-k", 9)["labels"]
    assert found == every[:2]


def test_a_threshold_that_leaves_no_label_gives_an_empty_list(call: Call) -> None:
    found = run(call, "tiny-classify", "--threshold", 1.5)
    assert found == {"text": "the cat", "labels": [], "n_tokens": 4, "truncated": False}


def test_one_answer_stands_in_the_record_itself(call: Call) -> None:
    found = answer(call, "anna lives in paris")
    assert list(found) == ["answer", "score", "start", "end", "n_tokens", "truncated"]


def test_several_answers_stand_in_a_list(call: Call) -> None:
    found = answer(call, "anna lives in paris", "--top-k", 3)
    assert list(found) == ["answers", "n_tokens", "truncated"]
    assert [list(each) for each in found["answers"]] == [["answer", "score", "start", "end"]] * 3


def test_no_answer_is_among_them_where_asked_for(call: Call) -> None:
    options = ("--top-k", 50)
    without = answer(call, "anna lives", *options)["answers"]
    with_it = answer(call, "anna lives", *options, "--no-answer")["answers"]
    assert [each for each in with_it if each["answer"]] == without
    assert len(with_it) == len(without) + 1


def test_an_empty_context_has_an_empty_answer(call: Call) -> None:
    empty = {"answer": "", "score": 0.0, "start": 0, "end": 0}
    assert answer(call, "") == {**empty, "n_tokens": 5, "truncated": False}
    assert answer(call, "", "--top-k", 2)["answers"] == []


def test_targets_are_the_only_candidates(call: Call) -> None:
    found = run(call, "tiny-fill", "-", "--targets", "x", "y", stdin="the <mask>\n")
    assert {fill["token_str"] for fill in found["masks"][0]} == {"x", "y"}


def test_a_fill_shows_its_sequence(call: Call) -> None:
    found = run(call, "tiny-fill", "-", "--targets", "x", stdin="the <mask>!\n")
    assert found["masks"][0][0]["sequence"] == "the x!"


@pytest.mark.parametrize("aggregation", ["none", "simple", "first", "average", "max"])
def test_every_aggregation_gives_entities_of_the_text(call: Call, aggregation: str) -> None:
    text = "2i)A0`Z]tQ;-_$RXn!zZ"
    found = run(call, "tiny-tag", "--aggregation", aggregation, stdin=text)["entities"]
    assert found
    assert all(entity["word"] == text[entity["start"] : entity["end"]] for entity in found)


@pytest.mark.parametrize(
    ("name", "arguments", "complaint"),
    [
        ("tiny-embed", ("--dimensions", "0"), "dimensions is 0; the vectors have 32"),
        ("tiny-embed", ("--dimensions", "33"), "dimensions is 33; the vectors have 32"),
        ("tiny-embed", ("--no-answer",), "unexpected keyword argument 'no_answer'"),
        ("tiny-embed", ("--threshold", "1"), "unexpected keyword argument 'threshold'"),
        ("tiny-classify", ("--targets", "a"), "unexpected keyword argument 'targets'"),
        ("tiny-tag", ("--aggregation", "last"), "one of: none, simple, first, average, max"),
        ("tiny-tag", ("--dimensions", "3"), "unexpected keyword argument 'dimensions'"),
        ("tiny-fill", ("--targets", "train"), "'train' is not one token of the vocabulary"),
    ],
)
def test_an_option_that_does_not_fit_is_one_line_that_names_it(
    call: Call, name: str, arguments: tuple[str, ...], complaint: str
) -> None:
    result = call("run", DATA / name, "-", *arguments, stdin=b"the cat\n")
    assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)
    assert result.err.startswith("error: ")
    assert complaint in result.err


def test_tables_come_in_and_go_out_by_their_names(call: Call, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,body\n1,the cat\n2,a dog\n")
    arguments = ("--text-column", "body", "--dimensions", 3, "-o", tmp_path / "out.tsv")
    result = call("run", DATA / "tiny-embed", tmp_path / "in.csv", *arguments)
    assert (result.code, result.err) == (0, "2 texts, 0 cut at 40 tokens\n")
    header, first, _ = (tmp_path / "out.tsv").read_text().splitlines()
    assert header == "id\tbody\tembedding\tn_tokens\ttruncated"
    assert first.startswith("1\tthe cat\t")


def test_several_files_are_run_in_order(call: Call, tmp_path: Path) -> None:
    for name in "ba":
        (tmp_path / f"{name}.txt").write_text(name)
    result = call("run", DATA / "tiny-embed", f"{tmp_path}/?.txt")
    assert [json.loads(line)["text"] for line in result.out.splitlines()] == ["a", "b"]


def test_bad_rows_are_counted_in_the_summary(call: Call) -> None:
    more = ("--format", "jsonl", "--on-error", "skip")
    result = call("run", DATA / "tiny-embed", *more, stdin=b'{"text": "a"}\n{\n')
    assert (result.code, len(result.out.splitlines())) == (0, 1)
    assert result.err == "1 texts, 0 cut at 40 tokens, 1 bad rows\n"


def test_the_summary_can_be_json(call: Call) -> None:
    result = call("run", DATA / "tiny-embed", "--json", stdin=b"a\nb\n")
    told = json.loads(result.err)
    assert (told["rows"], told["written"], told["bad"], told["truncated"]) == (2, 2, 0, 0)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("-", "a.txt"), "- is stdin and stands alone"),
        (("-", "--workers", 2), "--workers is of --on ray"),
        (("-", "-o", "out.npy", "--on-error", "skip"), ".npy holds vectors alone"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(
    call: Call, arguments: tuple[object, ...], complaint: str
) -> None:
    result = call("run", DATA / "tiny-embed", *arguments, stdin=b"a\n")
    assert (result.code, result.out) == (1, "")
    assert complaint in result.err
