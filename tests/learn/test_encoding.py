"""States and changes come back as they were written."""

from dataclasses import fields, is_dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgebert.errors import EdgebertError
from edgebert.learn.encoding import (
    decode_change,
    decode_state,
    encode_change,
    encode_state,
    pack_whole,
    unpack_whole,
)
from edgebert.learn.features import FeatureMap
from edgebert.learn.state import AddClass, Change, Forget, Learn, RemoveClass, Setting, State
from edgebert.reader import ReadError

D = 4
SETTING = Setting(
    learner="ab", encoder="cd", features=FeatureMap(1, D, 0, 0), prompt=None, multi_label=True
)


def grid(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-32767, 32768, (rows, D)).astype(np.int16)


CHANGES: list[Change] = [
    AddClass("ä", "a phrase", grid(1)[0]),
    AddClass("b", "", grid(1, 1)[0] * 0),
    AddClass("c", "", grid(1, 1)[0] * 0),
    RemoveClass("c", grid(0)),
    Learn((("ä",), ("b", "ä"), ()), grid(3, 2)),
    Learn((("d",), ("ä",)), grid(2, 4), (AddClass("d", "a phrase", grid(1, 5)[0]),)),
    RemoveClass("d", grid(2, 4)[:1]),
    Learn((("b",),) * 5, grid(5, 3)),
    Forget((("b", "ä"),), grid(3, 2)[1:2]),
    Forget((("b",),), grid(5, 3)[:1]),
]


def made() -> State:
    state = State.new(SETTING)
    for change in CHANGES:
        state.check(change)
        state.apply(change)
    return state


def plain(value: object) -> object:
    """Make a change comparable."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, tuple):
        return tuple(plain(each) for each in value)
    if is_dataclass(value):
        return type(value), *(plain(getattr(value, each.name)) for each in fields(value))
    return value


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: type(change).__name__)
def test_a_change_comes_back_as_it_was(change: Change) -> None:
    assert plain(decode_change(encode_change(change), D)) == plain(change)


def test_a_state_comes_back_as_it_was() -> None:
    again = decode_state(encode_state(made()))
    assert again.digest() == made().digest()
    assert encode_state(again) == encode_state(made())
    assert again.learners == {"ab"}


def test_a_state_cut_anywhere_is_refused() -> None:
    data = encode_state(made())
    for cut in range(len(data)):
        with pytest.raises(ReadError):
            decode_state(data[:cut])


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_an_altered_state_is_read_or_refused_in_our_own_words(place: int, mask: int) -> None:
    data = bytearray(encode_state(made()))
    data[place % len(data)] ^= mask
    try:
        decode_state(bytes(data))
    except (ReadError, EdgebertError):
        pass


@given(st.integers(0, 10_000), st.integers(1, 255), st.sampled_from(CHANGES))
def test_an_altered_change_is_read_or_refused_in_our_own_words(
    place: int, mask: int, change: Change
) -> None:
    data = bytearray(encode_change(change))
    data[place % len(data)] ^= mask
    try:
        decode_change(bytes(data), D)
    except ReadError:
        pass


@given(arrays.arrays(np.int64, st.integers(0, 20), elements=st.integers(-(2**53), 2**53)))
def test_whole_numbers_come_back_as_they_were(values: np.ndarray) -> None:
    width, data = pack_whole(values)
    assert np.array_equal(unpack_whole(data, width), values)
    assert len(data) == width * len(values)


@pytest.mark.parametrize(("value", "width"), [(0, 1), (127, 1), (128, 2), (-128, 2), (2**52, 7)])
def test_whole_numbers_take_as_few_bytes_as_they_need(value: int, width: int) -> None:
    assert pack_whole(np.array([value]))[0] == width


@pytest.mark.parametrize(
    "data", [b"", b"\2\0\0\0{}", b'\x0e\0\0\0{"learn":[["a"]]}', b"\xff\xff\xff\xff{}"]
)
def test_what_is_no_change_is_refused(data: bytes) -> None:
    with pytest.raises(ReadError):
        decode_change(data, D)
