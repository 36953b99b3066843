"""Parts of a file: every row in one, each label alike, equal texts together, seeded."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert.errors import InputError
from edgebert.splits import assign_parts, key_of

ROWS = [((f"text {n}", ""), "ab"[n % 4 == 0]) for n in range(200)]


def test_each_label_is_divided_alike() -> None:
    parts = assign_parts(ROWS, {"test": 0.2}, 0)
    found = Counter((label, part) for (_, label), part in zip(ROWS, parts, strict=True))
    assert found == {("a", "train"): 120, ("a", "test"): 30, ("b", "train"): 40, ("b", "test"): 10}


def test_a_text_belongs_to_its_part_whatever_the_order_of_rows() -> None:
    forward = dict(zip(ROWS, assign_parts(ROWS, {"test": 0.2}, 0), strict=True))
    back = dict(zip(ROWS[::-1], assign_parts(ROWS[::-1], {"test": 0.2}, 0), strict=True))
    assert forward == back


def test_another_seed_gives_other_parts() -> None:
    assert assign_parts(ROWS, {"test": 0.2}, 0) != assign_parts(ROWS, {"test": 0.2}, 1)


@given(st.lists(st.sampled_from(["A cat", "a  CAT", "dog", "bird", "fish"]), min_size=12))
def test_equal_texts_are_never_in_two_parts(texts: list[str]) -> None:
    rows = [((text, ""), "x") for text in [*texts, *(f"{n}" for n in range(20))]]
    parts = assign_parts(rows, {"test": 0.3}, 0)
    homes = {(key_of(row), part) for (row, _), part in zip(rows, parts, strict=True)}
    assert len(homes) == len({key for key, _ in homes})


@pytest.mark.parametrize("shares", [{}, {"test": 0.0}, {"test": 1.0}, {"test": 0.6, "v": 0.5}])
def test_shares_that_are_none_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(InputError, match="each must be above 0 and their sum below 1"):
        assign_parts(ROWS, shares, 0)


def test_a_part_that_stays_empty_is_refused() -> None:
    with pytest.raises(InputError, match="leave part 'test' empty"):
        assign_parts(ROWS[:2], {"test": 0.2}, 0)
