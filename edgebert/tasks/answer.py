"""Extractive question answering: the span of a context that answers a question.

Spans and scores follow transformers' question-answering pipeline: softmax of start and end over
the context, pairs in order and not too long, widened to whole words; equal texts add up.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from edgebert.batching import Batch
from edgebert.config import RuntimeConfig, Truncation
from edgebert.engine import Engine
from edgebert.errors import InputError
from edgebert.manifest import Task
from edgebert.results import Answer, Answers, Floats
from edgebert.scores import softmax
from edgebert.tokens import Tokens

SPANS_PER_ANSWER = 2  # candidates of which widening to words makes some equal; and ten more


class QuestionAnswerer:
    """Answers questions from a context. May be shared between threads."""

    def __init__(self, engine: Engine) -> None:
        """Take an opened engine.

        Raises:
            TaskError: its bundle is for another task.
        """
        engine.require(Task.ANSWER)
        self._engine = engine
        self.manifest = engine.manifest

    @classmethod
    def load(cls, path: Path | str, config: RuntimeConfig | None = None) -> "QuestionAnswerer":
        """Open a bundle's folder.

        Raises:
            BundleError: it cannot be used.
            TaskError: it is for another task.
        """
        return cls(Engine.open(path, config))

    def answer(
        self,
        pairs: Iterable[tuple[str, str]],
        *,
        top_k: int = 1,
        max_answer_tokens: int = 15,
        no_answer: bool = False,
        truncation: Truncation | str | None = None,
    ) -> list[Answers]:
        """Answer questions.

        Args:
            pairs: N pairs of a question and its context.
            top_k: how many answers to give a question.
            max_answer_tokens: longest span that may be an answer.
            no_answer: let an empty answer compete, for models trained so (SQuAD 2.0).
            truncation: of contexts over the limit: "window" (default): the best over overlapping
                windows; "cut" or "error". A question is never cut.

        Returns:
            N results in the order given; their answers best first.

        Raises:
            InputError: a row is not a pair, or its question leaves no room for the context.
        """
        return list(
            self.stream(
                pairs,
                top_k=top_k,
                max_answer_tokens=max_answer_tokens,
                no_answer=no_answer,
                truncation=truncation,
            )
        )

    def stream(
        self,
        pairs: Iterable[tuple[str, str]],
        *,
        top_k: int = 1,
        max_answer_tokens: int = 15,
        no_answer: bool = False,
        truncation: Truncation | str | None = None,
    ) -> Iterator[Answers]:
        """Answer questions one result at a time in bounded memory; see `answer`."""
        for name, value in (("top_k", top_k), ("max_answer_tokens", max_answer_tokens)):
            if value < 1:
                raise InputError(f"{name} is {value}; it must be 1 or more")
        read = partial(read_spans, count=SPANS_PER_ANSWER * top_k + 10, longest=max_answer_tokens)
        windows = self._engine.map(pairs, read, self._engine.policy(truncation, Truncation.WINDOW))
        return map(partial(rank_answers, top_k=top_k, no_answer=no_answer), windows)


@dataclass(frozen=True, slots=True)
class Spans:
    """The best spans of one window."""

    spans: list[Answer]
    null_score: float  # probability that [CLS] is the span: no answer here
    tokens: Tokens


def read_spans(
    outputs: tuple[Floats, ...], batch: Batch, *, count: int, longest: int
) -> list[Spans]:
    """Turn start and end logits (B, T) into the best spans of each row."""
    starts, ends = outputs
    return [
        best_spans(starts[place], ends[place], tokens, count, longest)
        for place, tokens in enumerate(batch.tokens)
    ]


def best_spans(start: Floats, end: Floats, tokens: Tokens, count: int, longest: int) -> Spans:
    """Find the context's most probable spans in one window.

    Args:
        start: (T,) logits.
        end: (T,) logits.
        tokens: the row.
        count: how many spans.
        longest: the most tokens a span may have.
    """
    if isinstance(tokens.text, str):
        raise InputError(f"row {tokens.row}: a single string; give pairs of question and context")
    context = [place for place, text in enumerate(tokens.sequence_ids) if text == 1]
    # [CLS] takes part in the softmax, as in transformers: it stands for "no answer"
    allowed = [0, *context]
    starts, ends = softmax(start[allowed]), softmax(end[allowed])
    spans = np.outer(starts[1:], ends[1:])
    spans = np.tril(np.triu(spans), longest - 1)  # in order, and not too long
    best = np.argsort(-spans, axis=None, kind="stable")[:count]
    found = [
        _answer(context[first], context[last], float(spans[first, last]), tokens)
        for first, last in zip(*np.unravel_index(best, spans.shape), strict=True)
        if first <= last < first + longest  # the others' scores are zeros of above
    ]
    return Spans(found, float(starts[0] * ends[0]), tokens)


def _answer(first: int, last: int, score: float, tokens: Tokens) -> Answer:
    """Widen a span of tokens to whole words of the context."""
    words, texts, offsets = tokens.word_ids, tokens.sequence_ids, tokens.offsets

    def of_word(place: int) -> list[int]:
        word = words[place]
        if word is None:
            return [place]
        return [i for i in range(len(words)) if words[i] == word and texts[i] == 1]

    begin = offsets[of_word(first)[0]][0]
    finish = offsets[of_word(last)[-1]][1]
    return Answer(tokens.text[1][begin:finish], score, begin, finish)


def rank_answers(windows: Sequence[Spans], *, top_k: int, no_answer: bool) -> Answers:
    """Merge the spans of a text's windows: spans of one text add up, best first."""
    merged: dict[str, Answer] = {}
    for window in windows:
        for span in window.spans:
            known = merged.get(span.answer.lower())
            score = span.score + (known.score if known else 0.0)
            merged[span.answer.lower()] = replace(known or span, score=score)
    answers = list(merged.values())
    if no_answer:
        answers.append(Answer("", min(window.null_score for window in windows), 0, 0))
    answers.sort(key=lambda answer: -answer.score)
    tokens = windows[0].tokens
    return Answers(tuple(answers[:top_k]), tokens.n_tokens, tokens.truncated)
