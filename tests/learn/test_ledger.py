"""A ledger holds what was entered, as often as it was, whatever the order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert.errors import LearnError
from edgebert.learn.ledger import empty_ledger, enter, fingerprints, strike

GRID = np.arange(8, dtype=np.int16).reshape(2, 4)


def ledger(values: list[int]) -> np.ndarray:
    return np.array(sorted(values), np.uint64)


SOME = st.lists(st.one_of(st.integers(0, 5), st.integers(0, 2**64 - 1)), max_size=40)


@given(SOME, SOME)
def test_what_is_entered_stands_in_order(old: list[int], more: list[int]) -> None:
    assert np.array_equal(enter(ledger(old), ledger(more)), ledger(old + more))


@given(SOME, SOME)
def test_what_is_struck_was_never_entered(old: list[int], more: list[int]) -> None:
    assert np.array_equal(strike(ledger(old + more), ledger(more)), ledger(old))


@given(SOME, st.integers(0, 2**64 - 1))
def test_what_is_not_there_often_enough_is_not_struck(old: list[int], value: int) -> None:
    gone = ledger([value] * (old.count(value) + 1))
    with pytest.raises(LearnError, match=r"1 of .* are not known"):
        strike(ledger(old), gone)


def test_a_fingerprint_is_the_same_on_every_machine() -> None:
    found = fingerprints([("a", "b")], GRID[:1])
    assert found.tolist() == [15634184062740585174]


def test_labels_have_no_order() -> None:
    one, other = (fingerprints([names], GRID[:1]) for names in (("a", "b"), ("b", "a")))
    assert one == other


@pytest.mark.parametrize("names", [("a",), ("ab",), ("a", "c"), ()])
def test_other_labels_are_another_sample(names: tuple[str, ...]) -> None:
    assert fingerprints([names], GRID[:1]) != fingerprints([("a", "b")], GRID[:1])


def test_no_samples_are_an_empty_ledger() -> None:
    assert np.array_equal(fingerprints([], GRID[:0]), empty_ledger())
