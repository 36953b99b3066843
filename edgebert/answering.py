"""Examples through a bundle: what it answers to each, in one form for all goals.

Runs the task objects that users run and nothing else. Knows no score.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgebert.bundle import Bundle
from edgebert.config import RuntimeConfig
from edgebert.errors import InputError, TaskError
from edgebert.labelled import MASK, Example, Goal
from edgebert.learn.learner import Learner
from edgebert.manifest import Manifest, Task
from edgebert.results import Entity, Floats
from edgebert.tasks.answer import QuestionAnswerer
from edgebert.tasks.classify import Classifier
from edgebert.tasks.embed import Embedder
from edgebert.tasks.fill import MaskFiller
from edgebert.tasks.tag import Aggregation, TokenClassifier

CANDIDATES = 5  # of each mask
PLACE = re.compile(r"row (\d+): ")  # in an error of a task
MOST_SCORES = 2**28  # of queries times texts: 1 GB


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How a bundle is asked."""

    goal: Goal
    prompt: str | None = None  # prefix of texts, and of queries
    document_prompt: str | None = None  # prefix of the texts that queries look for
    fit: tuple[Example, ...] = ()  # labelled texts that an embedding bundle's head is fitted on
    tier: str = "tiny"  # of that head's learner
    no_answer: bool = False  # an empty answer may win
    threads: int | None = None

    @property
    def config(self) -> RuntimeConfig:
        """How the bundle runs."""
        return RuntimeConfig(threads=self.threads)


@dataclass(frozen=True, slots=True)
class Found:
    """What came out for one example, or one query."""

    value: Any  # label, tags, answer, candidates of each mask, similarity, or (C,) of a query
    confidence: float
    truncated: bool  # the model did not see all: of a query, also of a text that it looks for


Answerer = Callable[[Sequence[Example]], list[Found]]


@dataclass(frozen=True, slots=True)
class Model:
    """An opened bundle that answers examples of one goal."""

    manifest: Manifest
    answer: Answerer


def open_model(path: Path, setting: Setting) -> Model:
    """Open a bundle for a goal.

    Raises:
        BundleError: it cannot be used.
        TaskError: it is for something else.
        InputError: an embedding bundle shall classify and nothing was given to fit a head on.
    """
    manifest, goal = Bundle.open(path).manifest, setting.goal
    if manifest.task not in ABLE[goal]:
        raise TaskError(
            goal,
            manifest.task,
            f"bundle {manifest.name!r} is for {manifest.task.value!r}; {goal.value!r} needs one "
            f"for {' or '.join(task.value for task in ABLE[goal])}",
        )
    answer = ABLE[goal][manifest.task](path, setting)
    return Model(manifest, answer if goal is Goal.RETRIEVE else _naming_rows(answer))


def _naming_rows(answer: Answerer) -> Answerer:
    """Let errors name a row as the file counts it, not its place among those that were run."""

    def named(examples: Sequence[Example]) -> list[Found]:
        try:
            return answer(examples)
        except InputError as error:
            place = PLACE.match(str(error))
            if place is None:
                raise
            rest = str(error)[place.end() :]
            raise InputError(f"row {examples[int(place[1])].row}: {rest}") from error

    return named


def _fitted(path: Path, setting: Setting) -> Answerer:
    """Fit a closed-form head on an embedding bundle (docs/learning.md) and classify by it."""
    if not setting.fit:
        raise InputError(
            f"{path} is an embedding bundle; to classify, give labelled texts to fit a head on "
            "(--fit FILE)"
        )
    learner = Learner.create(path, tier=setting.tier, prompt=setting.prompt)
    if any(example.pair is not None for example in setting.fit):
        raise InputError("a head is fitted on single texts; leave the column 'text_pair' out")
    texts = [example.text for example in setting.fit]
    learner.learn(texts, [example.label for example in setting.fit], new_classes=True)

    def answer(examples: Sequence[Example]) -> list[Found]:
        rows = learner.predict(example.text for example in examples)
        return [Found(row.label, row.score, row.truncated) for row in rows]

    return answer


def _classified(path: Path, setting: Setting) -> Answerer:
    task = Classifier.load(path, setting.config)

    def answer(examples: Sequence[Example]) -> list[Found]:
        rows = task.stream(_inputs(examples))
        return [Found(row.label, row.score, row.truncated) for row in rows]

    return answer


def _inputs(examples: Iterable[Example]) -> Iterable[str | tuple[str, str]]:
    return (one.text if one.pair is None else (one.text, one.pair) for one in examples)


def _tagged(path: Path, setting: Setting) -> Answerer:
    task = TokenClassifier.load(path, setting.config)

    def answer(examples: Sequence[Example]) -> list[Found]:
        rows = task.stream((one.text for one in examples), aggregation=Aggregation.FIRST)
        return [
            Found(tags_of(example.text, row.entities), 0.0, row.truncated)
            for example, row in zip(examples, rows, strict=True)
        ]

    return answer


def tags_of(text: str, entities: Sequence[Entity]) -> tuple[str, ...]:
    """Give each word of a text, apart by single blanks, the tag of the entity it begins in."""
    tags, place, before = [], 0, -1
    for word in text.split(" "):
        end = place + len(word)
        number = next(
            (at for at, entity in enumerate(entities) if entity.start < end and entity.end > place),
            -1,
        )
        prefix = "I-" if number == before else "B-"
        tags.append("O" if number < 0 else prefix + entities[number].entity)
        place, before = end + 1, number
    return tuple(tags)


def _answered(path: Path, setting: Setting) -> Answerer:
    task = QuestionAnswerer.load(path, setting.config)

    def answer(examples: Sequence[Example]) -> list[Found]:
        pairs = ((one.text, one.pair or "") for one in examples)
        rows = task.stream(pairs, no_answer=setting.no_answer)
        return [Found(row.answer, row.score, row.truncated) for row in rows]

    return answer


def _filled(path: Path, setting: Setting) -> Answerer:
    task = MaskFiller.load(path, setting.config)

    def answer(examples: Sequence[Example]) -> list[Found]:
        texts = (one.text.replace(MASK, task.mask_token) for one in examples)
        return [
            Found(
                tuple(tuple(fill.token_str.strip() for fill in fills) for fills in row.masks),
                0.0,
                row.truncated,
            )
            for row in task.stream(texts, top_k=CANDIDATES)
        ]

    return answer


def _similar(path: Path, setting: Setting) -> Answerer:
    """Score pairs by the cosine of their vectors."""
    embed = _unit(Embedder.load(path, setting.config))

    def answer(examples: Sequence[Example]) -> list[Found]:
        one, cut = embed([each.text for each in examples], setting.prompt)
        other, other_cut = embed(
            [each.pair or "" for each in examples], setting.document_prompt or setting.prompt
        )
        return [
            Found(float(cosine), float(cosine), first or second)
            for cosine, first, second in zip((one * other).sum(axis=1), cut, other_cut, strict=True)
        ]

    return answer


def _crossed(path: Path, setting: Setting) -> Answerer:
    """Score pairs by a cross-encoder, a classifier with one output."""
    labels = Bundle.open(path).manifest.labels
    if len(labels) != 1:
        raise TaskError(
            setting.goal,
            Task.CLASSIFY,
            f"{path} has {len(labels)} labels; to score pairs it needs one output",
        )
    classify = _classified(path, setting)
    return lambda examples: [
        Found(found.confidence, found.confidence, found.truncated) for found in classify(examples)
    ]


def _unit(task: Embedder) -> Callable[[Sequence[str], str | None], tuple[Floats, list[bool]]]:
    """Give a function that embeds texts to unit length and says which were cut."""

    def embed(texts: Sequence[str], prompt: str | None) -> tuple[Floats, list[bool]]:
        rows = list(task.stream(texts, prompt=prompt))
        vectors = np.array([row.vector for row in rows], np.float32).reshape(
            len(rows), task.dimensions
        )
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.maximum(lengths, 1e-12), [row.truncated for row in rows]

    return embed


def _retrieved(path: Path, setting: Setting) -> Answerer:
    task = Embedder.load(path, setting.config)

    def answer(examples: Sequence[Example]) -> list[Found]:
        asked, corpus = queries_of(examples), corpus_of(examples)
        if len(asked) * len(corpus) > MOST_SCORES:
            raise InputError(
                f"{len(asked):,} queries by {len(corpus):,} texts are more than {MOST_SCORES:,} "
                "scores; take a sample of the queries"
            )
        embed = _unit(task)
        queries, asked_cut = embed(asked, setting.prompt)
        texts, texts_cut = embed(corpus, setting.document_prompt)
        scores = queries @ texts.T  # (Q, C)
        short = {text for text, was_cut in zip(corpus, texts_cut, strict=True) if was_cut}
        hidden = {example.text for example in examples if example.pair in short}
        return [
            Found(row, 0.0, was_cut or query in hidden)
            for query, row, was_cut in zip(asked, scores, asked_cut, strict=True)
        ]

    return answer


def queries_of(examples: Iterable[Example]) -> list[str]:
    """Give the queries of a file, each once."""
    return list(dict.fromkeys(example.text for example in examples if example.text))


def corpus_of(examples: Iterable[Example]) -> list[str]:
    """Give the texts that are looked for, each once."""
    return list(dict.fromkeys(example.pair or "" for example in examples))


# what can do a goal, by the task of the bundle
ABLE: Mapping[Goal, Mapping[Task, Callable[[Path, Setting], Answerer]]] = {
    Goal.CLASSIFY: {Task.CLASSIFY: _classified, Task.EMBED: _fitted},
    Goal.TAG: {Task.TAG: _tagged},
    Goal.ANSWER: {Task.ANSWER: _answered},
    Goal.FILL: {Task.FILL: _filled},
    Goal.STS: {Task.EMBED: _similar, Task.CLASSIFY: _crossed},
    Goal.RETRIEVE: {Task.EMBED: _retrieved},
    Goal.RERANK: {Task.EMBED: _similar, Task.CLASSIFY: _crossed},
}
