"""JSON is read with every key named, typed and accounted for."""

import json
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert.reader import Reader, ReadError, parse_object


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


# what JSON can say and Python can write again: no half of a surrogate pair, no infinity
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
VALUES = st.recursive(
    LEAVES, lambda below: st.lists(below) | st.dictionaries(TEXTS, below), max_leaves=4
)


@given(st.dictionaries(TEXTS, VALUES))
def test_an_object_comes_back_as_it_was_written(value: dict[str, Any]) -> None:
    assert parse_object(json.dumps(value).encode(), "it") == value


@given(st.binary(max_size=64))
def test_any_bytes_are_an_object_or_a_read_error(data: bytes) -> None:
    try:
        assert isinstance(parse_object(data, "it"), dict)
    except ReadError as error:
        assert str(error).startswith("it ")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"a": }',
        b'{"a": NaN}',
        b'{"a": [Infinity]}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b'{"\\udfff": 1}',
        b'{"a": "\xed\xa0\x80"}',
        b'{"a": 1, "a": 1}',
        b'{"a": {"b": 1, "b": 2}}',
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_not_strict_json_is_refused(data: bytes) -> None:
    with pytest.raises(ReadError, match="the file is not JSON"):
        parse_object(data, "the file")


@pytest.mark.parametrize("brackets", [b'{"a":', b"["])
def test_deep_nesting_is_refused(brackets: bytes) -> None:
    with pytest.raises(ReadError, match="nested too deeply"):
        parse_object(brackets * 200_000, "it")


@pytest.mark.parametrize("data", [b"[]", b"1", b'"text"', b"null", b"true"])
def test_what_is_not_an_object_is_refused(data: bytes) -> None:
    with pytest.raises(ReadError, match="expected an object"):
        parse_object(data, "it")


TAKES = {
    "text": (lambda reader: reader.text("key"), "x", [1, True, None, [], {}]),
    "flag": (lambda reader: reader.flag("key"), True, [0, 1, "true", None, []]),
    "count": (lambda reader: reader.count("key"), 3, [-1, 1.5, 1.0, "1", True, None, []]),
    "number": (
        lambda reader: reader.number("key"),
        1.5,
        ["1", True, None, [], 10**400, -(10**400)],
    ),
    "choice": (lambda reader: reader.choice("key", Colour), "red", ["green", "RED", 1, None, []]),
    "choices": (
        lambda reader: reader.choices("key", Colour),
        ["red", "blue"],
        ["red", ["green"], ["red", "RED"], [1], {}, None],
    ),
    "texts": (lambda reader: reader.texts("key"), ["x"], ["x", [1], ["x", None], {}, None]),
    "numbers": (lambda reader: reader.numbers("key"), [1.5], [1, ["1"], [True], [10**400], None]),
    "part": (lambda reader: reader.part("key"), {}, [[], "x", 1, None]),
    "parts": (lambda reader: list(reader.parts("key")), [{}], [{}, [1], [{}, "x"], None]),
    "entries": (lambda reader: list(reader.entries("key")), {"a": {}}, [[], {"a": 1}, None]),
    "pairs": (lambda reader: reader.pairs("key"), {"a": "b"}, [[], {"a": 1}, {"a": None}, None]),
}
WRONG = [(kind, value) for kind, (_, _, values) in TAKES.items() for value in values]


@pytest.mark.parametrize(("kind", "value"), WRONG)
def test_a_value_of_the_wrong_type_is_refused_by_its_key(kind: str, value: Any) -> None:
    with pytest.raises(ReadError, match=r"^outer\.key"):
        TAKES[kind][0](Reader({"key": value}, "outer"))


@pytest.mark.parametrize("kind", TAKES)
def test_a_missing_key_is_refused_by_name(kind: str) -> None:
    with pytest.raises(ReadError, match=r"key 'outer\.key' is missing"):
        TAKES[kind][0](Reader({"other": 1}, "outer"))


@pytest.mark.parametrize("kind", TAKES)
def test_a_value_that_was_taken_is_accounted_for(kind: str) -> None:
    take, value, _ = TAKES[kind]
    reader = Reader({"key": value})
    take(reader)
    reader.finish()


def test_a_key_that_an_older_writer_left_out_has_its_default() -> None:
    assert Reader({}).stated("key", lambda key: 1, 2) == 2


def test_a_key_that_is_stated_is_taken_and_checked() -> None:
    reader = Reader({"key": 1}, "outer")
    assert reader.stated("key", reader.count, 2) == 1
    reader.finish()
    wrong = Reader({"key": "x"}, "outer")
    with pytest.raises(ReadError, match=r"^outer\.key"):
        wrong.stated("key", wrong.count, 2)


def test_a_key_can_be_taken_once() -> None:
    reader = Reader({"key": "x"})
    reader.text("key")
    with pytest.raises(ReadError, match="missing"):
        reader.text("key")


def test_finish_names_every_key_that_was_not_taken() -> None:
    with pytest.raises(ReadError, match=r"unknown key 'a\.x', 'a\.y'"):
        Reader({"y": 1, "x": 2}, "a").finish()


def test_reading_leaves_the_callers_values_alone() -> None:
    values = {"key": "x"}
    Reader(values).text("key")
    assert values == {"key": "x"}


def test_a_whole_number_under_its_least_is_refused() -> None:
    with pytest.raises(ReadError, match="key is 2, expected 3 or more"):
        Reader({"key": 2}).count("key", least=3)


def test_a_whole_number_is_a_number_too() -> None:
    assert Reader({"key": 2}).number("key") == 2.0


def test_null_is_none_where_a_value_is_optional() -> None:
    reader = Reader({"key": None})
    assert reader.optional("key", reader.text) is None
    reader.finish()


def test_an_optional_value_must_still_be_there() -> None:
    reader = Reader({})
    with pytest.raises(ReadError, match="missing"):
        reader.optional("key", reader.text)


def test_a_wrong_choice_is_told_the_right_ones() -> None:
    with pytest.raises(ReadError, match="'green', expected one of: red, blue"):
        Reader({"key": "green"}).choice("key", Colour)


def test_a_complaint_from_a_list_says_its_place() -> None:
    second = list(Reader({"rows": [{}, {"a": 1}]}).parts("rows"))[1]
    with pytest.raises(ReadError, match=r"rows\[1\]\.a"):
        second.text("a")


def test_a_complaint_from_a_named_entry_says_its_name() -> None:
    ((name, entry),) = Reader({"files": {"model.onnx": {"bytes": "x"}}}).entries("files")
    assert name == "model.onnx"
    with pytest.raises(ReadError, match=r"files\.model\.onnx\.bytes"):
        entry.count("bytes")
