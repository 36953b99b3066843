"""Extractive question answering: the span of a context that answers a question.

Scores follow transformers' question-answering pipeline: softmax of start and end over the context,
and the best pair that is in order and not too long.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from edgebert.batching import Batch
from edgebert.config import RuntimeConfig
from edgebert.engine import Engine
from edgebert.errors import InputError
from edgebert.manifest import Task
from edgebert.results import Answer, Floats
from edgebert.scores import softmax
from edgebert.tokens import Tokens


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
        self, pairs: Iterable[tuple[str, str]], *, max_answer_tokens: int = 15
    ) -> list[Answer]:
        """Answer questions.

        Args:
            pairs: N pairs of a question and its context.
            max_answer_tokens: longest span that may be an answer.

        Returns:
            N answers in the order given. A context over the limit is cut, the question never;
            `truncated` says so.

        Raises:
            InputError: a row is not a pair, or its question leaves no room for the context.
        """
        return list(self.stream(pairs, max_answer_tokens=max_answer_tokens))

    def stream(
        self, pairs: Iterable[tuple[str, str]], *, max_answer_tokens: int = 15
    ) -> Iterator[Answer]:
        """Answer questions one result at a time in bounded memory; see `answer`."""
        if max_answer_tokens < 1:
            raise InputError(f"max_answer_tokens is {max_answer_tokens}; it must be 1 or more")
        return self._engine.map(pairs, partial(read_answers, longest=max_answer_tokens))


def read_answers(outputs: tuple[Floats, ...], batch: Batch, *, longest: int) -> list[Answer]:
    """Turn start and end logits (B, T) into one answer per row."""
    starts, ends = outputs
    return [
        best_span(starts[place], ends[place], tokens, batch.rows[place], longest)
        for place, tokens in enumerate(batch.tokens)
    ]


def best_span(start: Floats, end: Floats, tokens: Tokens, row: int, longest: int) -> Answer:
    """Find the context's span of the highest probability.

    Args:
        start: (T,) logits.
        end: (T,) logits.
        tokens: the row.
        row: the caller's number of it, for messages.
        longest: the most tokens a span may have.
    """
    if isinstance(tokens.text, str):
        raise InputError(f"row {row}: a single string; give pairs of question and context")
    context = [place for place, text in enumerate(tokens.sequence_ids) if text == 1]
    if not context:
        return Answer("", 0.0, 0, 0, tokens.n_tokens, tokens.truncated)
    starts, ends = softmax(start[context]), softmax(end[context])
    spans = np.triu(np.outer(starts, ends))  # an end before its start is no span
    spans = np.tril(spans, longest - 1)
    first, last = np.unravel_index(int(spans.argmax()), spans.shape)
    offsets = tokens.offsets
    begin, finish = offsets[context[first]][0], offsets[context[last]][1]
    return Answer(
        answer=tokens.text[1][begin:finish],
        score=float(spans[first, last]),
        start=begin,
        end=finish,
        n_tokens=tokens.n_tokens,
        truncated=tokens.truncated,
    )
