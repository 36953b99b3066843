"""Question answering: the best span in order, cut from the caller's own context."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert.batching import Batch
from edgebert.errors import InputError
from edgebert.results import Answer, Answers
from edgebert.tasks.answer import QuestionAnswerer, best_spans, rank_answers, read_spans
from edgebert.tokens import Text, Tokens
from tests.fakes import make_tokenizer
from tests.make_tiny import DATA

TOKENIZER = make_tokenizer(DATA / "tiny-answer", cut_second_only=True)
QUESTION, CONTEXT = "the cat", "anna lives in paris"
FIRST = 4  # [CLS] the cat [SEP] come before the context
LOGITS = st.lists(st.floats(-9, 9, width=32), min_size=9, max_size=9)


def row(text: Text = (QUESTION, CONTEXT)) -> Tokens:
    return TOKENIZER.encode([text])[0]


def best(start: np.ndarray, end: np.ndarray, tokens: Tokens, longest: int = 15) -> Answer:
    """Give the best answer of one window."""
    spans = best_spans(np.float32(start), np.float32(end), tokens, 1, longest)
    (answer,) = rank_answers([spans], top_k=1, no_answer=False).answers
    return answer


def span(starts: dict[int, float], ends: dict[int, float], longest: int = 15) -> Answer:
    """Answer from logits at places of the context; all others are far below."""
    tokens = row()
    start, end = np.full((2, len(tokens.ids)), -50, np.float32)
    for logits, values in ((start, starts), (end, ends)):
        for place, value in values.items():
            logits[FIRST + place] = value
    return best(start, end, tokens, longest)


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [(0, 0, "anna"), (0, 3, CONTEXT), (1, 2, "lives in"), (3, 3, "paris")],
)
def test_the_best_start_and_end_make_the_answer(first: int, last: int, text: str) -> None:
    answer = span({first: 9}, {last: 9})
    assert answer.answer == text == CONTEXT[answer.start : answer.end]


def test_an_end_before_its_start_is_no_answer() -> None:
    # best start 2, best end 0: not in order; the next best pair is 2 to 3
    assert span({2: 9, 0: 1}, {0: 9, 3: 7}).answer == "in paris"


@pytest.mark.parametrize(("longest", "text"), [(4, CONTEXT), (3, "in paris"), (1, "paris")])
def test_an_answer_has_at_most_as_many_tokens_as_asked_for(longest: int, text: str) -> None:
    # best: 0 to 3, four tokens; next 2 to 3, two tokens; last 3 to 3
    assert span({0: 9, 2: 5, 3: 3}, {3: 9}, longest).answer == text


def test_the_score_is_start_times_end_over_the_context_and_cls() -> None:
    tokens = row()
    start, end = np.zeros((2, len(tokens.ids)), np.float32)
    start[FIRST], end[FIRST + 1] = np.log(3), np.log(7)
    start[0], end[0] = np.log(2), np.log(4)
    start[1:FIRST] = end[1:FIRST] = start[-1] = end[-1] = 40  # question and [SEP] have no part
    assert best(start, end, tokens).score == pytest.approx(3 / (2 + 3 + 3) * 7 / (4 + 3 + 7))


def test_the_question_and_the_special_tokens_are_no_answer() -> None:
    tokens = row()
    start, end = np.full((2, len(tokens.ids)), 30, np.float32)
    start[FIRST + 1], end[FIRST + 1] = 31, 31
    start[:FIRST] = end[:FIRST] = start[-1] = end[-1] = 60
    assert best(start, end, tokens).answer == "lives"


@given(LOGITS, LOGITS, st.integers(1, 6))
def test_no_allowed_span_is_better(start: list[float], end: list[float], longest: int) -> None:
    tokens = row()
    answer = best(start, end, tokens, longest)
    places = [0, *range(FIRST, FIRST + 4)]
    powers = [np.exp(np.float64(values)[places]) for values in (start, end)]
    starts, ends = (power[1:] / power.sum() for power in powers)
    allowed = [starts[i] * ends[j] for i in range(4) for j in range(i, 4) if j - i < longest]
    assert answer.score == pytest.approx(max(allowed), rel=1e-4)


@given(LOGITS, LOGITS)
def test_an_answer_is_cut_from_the_callers_own_context(
    start: list[float], end: list[float]
) -> None:
    context = "Ánna 서울 😀 paris"
    tokens = row((QUESTION, context))
    answer = best(start, end, tokens)
    words = context.split()
    assert answer.answer in [" ".join(words[i : j + 1]) for i in range(4) for j in range(i, 4)]
    assert answer.answer == context[answer.start : answer.end]


@pytest.mark.parametrize("context", ["", " \n "])
def test_an_empty_context_has_no_answers(context: str) -> None:
    tokens = row((QUESTION, context))
    logits = np.zeros(len(tokens.ids), np.float32)
    spans = best_spans(logits, logits, tokens, 12, 15)
    assert rank_answers([spans], top_k=1, no_answer=False) == Answers((), 5, False)


def test_without_answers_the_best_is_empty() -> None:
    nothing = Answers((), 5, False)
    assert (nothing.answer, nothing.score) == ("", 0.0)


def test_each_row_has_its_own_answer() -> None:
    rows = [row(), row((QUESTION, "peter sleeps in seoul"))]
    start, end = np.zeros((2, 2, 9), np.float32)
    start[0, FIRST] = end[0, FIRST] = start[1, FIRST + 3] = end[1, FIRST + 3] = 9
    found = read_spans((start, end), Batch(tuple(rows)), count=1, longest=15)
    assert [spans.spans[0].answer for spans in found] == ["anna", "seoul"]


def test_pairs_are_answered_in_the_order_given(answerer: QuestionAnswerer) -> None:
    pairs = [(QUESTION, CONTEXT), ("the", "a dog"), (QUESTION, ""), (QUESTION, CONTEXT)]
    answers = answerer.answer(pairs)
    assert [answer.n_tokens for answer in answers] == [9, 6, 5, 9]
    assert answers[0].answer == answers[3].answer
    for (_, context), answer in zip(pairs, answers, strict=True):
        for each in answer.answers:
            assert each.answer == context[each.start : each.end]


def test_a_long_context_is_cut_and_the_question_never(answerer: QuestionAnswerer) -> None:
    pair = ("the " * 30, "anna " * 60)
    (answer,) = answerer.answer([pair], max_answer_tokens=60, truncation="cut", top_k=9)
    assert (answer.n_tokens, answer.truncated) == (93, True)
    assert (
        max(each.end for each in answer.answers) <= 7 * 5
    )  # what 30 tokens of a question and 3 special tokens leave


def test_a_question_at_the_limit_is_answered(answerer: QuestionAnswerer) -> None:
    (answer,) = answerer.answer([("the " * 36, "anna peter")], truncation="cut")
    assert (answer.answer, answer.truncated) == ("anna", True)


def test_a_question_that_leaves_no_room_is_refused_by_its_row(answerer: QuestionAnswerer) -> None:
    pairs = [(QUESTION, CONTEXT), ("the " * 37, CONTEXT)]
    with pytest.raises(InputError, match="row 1: the first text alone has 37 tokens"):
        answerer.answer(pairs)


def test_a_single_text_is_refused_by_its_row(answerer: QuestionAnswerer) -> None:
    with pytest.raises(InputError, match="row 1: a single string; give pairs of question"):
        answerer.answer([(QUESTION, CONTEXT), "the cat"])


@pytest.mark.parametrize("longest", [0, -1])
def test_answers_of_no_tokens_are_refused_before_the_first_pair(
    answerer: QuestionAnswerer, longest: int
) -> None:
    with pytest.raises(InputError, match=f"max_answer_tokens is {longest}"):
        answerer.stream([(QUESTION, CONTEXT)], max_answer_tokens=longest)
