"""The straight line: N texts in, N results out, in order, whatever shares a run or a thread."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert.batching import Batch
from edgebert.config import RuntimeConfig, Truncation
from edgebert.engine import AHEAD, CHUNK, SORTED, Engine
from edgebert.errors import BundleFormatError, InferenceError, InputError, TaskError
from edgebert.manifest import Scales, Task
from edgebert.tasks.embed import Embedder
from tests.fakes import FakeSession, Outputs, make_engine, read_manifest, sums, with_scales
from tests.make_tiny import DATA, WORDS

EMBED = DATA / "tiny-embed"
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join), max_size=60)
Row = tuple[int, str, float]
MIXED = [" ".join(WORDS[i % 7 : i % 7 + i % 11]) for i in range(120)]


def read_rows(outputs: Outputs, batch: Batch) -> list[Row]:
    """Give each row's number, text and first output: enough to see any mix-up."""
    return [
        (row, str(tokens.text), float(output[0]))
        for row, tokens, output in zip(batch.rows, batch.tokens, outputs[0], strict=True)
    ]


def each(results: Iterable[list[Row]]) -> list[Row]:
    """Give the one result of every text."""
    return [result for (result,) in results]


def engine(session: FakeSession | None = None, **config: object) -> Engine:
    return make_engine(EMBED, session or FakeSession(), config=RuntimeConfig(**config))


@pytest.mark.parametrize("threads", [1, 3])
@given(texts=TEXTS)
def test_each_text_has_its_result_in_the_order_given(threads: int, texts: list[str]) -> None:
    one = engine(threads=threads)
    found = each(one.map(texts, read_rows))
    ids = [sum(row.ids) for row in one.tokenizer.encode(texts)]
    assert found == list(zip(range(len(texts)), texts, ids, strict=True))


def test_results_stay_in_order_over_several_takes() -> None:
    texts = [WORDS[i % len(WORDS)] for i in range(2 * SORTED + 5)]
    found = each(engine().map(texts, read_rows))
    assert [(row, text) for row, text, _ in found] == list(enumerate(texts))


def test_no_texts_give_no_results_and_no_run() -> None:
    session = FakeSession()
    assert list(engine(session).map([], read_rows)) == []
    assert session.batches == []


@given(texts=TEXTS)
def test_the_rows_of_a_run_have_one_length(texts: list[str]) -> None:
    session = FakeSession()
    list(engine(session).map(texts, read_rows))
    for batch in session.batches:
        assert len({len(row.ids) for row in batch.tokens}) == 1


@given(texts=TEXTS, budget=st.integers(1, 64))
def test_a_run_keeps_within_the_budget_asked_for(texts: list[str], budget: int) -> None:
    session = FakeSession()
    list(engine(session, max_tokens_per_run=budget).map(texts, read_rows))
    assert all(batch.ids.size <= budget or len(batch.rows) == 1 for batch in session.batches)


def test_texts_of_one_length_share_a_run() -> None:
    session = FakeSession()
    list(engine(session).map(["the cat"] * 64, read_rows))  # 4 tokens each, 256 a run
    assert [len(batch.rows) for batch in session.batches] == [64]


def test_dynamic_scales_run_every_text_alone() -> None:
    session = FakeSession()
    manifest = with_scales(read_manifest(EMBED), Scales.DYNAMIC)
    config = RuntimeConfig(max_tokens_per_run=512)
    one = make_engine(EMBED, session, manifest=manifest, config=config)
    list(one.map(["the cat"] * 20, read_rows))
    assert [len(batch.rows) for batch in session.batches] == [1] * 20


def counted(count: int) -> tuple[Iterator[str], list[int]]:
    taken: list[int] = []

    def texts() -> Iterator[str]:
        for number in range(count):
            taken.append(number)
            yield "the cat"

    return texts(), taken


def test_a_stream_is_read_one_take_ahead_and_no_more() -> None:
    texts, taken = counted(3 * SORTED)
    results = engine().map(texts, read_rows)
    assert taken == []
    next(results)
    assert len(taken) == SORTED


def test_a_stream_without_end_gives_results() -> None:
    texts, _ = counted(10**12)
    results = engine().map(texts, read_rows)
    assert [next(results)[0][0] for _ in range(SORTED + 1)] == list(range(SORTED + 1))


class Counted(list[int]):
    """A list that knows how much of it was taken."""

    taken = 0

    def __iter__(self) -> Iterator[int]:
        for item in super().__iter__():
            self.taken += 1
            yield item


@pytest.mark.parametrize("threads", [2, 4])
def test_the_runs_in_flight_are_bounded(threads: int) -> None:
    items = Counted(range(1000))
    results = engine(threads=threads).each(str, items)
    assert next(results) == "0"
    assert items.taken == AHEAD * threads


def test_a_stream_that_is_left_early_leaves_the_engine_usable() -> None:
    one = engine()
    results = one.map(["the cat"] * 100, read_rows)
    next(results)
    results.close()
    assert len(list(one.map(["the cat"] * 100, read_rows))) == 100


def test_a_single_string_is_refused() -> None:
    with pytest.raises(InputError, match=r"a single string; give a sequence"):
        list(engine().map("the cat", read_rows))


@pytest.mark.parametrize("row", [0, CHUNK - 1, CHUNK, SORTED - 1, SORTED, SORTED + CHUNK + 1])
def test_a_wrong_text_is_named_by_its_row_wherever_it_stands(row: int) -> None:
    texts: list[object] = ["the"] * (row + 3)
    texts[row] = None
    with pytest.raises(InputError, match=f"^row {row}: NoneType, expected"):
        list(engine().map(texts, read_rows))


def test_results_of_earlier_takes_arrive_before_a_wrong_text() -> None:
    texts = [*["the"] * (SORTED + 10), "\ud800"]
    results = engine().map(texts, read_rows)
    assert [next(results)[0][0] for _ in range(SORTED)] == list(range(SORTED))
    with pytest.raises(InputError, match=f"row {SORTED + 10}: .*lone surrogate"):
        next(results)


def test_a_text_over_the_limit_is_named_by_its_row_under_policy_error() -> None:
    one = Embedder.load(EMBED, RuntimeConfig(truncation=Truncation.ERROR))
    texts = [*["the"] * (SORTED + 1), "the " * 39]
    with pytest.raises(InputError, match=f"row {SORTED + 1}: 41 tokens, the model takes 40"):
        list(one.stream(texts))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 1], ids=["first output", "second output"])
def test_a_value_that_is_not_finite_is_an_inference_error_with_its_rows(
    threads: int, value: float, place: int
) -> None:
    def compute(batch: Batch) -> Outputs:
        outputs = [*sums(batch), *sums(batch)]
        if batch.ids.shape[1] == 4:
            outputs[place][-1, -1] = value
        return tuple(outputs)

    one = engine(FakeSession(compute), threads=threads)
    with pytest.raises(InferenceError, match=r"rows \[1, 3\]: the model gave NaN or infinity"):
        list(one.map(["the", "the cat", "a", "a dog"], read_rows))


def test_a_not_finite_value_in_a_later_take_is_named_by_its_own_rows() -> None:
    def compute(batch: Batch) -> Outputs:
        return (sums(batch)[0] * (np.nan if batch.rows[0] >= SORTED else 1),)

    with pytest.raises(InferenceError, match=rf"rows \[{SORTED}\]"):
        list(engine(FakeSession(compute)).map(["the"] * (SORTED + 1), read_rows))


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_of_the_session_arrives_as_it_is(threads: int) -> None:
    cause = InferenceError("the graph failed")

    def compute(batch: Batch) -> Outputs:
        raise cause

    one = engine(FakeSession(compute), threads=threads)
    with pytest.raises(InferenceError) as caught:
        list(one.map(MIXED, read_rows))
    assert caught.value is cause


def test_an_engine_works_on_after_an_error() -> None:
    one = engine()
    with pytest.raises(InputError):
        list(one.map(["the", None], read_rows))
    assert len(list(one.map(MIXED, read_rows))) == len(MIXED)


def test_a_real_session_error_is_an_inference_error_with_its_cause(
    copied: Callable[..., Path],
) -> None:
    opened = Engine.open(copied())
    longer = replace(opened.manifest, max_tokens=90)  # than the graph's position table
    one = Engine.from_parts(EMBED, longer, RuntimeConfig(threads=2))
    with pytest.raises(InferenceError, match="onnxruntime failed") as caught:
        list(one.map(["the " * 60], read_rows))
    assert caught.value.__cause__ is not None


def test_a_bundle_for_another_task_is_refused() -> None:
    with pytest.raises(TaskError, match="is for 'embed', not for 'tag'") as caught:
        engine().require(Task.TAG)
    assert (caught.value.wanted, caught.value.found) == (Task.TAG, Task.EMBED)


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleFormatError, match="not a bundle"):
        Engine.open(tmp_path)


def test_texts_are_cut_at_the_bundles_limit() -> None:
    session = FakeSession()
    list(engine(session).map(["the " * 39], read_rows))
    assert session.batches[0].ids.shape == (1, read_manifest(EMBED).max_tokens)


def test_a_text_has_as_many_results_as_windows() -> None:
    texts = ["the", "the " * 60, "a"]
    found = list(engine().map(texts, read_rows, Truncation.WINDOW))
    assert [[row for row, _, _ in results] for results in found] == [[0], [1, 1, 1], [2]]


def test_a_texts_windows_come_in_reading_order() -> None:
    one, text = engine(), " ".join(WORDS * 3)
    (found,) = one.map([text], read_rows, Truncation.WINDOW)
    windows = one.tokenizer.encode([text], truncation=Truncation.WINDOW)
    assert [total for _, _, total in found] == [sum(window.ids) for window in windows]


CUT, ERROR, WINDOW = Truncation.CUT, Truncation.ERROR, Truncation.WINDOW


@pytest.mark.parametrize(
    ("asked", "configured", "chosen"),
    [
        (None, None, CUT),
        (None, WINDOW, WINDOW),
        (ERROR, None, ERROR),
        (ERROR, WINDOW, ERROR),
        ("error", WINDOW, ERROR),
        (None, "window", WINDOW),
    ],
)
def test_a_policy_is_the_calls_then_the_configurations_then_the_tasks(
    asked: Truncation | None, configured: Truncation | None, chosen: Truncation
) -> None:
    assert engine(truncation=configured).policy(asked, CUT) is chosen


@pytest.mark.parametrize("asked", ["", "slide", "CUT", 0, False])
def test_an_unknown_policy_is_told_the_known_ones(asked: object) -> None:
    with pytest.raises(InputError, match="it must be one of: cut, error, window"):
        engine(truncation=WINDOW).policy(asked, CUT)
