"""Run a head's bundle on held-out rows, through the runtime: scores, decisions, and its metric.

Each function takes a bundle's folder and rows and gives an `Outcome`; two levels of one head are
compared by `bench.differences`. Metrics in a few lines each, as their papers state them.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgebert import Classifier, QuestionAnswerer, Reranker, TokenClassifier
from edgebert.tokens import Text
from examples.heads.labelled import Row
from examples.heads.recipes import HEADS

CANDIDATES = 10  # sentences a question is matched with, the right one among them


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a bundle made of some rows."""

    scores: Mapping[Hashable, float]  # by row and what was scored
    decisions: Sequence[Hashable]  # one a row
    metric: float | None  # None: no gold labels


def classify(bundle: Path, rows: Sequence[Row], labels: Sequence[str]) -> Outcome:
    """Accuracy, and every label's probability."""
    texts: list[Text] = [row.text if row.pair is None else (row.text, row.pair) for row in rows]
    found = Classifier.load(bundle).classify(texts, top_k=None)
    right = [result.label == labels[row.target] for result, row in zip(found, rows, strict=True)]
    return Outcome(
        {(n, each.label): each.score for n, result in enumerate(found) for each in result.labels},
        [result.label for result in found],
        float(np.mean(right)),
    )


def tag(bundle: Path, rows: Sequence[Row], labels: Sequence[str]) -> Outcome:
    """F1 of whole entities, place and type both right (CoNLL 2003), and their scores."""
    found = TokenClassifier.load(bundle).tag([row.text for row in rows], aggregation="first")
    scores: dict[Hashable, float] = {
        (n, each.start, each.end, each.entity): each.score
        for n, result in enumerate(found)
        for each in result.entities
    }
    gold = {(n, *entity) for n, row in enumerate(rows) for entity in row.target}
    decisions = [
        tuple((each.start, each.end, each.entity) for each in result.entities) for result in found
    ]
    both = len(gold & scores.keys())
    return Outcome(scores, decisions, 2 * both / max(1, len(gold) + len(scores)))


def answer(bundle: Path, rows: Sequence[Row], labels: Sequence[str]) -> Outcome:
    """F1 of the words that answer and gold share (SQuAD 1.1), and the answers' scores."""
    pairs = [(row.text, row.pair or "") for row in rows]
    found = QuestionAnswerer.load(bundle).answer(pairs)
    gold = [context[slice(*row.target)] for row, (_, context) in zip(rows, pairs, strict=True)]
    shared = [word_f1(each.answer, right) for each, right in zip(found, gold, strict=True)]
    return Outcome(
        {(n, each.answer): each.score for n, each in enumerate(found)},
        [each.answer for each in found],
        float(np.mean(shared)),
    )


def word_f1(found: str, gold: str) -> float:
    """F1 over the words of two strings, case and punctuation at their ends left out."""
    a, b = (Counter(word.strip(".,;:!?\"'()").lower() for word in s.split()) for s in (found, gold))
    both = (a & b).total()
    return 2 * both / max(1, a.total() + b.total())


def rank(bundle: Path, rows: Sequence[Row], labels: Sequence[str]) -> Outcome:
    """Mean reciprocal rank of the right sentence among ten, the others those of later questions."""
    sentences = list(dict.fromkeys(row.pair or "" for row in rows))
    reranker = Reranker.load(bundle)
    scores: dict[Hashable, float] = {}
    decisions, ranks = [], []
    for n, row in enumerate(rows):
        place = sentences.index(row.pair or "")
        some = [sentences[(place + k) % len(sentences)] for k in range(CANDIDATES)]
        ranked = reranker.rank(row.text, some)
        scores |= {(n, each.index): each.score for each in ranked}
        decisions.append(ranked[0].index)
        ranks.append(1 + [each.index for each in ranked].index(0))
    return Outcome(scores, decisions, float(np.mean(1 / np.array(ranks))))


# head -> how it is run and what its metric is called
MEASURES: Mapping[str, tuple[Callable[[Path, Sequence[Row], Sequence[str]], Outcome], str]] = {
    "nli": (classify, "accuracy"),
    "sentiment": (classify, "accuracy"),
    "ner": (tag, "entity F1"),
    "answers": (answer, "word F1"),
    "relevance": (rank, "MRR of 10"),
}


def held_out(name: str, data: Path, count: int) -> list[Row]:
    """Take ``count`` held-out rows of a head, spread over all of them."""
    _, rows = HEADS[name].read(data)
    places = np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64)
    return [rows[place] for place in places]


def measure(name: str, bundle: Path, rows: Sequence[Row]) -> Outcome:
    """Run a head's bundle over held-out rows."""
    run, _ = MEASURES[name]
    return run(bundle, rows, HEADS[name].labels)
