"""Runs: each row once, one length, within the budget, longest first."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert.batching import Batch, default_budget, fill_runs, plan_runs
from tests.fakes import make_tokenizer
from tests.make_tiny import DATA

LENGTHS = st.lists(st.integers(1, 20) | st.integers(1, 512), max_size=200)
BUDGETS = st.integers(1, 4096)


@given(LENGTHS, BUDGETS)
def test_a_plan_covers_each_row_once(lengths: list[int], max_tokens: int) -> None:
    rows = [row for run in plan_runs(lengths, max_tokens) for row in run]
    assert sorted(rows) == list(range(len(lengths)))


@given(LENGTHS, BUDGETS)
def test_the_rows_of_a_run_have_one_length(lengths: list[int], max_tokens: int) -> None:
    for run in plan_runs(lengths, max_tokens):
        assert len({lengths[row] for row in run}) == 1


@given(LENGTHS, BUDGETS)
def test_a_run_fits_the_budget_unless_its_row_is_alone(lengths: list[int], max_tokens: int) -> None:
    for run in plan_runs(lengths, max_tokens):
        assert len(run) == 1 or sum(lengths[row] for row in run) <= max_tokens


@given(LENGTHS, BUDGETS)
def test_no_two_runs_could_have_been_one(lengths: list[int], max_tokens: int) -> None:
    tokens = [sum(lengths[row] for row in run) for run in plan_runs(lengths, max_tokens)]
    widths = [lengths[run[0]] for run in plan_runs(lengths, max_tokens)]
    for (one, wide), (two, next_wide) in zip(
        zip(tokens, widths, strict=True), list(zip(tokens, widths, strict=True))[1:], strict=False
    ):
        assert wide != next_wide or one + two > max_tokens


@given(LENGTHS, BUDGETS)
def test_longer_rows_run_first(lengths: list[int], max_tokens: int) -> None:
    widths = [lengths[run[0]] for run in plan_runs(lengths, max_tokens)]
    assert widths == sorted(widths, reverse=True)


@given(LENGTHS, BUDGETS)
def test_rows_of_one_length_keep_their_order(lengths: list[int], max_tokens: int) -> None:
    runs = list(plan_runs(lengths, max_tokens))
    for length in set(lengths):
        rows = [row for run in runs for row in run if lengths[row] == length]
        assert rows == sorted(rows)


@given(LENGTHS)
def test_a_budget_of_one_token_runs_every_row_alone(lengths: list[int]) -> None:
    assert {len(run) for run in plan_runs(lengths, 1)} <= {1}


def test_rows_without_tokens_share_a_run() -> None:
    assert list(plan_runs([0, 0], 8)) == [(0, 1)]


@pytest.mark.parametrize(("hidden", "budget"), [(32, 256), (512, 256), (513, 512), (768, 512)])
def test_wider_models_get_the_larger_budget(hidden: int, budget: int) -> None:
    assert default_budget(hidden) == budget


def test_a_batch_is_one_array_of_ids() -> None:
    rows = make_tokenizer(DATA / "tiny-classify").encode([("the", "cat"), ("a", "dog")])
    batch = Batch(tuple(rows))
    assert batch.ids.dtype == np.int64
    assert batch.ids.tolist() == [row.ids for row in rows]


def test_a_batch_tells_the_texts_of_its_pairs_apart() -> None:
    rows = make_tokenizer(DATA / "tiny-classify").encode([("the", "cat"), ("a", "dog")])
    batch = Batch(tuple(rows))
    assert batch.type_ids.dtype == np.int64
    assert batch.type_ids.tolist() == [[0, 0, 0, 1, 1]] * 2


def test_a_batch_knows_the_callers_number_of_each_row() -> None:
    rows = make_tokenizer(DATA / "tiny-classify").encode(["the", "a", "no"], 7)
    assert Batch((rows[2], rows[0])).rows == [9, 7]


@given(st.lists(st.integers(1, 512), max_size=200), st.integers(1, 4096))
def test_filled_runs_cover_each_text_once_and_fit(lengths: list[int], max_tokens: int) -> None:
    runs = list(fill_runs(lengths, max_tokens))
    assert sorted(row for rows in runs for row in rows) == list(range(len(lengths)))
    sums = [sum(lengths[row] for row in rows) for rows in runs]
    assert all(
        len(rows) == 1 or total <= max_tokens for rows, total in zip(runs, sums, strict=True)
    )
    firsts = [lengths[rows[0]] for rows in runs]
    assert firsts == sorted(firsts, reverse=True)
    # no two neighbours would have fitted into one run
    assert all(
        one + lengths[rows[0]] > max_tokens for one, rows in zip(sums, runs[1:], strict=False)
    )
