"""Token classification: entities with their place in the caller's text.

Grouping follows transformers' token-classification pipeline (`none`, `simple`), so that moving
over changes no result. The word of an entity is cut from the caller's own text.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

import numpy as np

from edgebert.batching import Batch
from edgebert.config import RuntimeConfig
from edgebert.engine import Engine
from edgebert.errors import InputError
from edgebert.manifest import Task
from edgebert.results import Entity, Floats, Tagging
from edgebert.scores import softmax
from edgebert.tokens import Tokens

OUTSIDE = "O"  # the tag of tokens that belong to no entity


class Aggregation(StrEnum):
    """How tagged tokens become entities."""

    NONE = "none"  # each tagged token by itself
    SIMPLE = "simple"  # neighbours with one tag joined, B- opening a new entity


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
        self, texts: Iterable[str], *, aggregation: Aggregation | str = Aggregation.SIMPLE
    ) -> list[Tagging]:
        """Find the entities of texts.

        Args:
            texts: N strings.
            aggregation: how tokens become entities.

        Returns:
            N results in the order given; tokens tagged "O" are left out.

        Raises:
            InputError: a text cannot be taken, or the aggregation is unknown.
        """
        return list(self.stream(texts, aggregation=aggregation))

    def stream(
        self, texts: Iterable[str], *, aggregation: Aggregation | str = Aggregation.SIMPLE
    ) -> Iterator[Tagging]:
        """Tag texts one result at a time in bounded memory; see `tag`."""
        if aggregation not in set(Aggregation):
            known = ", ".join(Aggregation)
            raise InputError(f"aggregation is {aggregation!r}; it must be one of: {known}")
        readout = partial(
            read_tags, labels=self.manifest.labels, joined=aggregation == Aggregation.SIMPLE
        )
        return self._engine.map(texts, readout)


def read_tags(
    outputs: tuple[Floats, ...], batch: Batch, *, labels: tuple[str, ...], joined: bool
) -> list[Tagging]:
    """Turn logits (B, T, L) into one result per row."""
    results = []
    for logits, tokens in zip(softmax(outputs[0]), batch.tokens, strict=True):
        tagged = [token for token in tag_tokens(logits, tokens, labels) if token.tag != OUTSIDE]
        groups = join_tokens(tagged) if joined else [[token] for token in tagged]
        entities = tuple(_entity(group, tokens, strip=joined) for group in groups)
        results.append(Tagging(entities, tokens.n_tokens, tokens.truncated))
    return results


@dataclass(frozen=True, slots=True)
class TaggedToken:
    """A token with its best tag."""

    place: int  # in the row
    tag: str
    score: float
    start: int  # in characters
    end: int


def tag_tokens(scores: Floats, tokens: Tokens, labels: tuple[str, ...]) -> list[TaggedToken]:
    """Give every token of the text, special tokens left out, its best tag."""
    best = scores.argmax(axis=-1)
    places = [place for place, text in enumerate(tokens.sequence_ids) if text is not None]
    offsets = tokens.offsets
    return [
        TaggedToken(place, labels[best[place]], float(scores[place, best[place]]), *offsets[place])
        for place in places
    ]


def join_tokens(tagged: list[TaggedToken]) -> list[list[TaggedToken]]:
    """Join neighbours of one tag; a B- tag opens a new group, as in transformers' `simple`."""
    groups: list[list[TaggedToken]] = []
    for token in tagged:
        prefix, name = split_tag(token.tag)
        if groups and prefix != "B":
            last = groups[-1][-1]
            if last.place + 1 == token.place and split_tag(last.tag)[1] == name:
                groups[-1].append(token)
                continue
        groups.append([token])
    return groups


def split_tag(tag: str) -> tuple[str, str]:
    """Split "B-PER" into "B" and "PER"; a tag without such a prefix continues, as "I" does."""
    if tag.startswith(("B-", "I-")):
        return tag[0], tag[2:]
    return "I", tag


def _entity(group: list[TaggedToken], tokens: Tokens, *, strip: bool) -> Entity:
    first, last = group[0], group[-1]
    return Entity(
        entity=split_tag(first.tag)[1] if strip else first.tag,
        score=float(np.mean([token.score for token in group])),
        word=str(tokens.text)[first.start : last.end],
        start=first.start,
        end=last.end,
    )
