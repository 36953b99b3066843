"""What the tasks give back: frozen values, field names as transformers' pipelines have them.

Every result says `n_tokens`, the tokens of the whole text with special tokens and before any
cut, and `truncated`, whether the model saw less than that.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Embedding:
    """One text as a vector."""

    vector: Floats  # (D,) float32
    n_tokens: int
    truncated: bool


@dataclass(frozen=True, slots=True)
class Label:
    """A class and how strongly the model holds it."""

    label: str
    score: float  # probability for softmax and sigmoid bundles, the raw value for regression


@dataclass(frozen=True, slots=True)
class Classification:
    """The classes of one text, best first."""

    labels: tuple[Label, ...]
    n_tokens: int
    truncated: bool

    @property
    def label(self) -> str:
        """The best class; empty where a threshold left none."""
        return self.labels[0].label if self.labels else ""

    @property
    def score(self) -> float:
        """The best class's score; 0 where a threshold left none."""
        return self.labels[0].score if self.labels else 0.0


@dataclass(frozen=True, slots=True)
class Routed:
    """The classes of one text, best first, and how far it went for them."""

    labels: tuple[Label, ...]
    n_tokens: int
    truncated: bool
    stage: str  # "static", "exit 2", the name of a smaller bundle, or "full"
    p_in_scope: float | None  # small: unlike the texts of all classes; None: not known here

    @property
    def label(self) -> str:
        """The best class."""
        return self.labels[0].label

    @property
    def score(self) -> float:
        """The best class's score."""
        return self.labels[0].score


@dataclass(frozen=True, slots=True)
class Entity:
    """One tagged token or group of tokens."""

    entity: str  # the tag; without its B-/I- prefix when grouped
    score: float  # probability, the mean over the tokens of a group
    word: str  # the characters text[start:end]
    start: int  # in characters of the caller's text
    end: int


@dataclass(frozen=True, slots=True)
class Tagging:
    """The entities of one text, in reading order."""

    entities: tuple[Entity, ...]
    n_tokens: int
    truncated: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """A span of the context that answers the question."""

    answer: str  # the characters context[start:end]; empty for "no answer"
    score: float  # probability of the span: start times end
    start: int  # in characters of the caller's context
    end: int


@dataclass(frozen=True, slots=True)
class Answers:
    """The candidate answers to one question, best first."""

    answers: tuple[Answer, ...]
    n_tokens: int
    truncated: bool

    @property
    def answer(self) -> str:
        """The best answer's text."""
        return self.answers[0].answer if self.answers else ""

    @property
    def score(self) -> float:
        """The best answer's score."""
        return self.answers[0].score if self.answers else 0.0


@dataclass(frozen=True, slots=True)
class Fill:
    """One candidate for a masked token."""

    token: int  # vocabulary id
    token_str: str
    score: float  # probability over the whole vocabulary
    text: str = field(repr=False)  # the caller's own, shared by all candidates
    start: int  # of the mask, in characters of the text
    end: int

    @property
    def sequence(self) -> str:
        """The caller's text with this in the mask's place; made when asked for.

        A long text with many masks would else be kept as often as it has candidates.
        """
        spaced = self.text[: self.start].endswith(" ")
        shown = self.token_str.removeprefix(" ") if spaced else self.token_str
        return self.text[: self.start] + shown + self.text[self.end :]


@dataclass(frozen=True, slots=True)
class Filling:
    """The candidates for every mask of one text: masks in reading order, best candidate first."""

    masks: tuple[tuple[Fill, ...], ...]
    n_tokens: int
    truncated: bool


@dataclass(frozen=True, slots=True)
class Ranked:
    """A document and how well it answers the query."""

    index: int  # its place among the documents given
    score: float
    text: str
