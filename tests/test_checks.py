"""What is wrong with labelled files: each fault is found, named and placed; good rows are not."""

import pytest

from edgebert.checks import KEPT, Checked, Source, check, has_control, is_garbled, script_of
from edgebert.labelled import Example, Goal

GOOD = [(f"text {n}", "ab"[n % 2]) for n in range(20)]


def source(name: str, rows: list[tuple[str, str]]) -> Source:
    examples = [Example(row=n, text=text, label=label) for n, (text, label) in enumerate(rows, 1)]
    return Source(name, [(f"{name}: line {one.row}", one) for one in examples])


def checked(*files: list[tuple[str, str]]) -> Checked:
    names = ["train", "test", "more"]
    return check([source(*pair) for pair in zip(names, files, strict=False)], Goal.CLASSIFY)


def found(result: Checked) -> dict[str, list[str]]:
    return {finding.what.partition(" (")[0]: finding.places for finding in result.findings}


def test_good_rows_have_no_findings() -> None:
    assert found(checked(GOOD)) == {}


@pytest.mark.parametrize(
    ("row", "what", "error"),
    [
        ((" ", "a"), "empty texts", True),
        (("caf\ufffd", "a"), "texts with characters lost", True),
        (("TEXT  3", "b"), "texts that stand twice in a file", False),
        (("text 3", "a"), "texts with different labels", False),
        (("cafÃ©", "a"), "texts that look garbled", False),
        (("a\x00b", "a"), "texts with control characters", False),
        (("rare", "c"), "labels with under 5 rows", False),
    ],
)
def test_a_fault_is_found_and_placed(row: tuple[str, str], what: str, error: bool) -> None:
    result = checked([*GOOD, row])
    assert what in found(result)
    (finding,) = [one for one in result.findings if one.what.startswith(what)]
    assert (finding.error, finding.count) == (error, 1)
    assert finding.places[0].startswith("train: ")
    assert result.errors == error


def test_a_text_in_two_files_is_a_leak_with_both_places() -> None:
    places = found(checked(GOOD, [("Text 3", "b"), ("new", "a")]))["texts that stand in two files"]
    assert places == ["test: line 1, also in train: line 4"]


def test_a_label_that_the_first_file_lacks_is_named() -> None:
    places = found(checked(GOOD, [("new", "z")]))["labels that the first file does not have"]
    assert places == ["test: z"]


def test_one_label_alone_is_an_error() -> None:
    assert checked([("x", "a"), ("y", "a")]).errors == 1


def test_labels_of_very_different_size_are_told() -> None:
    rows = [(f"t{n}", "a" if n < 60 else "b") for n in range(65)]
    assert "files whose labels differ over 10 times in size" in found(checked(rows))


def test_a_row_that_cannot_be_read_is_counted_with_its_reason() -> None:
    result = check([Source("x", [("x: line 7", "no column 'text'")])], Goal.CLASSIFY)
    assert found(result)["rows that cannot be read"] == ["x: line 7: no column 'text'"]
    assert result.parts[0].rows == 1


def test_only_the_first_places_are_kept() -> None:
    result = checked([*GOOD, *[("", "a")] * (KEPT + 9)])
    assert result.findings[0].count == KEPT + 9
    assert len(result.findings[0].places) == KEPT


def test_rows_over_a_limit_are_counted() -> None:
    result = check([source("x", GOOD)], Goal.CLASSIFY, lambda some: [4, 9] * (len(some) // 2), 8)
    assert result.parts[0].cut == 10
    assert result.parts[0].tokens == {"1 to 8": 10, "over 8": 10}
    assert found(result)["rows over the bundle's limit"][0] == "x: line 2: 9 tokens"


def test_a_query_in_two_files_is_a_leak_and_a_shared_text_is_none() -> None:
    def queries(*rows: tuple[str, str]) -> list[tuple[str, Example]]:
        return [("here", Example(row=1, text=query, pair=text)) for query, text in rows]

    first = Source("train", queries(("who", "he"), ("", "she")))
    assert not check([first, Source("test", queries(("where", "he")))], Goal.RETRIEVE).findings
    result = check([first, Source("test", queries(("who", "they")))], Goal.RETRIEVE)
    assert list(found(result)) == ["texts that stand in two files"]


@pytest.mark.parametrize("text", ["café", "naïve", "한국어", "plain", "Ã", "price: 5 €"])
def test_good_text_is_not_taken_for_garbled(text: str) -> None:
    assert not is_garbled(text)


@pytest.mark.parametrize("text", ["café", "naïve", "한국어", "it\u2019s"])
@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_text_read_as_another_encoding_is_garbled(text: str, encoding: str) -> None:
    try:
        garbled = text.encode().decode(encoding)
    except UnicodeDecodeError:  # cp1252 has gaps; such text shows itself by an error
        return
    assert is_garbled(garbled)


def test_half_a_pair_is_a_control_character() -> None:
    assert has_control("a\ud800")


@pytest.mark.parametrize(
    ("text", "script"),
    [("the cat", "Latin"), ("한국어 AI", "Hangul"), ("漢字", "Cjk"), ("12", "-")],
)
def test_the_script_is_that_of_most_letters(text: str, script: str) -> None:
    assert script_of(text) == script
