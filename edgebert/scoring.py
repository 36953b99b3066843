"""What a bundle found against what is right: the figures of each goal, with intervals.

Pure: takes examples and answers, runs nothing. Formulas are in `metrics.py`.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from edgebert.answering import CANDIDATES, Found, corpus_of, queries_of
from edgebert.labelled import Example, Goal
from edgebert.metrics import (
    Bin,
    ClassScore,
    Doubles,
    Entities,
    Interval,
    Places,
    agreement,
    bootstrap,
    bootstrap_mean,
    calibration_error,
    class_scores,
    confusion,
    entities_of,
    entity_counts,
    entity_scores,
    exact_match,
    f1_of,
    mean_f1,
    ndcg_at,
    pearson,
    recall_at,
    reciprocal_rank,
    reliability,
    spearman,
    word_f1,
)

DEPTH = 10  # of a ranking


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often each label was taken for each."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]  # a row for each right label, a column for each given


@dataclass(frozen=True, slots=True)
class Scores:
    """How good the answers to a file are."""

    figures: Mapping[str, Interval]  # the first is the one that bundles are compared by
    classes: tuple[ClassScore, ...] = ()
    confusion: Confusion | None = None
    curve: tuple[Bin, ...] = ()


@dataclass(frozen=True, slots=True)
class Main:
    """A goal's first figure over any of its rows, so that resamples of two can be paired."""

    name: str
    score: Callable[[Places], float]
    rows: int  # examples, or queries

    def interval(self, rounds: int) -> Interval:
        """Score all rows, with an interval of so many resamples."""
        return bootstrap(self.score, self.rows, rounds=rounds)


@dataclass(frozen=True, slots=True)
class Scorer:
    """What makes the figures of a goal."""

    main: Callable[[Sequence[Example], Sequence[Found]], Main]
    score: Callable[[Sequence[Example], Sequence[Found], int], Scores]
    agree: Callable[[Sequence[Example], Sequence[Found], Sequence[Found]], float]
    what: str  # that `agree` gives


def _mean(name: str, values: Doubles) -> Main:
    return Main(name, lambda rows: float(values[rows].mean()), len(values))


def accuracy(examples: Sequence[Example], found: Sequence[Found]) -> Main:
    """Give the share of texts with the right label."""
    pairs = zip(examples, found, strict=True)
    right = [float(example.label == one.value) for example, one in pairs]
    return _mean("accuracy", np.array(right))


def score_classes(examples: Sequence[Example], found: Sequence[Found], rounds: int) -> Scores:
    """Score one label a text: accuracy, F1, classes, calibration."""
    gold, given = [one.label for one in examples], [str(one.value) for one in found]
    labels = sorted({*gold, *given})
    places = {label: place for place, label in enumerate(labels)}
    there, said = (np.array([places[label] for label in side]) for side in (gold, given))

    def f1(kind: int) -> Interval:
        def of(rows: Places) -> float:
            return mean_f1(confusion(there[rows], said[rows], len(labels)))[kind]

        return bootstrap(of, len(gold), rounds=rounds)

    right = (there == said).astype(np.float64)
    curve = reliability(np.array([one.confidence for one in found], np.float64), right)
    error = calibration_error(curve)
    figures = {
        "accuracy": accuracy(examples, found).interval(rounds),
        "macro_f1": f1(0),
        "micro_f1": f1(1),
        "ece": Interval(error, None, None),
    }
    matrix = confusion(there, said, len(labels))
    return Scores(
        figures,
        class_scores(gold, given, labels),
        Confusion(tuple(labels), tuple(tuple(row) for row in matrix.tolist())),
        curve,
    )


def entity_f1(examples: Sequence[Example], found: Sequence[Found]) -> Main:
    """Give micro F1 of entities, by seqeval's default mode."""
    counts = entity_counts(*_entities(examples, found))
    return Main("entity_f1", lambda rows: f1_of(counts[rows]), len(counts))


def _entities(
    examples: Sequence[Example], found: Sequence[Found]
) -> tuple[list[Entities], list[Entities]]:
    return [entities_of(one.golds) for one in examples], [entities_of(one.value) for one in found]


def score_entities(examples: Sequence[Example], found: Sequence[Found], rounds: int) -> Scores:
    """Score entities, and tags word by word."""
    words = np.array(
        [
            (sum(a == b for a, b in zip(one.golds, other.value, strict=True)), len(one.golds))
            for one, other in zip(examples, found, strict=True)
        ],
        np.int64,
    )

    def share(rows: Places) -> float:
        right, there = words[rows].sum(axis=0)
        return float(right / there)

    figures = {
        "entity_f1": entity_f1(examples, found).interval(rounds),
        "tag_accuracy": bootstrap(share, len(words), rounds=rounds),
    }
    return Scores(figures, entity_scores(*_entities(examples, found)))


def answer_f1(examples: Sequence[Example], found: Sequence[Found]) -> Main:
    """Give the mean F1 of the words of answers, as SQuAD does."""
    pairs = zip(found, examples, strict=True)
    return _mean("f1", np.array([word_f1(one.value, example.golds) for one, example in pairs]))


def score_answers(examples: Sequence[Example], found: Sequence[Found], rounds: int) -> Scores:
    """Score spans as SQuAD does."""
    pairs = zip(found, examples, strict=True)
    exact = np.array([exact_match(one.value, example.golds) for one, example in pairs])
    main = answer_f1(examples, found)
    return Scores({"f1": main.interval(rounds), "exact": bootstrap_mean(exact, rounds=rounds)})


def mask_accuracy(examples: Sequence[Example], found: Sequence[Found]) -> Main:
    """Give the share of hidden words that are a bundle's first candidate, texts weighing alike."""
    return _mean("accuracy", _among(examples, found, 1))


def _among(examples: Sequence[Example], found: Sequence[Found], k: int) -> Doubles:
    shares = [
        np.mean([gold in words[:k] for gold, words in zip(example.golds, one.value, strict=True)])
        for example, one in zip(examples, found, strict=True)
    ]
    return np.array(shares, np.float64)


def score_masks(examples: Sequence[Example], found: Sequence[Found], rounds: int) -> Scores:
    """Score hidden words: found at first, and among the five best."""
    return Scores(
        {
            "accuracy": mask_accuracy(examples, found).interval(rounds),
            "accuracy_at_5": bootstrap_mean(_among(examples, found, CANDIDATES), rounds=rounds),
        }
    )


def _correlation(
    name: str,
    correlate: Callable[[Doubles, Doubles], float],
    examples: Sequence[Example],
    found: Sequence[Found],
) -> Main:
    gold = np.array([one.score for one in examples])
    given = np.array([one.value for one in found], np.float64)
    return Main(name, lambda rows: correlate(gold[rows], given[rows]), len(gold))


rank_correlation = partial(_correlation, "spearman", spearman)


def score_similarities(examples: Sequence[Example], found: Sequence[Found], rounds: int) -> Scores:
    """Score similarities of pairs by their correlation with people's."""
    both = (
        rank_correlation(examples, found),
        _correlation("pearson", pearson, examples, found),
    )
    return Scores({one.name: one.interval(rounds) for one in both})


Ranking = tuple[Doubles, Doubles]  # of one query: how relevant each text is, and its score


Rank = Callable[[Sequence[Example], Sequence[Found]], list[Ranking]]


def _at_depth(
    name: str, of: Callable[[Doubles, Doubles, int], float], rankings: Sequence[Ranking]
) -> Main:
    """Give the mean of a figure over queries; those without a relevant text are left out."""
    asked = [(gains, scores) for gains, scores in rankings if (gains > 0).any()]
    values = [of(gains, scores, DEPTH) for gains, scores in asked]
    return _mean(f"{name}_at_{DEPTH}", np.array(values))


def ranking_scorer(rank: Rank) -> Scorer:
    """Make what scores rankings of texts."""

    def ndcg(examples: Sequence[Example], found: Sequence[Found]) -> Main:
        return _at_depth("ndcg", ndcg_at, rank(examples, found))

    def score(examples: Sequence[Example], found: Sequence[Found], rounds: int) -> Scores:
        rankings = rank(examples, found)
        figures = (
            _at_depth("ndcg", ndcg_at, rankings),
            _at_depth("mrr", reciprocal_rank, rankings),
            _at_depth("recall", recall_at, rankings),
        )
        return Scores({one.name: one.interval(rounds) for one in figures})

    return Scorer(ndcg, score, _same_first(rank), "same first text")


def searches(examples: Sequence[Example], found: Sequence[Found]) -> list[Ranking]:
    """Give the ranking of each query over all texts of the file."""
    places = {text: place for place, text in enumerate(corpus_of(examples))}
    wanted: dict[str, list[int]] = {query: [] for query in queries_of(examples)}
    for example in examples:
        if example.text:
            wanted[example.text].append(places[example.pair or ""])
    rankings = []
    for rows, one in zip(wanted.values(), found, strict=True):
        gains = np.zeros(len(places))
        gains[rows] = 1.0
        rankings.append((gains, np.asarray(one.value, np.float64)))
    return rankings


def candidates(examples: Sequence[Example], found: Sequence[Found]) -> list[Ranking]:
    """Give the ranking of each query over the texts that the file lists with it."""
    groups: dict[str, list[tuple[float, float]]] = {}
    for example, one in zip(examples, found, strict=True):
        groups.setdefault(example.text, []).append((example.score, one.value))
    tables = [np.array(rows, np.float64) for rows in groups.values()]
    return [(table[:, 0], table[:, 1]) for table in tables]


def _alike(examples: Sequence[Example], first: Sequence[Found], second: Sequence[Found]) -> float:
    return agreement([one.value for one in first], [one.value for one in second])


def _same_entities(
    examples: Sequence[Example], first: Sequence[Found], second: Sequence[Found]
) -> float:
    return agreement(*([entities_of(one.value) for one in side] for side in (first, second)))


def _same_words(
    examples: Sequence[Example], first: Sequence[Found], second: Sequence[Found]
) -> float:
    def best(side: Sequence[Found]) -> list[Hashable]:
        return [tuple(words[0] for words in one.value) for one in side]

    return agreement(best(first), best(second))


def _same_order(
    examples: Sequence[Example], first: Sequence[Found], second: Sequence[Found]
) -> float:
    return spearman(*(np.array([one.value for one in side]) for side in (first, second)))


def _same_first(
    rank: Rank,
) -> Callable[[Sequence[Example], Sequence[Found], Sequence[Found]], float]:
    def agree(
        examples: Sequence[Example], first: Sequence[Found], second: Sequence[Found]
    ) -> float:
        tops = [
            [int(scores.argmax()) for _, scores in rank(examples, side)] for side in (first, second)
        ]
        return agreement(*tops)

    return agree


SCORERS: Mapping[Goal, Scorer] = {
    Goal.CLASSIFY: Scorer(accuracy, score_classes, _alike, "same label"),
    Goal.TAG: Scorer(entity_f1, score_entities, _same_entities, "same entities"),
    Goal.ANSWER: Scorer(answer_f1, score_answers, _alike, "same answer"),
    Goal.FILL: Scorer(mask_accuracy, score_masks, _same_words, "same words"),
    Goal.STS: Scorer(
        rank_correlation, score_similarities, _same_order, "rank correlation of similarities"
    ),
    Goal.RETRIEVE: ranking_scorer(searches),
    Goal.RERANK: ranking_scorer(candidates),
}
