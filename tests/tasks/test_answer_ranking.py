"""Several answers, no answer and windows: how candidates are widened, merged and ranked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebert.batching import Batch
from edgebert.config import RuntimeConfig
from edgebert.errors import InputError
from edgebert.results import Answer, Answers
from edgebert.tasks.answer import QuestionAnswerer, Spans, best_spans, rank_answers
from edgebert.tokens import Tokens
from tests.fakes import FakeSession, Outputs, make_engine, make_tokenizer
from tests.make_tiny import DATA

ANSWER = DATA / "tiny-answer"
TOKENIZER = make_tokenizer(ANSWER, cut_second_only=True)
QUESTION = "the cat"
LOGITS = st.lists(st.floats(-9, 9, width=32), min_size=9, max_size=9)


def row(context: str = "anna lives in paris") -> Tokens:
    return TOKENIZER.encode([(QUESTION, context)])[0]


def window(null_score: float, *answers: Answer) -> Spans:
    return Spans(list(answers), null_score, row())


def ranked(*windows: Spans, top_k: int = 9, no_answer: bool = False) -> list[tuple[str, float]]:
    found = rank_answers(windows, top_k=top_k, no_answer=no_answer)
    return [(answer.answer, round(answer.score, 6)) for answer in found.answers]


SEOUL, PARIS = Answer("seoul", 0.25, 5, 10), Answer("paris", 0.375, 20, 25)


def test_answers_are_ranked_by_score() -> None:
    assert ranked(window(0, SEOUL, PARIS)) == [("paris", 0.375), ("seoul", 0.25)]


def test_answers_of_all_windows_are_ranked_together() -> None:
    assert ranked(window(0, SEOUL), window(0, PARIS)) == [("paris", 0.375), ("seoul", 0.25)]


def test_equal_texts_add_up() -> None:
    again = Answer("seoul", 0.25, 5, 10)
    found = ranked(window(0, SEOUL, PARIS), window(0, again))
    assert found == [("seoul", 0.5), ("paris", 0.375)]


def test_equal_texts_add_up_whatever_their_case_and_the_first_is_kept() -> None:
    (found,) = rank_answers(
        [window(0, SEOUL, Answer("Seoul", 0.5, 30, 35))], top_k=9, no_answer=False
    ).answers
    assert found == Answer("seoul", 0.75, 5, 10)


@pytest.mark.parametrize(("top_k", "count"), [(1, 1), (2, 2), (9, 2)])
def test_as_many_answers_are_given_as_asked_for_and_found(top_k: int, count: int) -> None:
    assert len(ranked(window(0, SEOUL, PARIS), top_k=top_k)) == count


def test_no_answer_is_left_out_unasked() -> None:
    assert ranked(window(0.9, SEOUL)) == [("seoul", 0.25)]


@pytest.mark.parametrize(("null", "first"), [(0.5, ""), (0.1, "seoul")])
def test_no_answer_competes_where_asked_for(null: float, first: str) -> None:
    assert ranked(window(null, SEOUL), no_answer=True, top_k=1)[0][0] == first


def test_no_answer_is_as_likely_as_in_the_window_that_denies_it_most() -> None:
    found = ranked(window(0.9), window(0.3), window(0.8), no_answer=True)
    assert found == [("", 0.3)]


def test_no_answer_stands_at_the_contexts_beginning() -> None:
    (found,) = rank_answers([window(0.5)], top_k=1, no_answer=True).answers
    assert found == Answer("", 0.5, 0, 0)


def test_the_score_of_no_answer_is_that_of_cls() -> None:
    start, end = np.zeros((2, 9), np.float32)
    start[0], end[0] = np.log(4), np.log(12)
    assert best_spans(start, end, row(), 9, 15).null_score == pytest.approx(4 / 8 * 12 / 16)


@given(LOGITS, LOGITS, st.integers(1, 6))
def test_no_span_is_longer_than_asked_for(
    start: list[float], end: list[float], longest: int
) -> None:
    spans = best_spans(np.float32(start), np.float32(end), row(), 99, longest).spans
    lengths = sorted(len(span.answer.split()) for span in spans)
    assert lengths == [n for n in (1, 1, 1, 1, 2, 2, 2, 3, 3, 4) if n <= longest]


def test_a_span_is_widened_to_whole_words() -> None:
    tokens = row("anna xyz paris")  # [CLS] the cat [SEP] anna x ##y ##z paris [SEP]
    start, end = np.full((2, len(tokens.ids)), -50, np.float32)
    start[6] = end[6] = 9
    (span,) = best_spans(start, end, tokens, 1, 15).spans
    assert (span.answer, span.start, span.end) == ("xyz", 5, 8)


def test_a_word_of_the_question_does_not_widen_a_span() -> None:
    tokens = TOKENIZER.encode([("xyz", "xyz anna")])[0]  # words are numbered anew in each text
    start, end = np.full((2, len(tokens.ids)), -50, np.float32)
    start[6] = end[6] = 9
    (span,) = best_spans(start, end, tokens, 1, 15).spans
    assert (span.answer, span.start, span.end) == ("xyz", 0, 3)


def test_spans_of_one_word_add_up() -> None:
    tokens = row("xyz")  # x ##y ##z: six spans, all of them widened to the word
    logits = np.full(len(tokens.ids), -50, np.float32)
    logits[4:7] = 0
    found = rank_answers([best_spans(logits, logits, tokens, 12, 15)], top_k=9, no_answer=False)
    assert [answer.answer for answer in found.answers] == ["xyz"]
    assert found.score == pytest.approx(6 / 9)


PARIS_ID = TOKENIZER.token_id("paris")


def find_paris(batch: Batch) -> Outputs:
    """Point at the word paris where the window shows it, else at [CLS]."""
    logits = np.where(batch.ids == PARIS_ID, 9, 0).astype(np.float32)
    logits[:, 0] = np.where((batch.ids == PARIS_ID).any(axis=1), 0, 9)
    return logits, logits


def answerer(**config: object) -> QuestionAnswerer:
    engine = make_engine(ANSWER, FakeSession(find_paris), config=RuntimeConfig(threads=1, **config))
    engine.tokenizer = TOKENIZER
    return QuestionAnswerer(engine)


@pytest.mark.parametrize("place", range(0, 100, 3))
def test_an_answer_anywhere_in_a_long_context_is_found_at_its_own_place(place: int) -> None:
    context = "the " * place + "paris" + " the" * (100 - place)
    (found,) = answerer().answer([(QUESTION, context)])
    best = found.answers[0]
    assert (best.answer, best.start, best.end) == ("paris", 4 * place, 4 * place + 5)


def test_a_windowed_result_is_not_truncated_and_tells_all_its_tokens() -> None:
    (found,) = answerer().answer([(QUESTION, "the " * 100)])
    assert (found.n_tokens, found.truncated) == (105, False)


def test_windows_are_what_is_done_unasked() -> None:
    pair = (QUESTION, "the " * 60 + "paris")
    assert answerer().answer([pair])[0].answer == "paris"
    assert "paris" not in answerer().answer([pair], truncation="cut")[0].answer


def test_the_configuration_may_say_otherwise_and_the_call_has_the_last_word() -> None:
    pair, strict = (QUESTION, "the " * 60 + "paris"), answerer(truncation="error")
    with pytest.raises(InputError, match="row 0: 66 tokens, the model takes 40"):
        strict.answer([pair])
    assert strict.answer([pair], truncation="window")[0].answer == "paris"


def test_no_answer_wins_only_where_no_window_has_one() -> None:
    pairs = [(QUESTION, "the " * 60), (QUESTION, "the " * 60 + "paris")]
    without, having = answerer().answer(pairs, no_answer=True)
    assert (without.answer, having.answer) == ("", "paris")


def test_several_answers_come_best_first() -> None:
    (found,) = answerer().answer([(QUESTION, "the paris cat")], top_k=3)
    scores = [answer.score for answer in found.answers]
    assert found.answer == "paris"
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("top_k", [0, -1])
def test_fewer_than_one_answer_is_refused_before_the_first_pair(top_k: int) -> None:
    with pytest.raises(InputError, match=f"top_k is {top_k}; it must be 1 or more"):
        answerer().stream([(QUESTION, "the")], top_k=top_k)


def test_an_empty_context_may_have_no_answer() -> None:
    (found,) = answerer().answer([(QUESTION, "")], no_answer=True)
    assert isinstance(found, Answers)
    assert [answer.answer for answer in found.answers] == [""]
