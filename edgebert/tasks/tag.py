"""Token classification: entities with their place in the caller's text.

Grouping follows transformers' token-classification pipeline in all of its strategies, so that
moving over changes no result. The word of an entity is cut from the caller's own text.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

import numpy as np

from edgebert.batching import Batch
from edgebert.config import RuntimeConfig, Truncation
from edgebert.engine import Engine
from edgebert.errors import InputError
from edgebert.manifest import Task
from edgebert.results import Entity, Floats, Tagging
from edgebert.scores import check_labels, softmax
from edgebert.tokens import Tokens

OUTSIDE = "O"  # the tag of tokens that belong to no entity


class Aggregation(StrEnum):
    """How tagged tokens become entities."""

    NONE = "none"  # each tagged token by itself
    SIMPLE = "simple"  # neighbours with one tag joined, B- opening a new entity
    FIRST = "first"  # as simple, over words that take the tag of their first token
    AVERAGE = "average"  # over words that take the tag of the best mean score
    MAX = "max"  # over words that take the tag of their surest token


class TokenClassifier:
    """Tags tokens. May be shared between threads."""

    def __init__(self, engine: Engine) -> None:
        """Take an opened engine.

        Raises:
            TaskError: its bundle is for another task.
        """
        engine.require(Task.TAG)
        self._engine = engine
        self.manifest = engine.manifest

    @classmethod
    def load(cls, path: Path | str, config: RuntimeConfig | None = None) -> "TokenClassifier":
        """Open a bundle's folder.

        Raises:
            BundleError: it cannot be used.
            TaskError: it is for another task.
        """
        return cls(Engine.open(path, config))

    def tag(
        self,
        texts: Iterable[str],
        *,
        aggregation: Aggregation | str = Aggregation.SIMPLE,
        truncation: Truncation | str | None = None,
    ) -> list[Tagging]:
        """Find the entities of texts.

        Args:
            texts: N strings.
            aggregation: how tokens become entities.
            truncation: of texts over the limit: "window" (default): overlapping windows, each
                token tagged in the one that shows more around it; "cut" or "error".

        Returns:
            N results in the order given; tokens tagged "O" are left out.

        Raises:
            InputError: a text cannot be taken, or the aggregation is unknown.
        """
        return list(self.stream(texts, aggregation=aggregation, truncation=truncation))

    def stream(
        self,
        texts: Iterable[str],
        *,
        aggregation: Aggregation | str = Aggregation.SIMPLE,
        truncation: Truncation | str | None = None,
    ) -> Iterator[Tagging]:
        """Tag texts one result at a time in bounded memory; see `tag`."""
        if aggregation not in set(Aggregation):
            known = ", ".join(Aggregation)
            raise InputError(f"aggregation is {aggregation!r}; it must be one of: {known}")
        tokenizer = self._engine.tokenizer
        read = partial(
            read_pieces,
            labels=len(self.manifest.labels),
            marked=tokenizer.joins_words(),
            unknown_id=tokenizer.unknown_id(),
        )
        windows = self._engine.map(texts, read, self._engine.policy(truncation, Truncation.WINDOW))
        find = partial(
            find_entities, labels=self.manifest.labels, aggregation=Aggregation(aggregation)
        )
        return map(find, windows)


@dataclass(frozen=True, slots=True)
class Piece:
    """One token of the text with its scores."""

    scores: Floats  # (L,) probabilities
    start: int  # in characters
    end: int
    continues: bool  # a later token of its word


Window = tuple[list[Piece], Tokens]


def read_pieces(
    outputs: tuple[Floats, ...],
    batch: Batch,
    *,
    labels: int,
    marked: bool,
    unknown_id: int | None,
) -> list[Window]:
    """Turn logits (B, T, L) into the scored tokens of each row, special tokens left out."""
    check_labels(outputs[0], labels)
    rows = []
    for scores, tokens in zip(softmax(outputs[0]), batch.tokens, strict=True):
        offsets, texts = tokens.offsets, tokens.sequence_ids
        continues = continuing(tokens, marked=marked, unknown_id=unknown_id)
        pieces = [
            Piece(scores[place].copy(), *offsets[place], continues[place])
            for place in range(len(tokens.ids))
            if texts[place] is not None
        ]
        rows.append((pieces, tokens))
    return rows


def continuing(tokens: Tokens, *, marked: bool, unknown_id: int | None) -> list[bool]:
    """Tell which tokens continue a word, by transformers' rules; an unknown one never does.

    Args:
        tokens: the row.
        marked: whether the vocabulary marks such pieces, as WordPiece does with "##".
        unknown_id: of the vocabulary.
    """
    text, pieces = str(tokens.text), tokens.pieces
    return [
        token != unknown_id
        and (
            len(pieces[place]) != end - start
            if marked
            else start > 0 and " " not in text[start - 1 : start + 1]
        )
        for place, (token, (start, end)) in enumerate(zip(tokens.ids, tokens.offsets, strict=True))
    ]


def join_windows(windows: Sequence[list[Piece]]) -> list[Piece]:
    """Join overlapping windows of a text: half of each overlap from either side."""
    joined = list(windows[0])
    for window in windows[1:]:
        if not window:
            continue
        shared = count_shared(joined, window)
        joined[len(joined) - shared // 2 :] = window[shared - shared // 2 :]
    return joined


def count_shared(joined: Sequence[Piece], window: Sequence[Piece]) -> int:
    """Count the tokens that end one window and begin the next: equal places, most of them."""
    longest = 0
    while longest < min(len(joined), len(window)) and joined[-longest - 1].start >= window[0].start:
        longest += 1
    # tokens of one character share its place, and a window may begin amid them: hence the search
    head, tail = _places(window[:longest]), _places(joined[len(joined) - longest :])
    return next(
        count for count in range(longest, -1, -1) if tail[longest - count :] == head[:count]
    )


def _places(pieces: Sequence[Piece]) -> list[tuple[int, int]]:
    return [(piece.start, piece.end) for piece in pieces]


def find_entities(
    windows: Sequence[Window], *, labels: tuple[str, ...], aggregation: Aggregation
) -> Tagging:
    """Turn the scored tokens of a text into entities."""
    tokens = windows[0][1]
    pieces = join_windows([pieces for pieces, _ in windows])
    words = [[piece] for piece in pieces]
    if aggregation not in (Aggregation.NONE, Aggregation.SIMPLE):
        words = join_words(pieces)
    tagged = [tag_word(word, labels, aggregation) for word in words]
    groups = [[word] for word in tagged]
    if aggregation is not Aggregation.NONE:
        groups = join_tags(tagged)
    grouped = aggregation is not Aggregation.NONE
    entities = [_entity(group, str(tokens.text), grouped=grouped) for group in groups]
    kept = tuple(entity for entity in entities if entity.entity != OUTSIDE)
    return Tagging(kept, tokens.n_tokens, tokens.truncated)


def join_words(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Group tokens into words."""
    words: list[list[Piece]] = []
    for piece in pieces:
        if piece.continues and words:
            words[-1].append(piece)
        else:
            words.append([piece])
    return words


@dataclass(frozen=True, slots=True)
class Tagged:
    """A token or word with its tag."""

    tag: str
    score: float
    start: int
    end: int


def tag_word(word: Sequence[Piece], labels: tuple[str, ...], aggregation: Aggregation) -> Tagged:
    """Give a word its tag; a single token is a word of one."""
    match aggregation:
        case Aggregation.AVERAGE:
            scores = np.mean([piece.scores for piece in word], axis=0)
        case Aggregation.MAX:
            scores = max((piece.scores for piece in word), key=lambda scores: float(scores.max()))
        case _:
            scores = word[0].scores
    best = int(scores.argmax())
    return Tagged(labels[best], float(scores[best]), word[0].start, word[-1].end)


def join_tags(tagged: Sequence[Tagged]) -> list[list[Tagged]]:
    """Join neighbours of one tag; a B- tag opens a new group."""
    groups: list[list[Tagged]] = []
    for word in tagged:
        prefix, name = split_tag(word.tag)
        if groups and prefix != "B" and split_tag(groups[-1][-1].tag)[1] == name:
            groups[-1].append(word)
        else:
            groups.append([word])
    return groups


def split_tag(tag: str) -> tuple[str, str]:
    """Split "B-PER" into "B" and "PER"; a tag without such a prefix continues, as "I" does."""
    if tag.startswith(("B-", "I-")):
        return tag[0], tag[2:]
    return "I", tag


def _entity(group: Sequence[Tagged], text: str, *, grouped: bool) -> Entity:
    first, last = group[0], group[-1]
    return Entity(
        entity=split_tag(first.tag)[1] if grouped else first.tag,
        score=float(np.mean([word.score for word in group])),
        word=text[first.start : last.end],
        start=first.start,
        end=last.end,
    )
