"""How good answers are: pure scores over gold and found values, and their intervals.

What scikit-learn, scipy and seqeval score is left to them (extra `eval`, this file alone imports
them); the rest is calibration (Guo et al. 2017), SQuAD's EM and F1 by its official script, and
figures of rankings. Reads no files and runs no model.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebert.errors import InputError
from edgebert.jobs.extras import load_extra

Doubles = NDArray[np.float64]
Places = NDArray[np.int64]

BINS = 15  # of the calibration error, as Guo et al. 2017 take them
ROUNDS = 1000  # resamples of an interval
COVER = 95  # per cent of them that an interval holds
SEED = 0


PACKAGES = ("scipy.stats", "seqeval.metrics.sequence_labeling", "sklearn.metrics")


def require_packages() -> None:
    """Load what the scores need, before a long file is run for nothing.

    Raises:
        MissingExtraError: a package of the extra `eval` is not installed.
    """
    for name in PACKAGES:
        load_extra(name, "eval")


@dataclass(frozen=True, slots=True)
class Interval:
    """A score and where it would lie on other rows of the kind: 95 % of bootstrap resamples."""

    value: float
    low: float | None  # None: no resamples were asked for
    high: float | None


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How one class or entity type fares."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int  # rows that are of it


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of about one confidence: a point of the reliability curve."""

    confidence: float  # their mean
    accuracy: float
    rows: int


def bootstrap(
    score: Callable[[Places], float], rows: int, *, rounds: int = ROUNDS, seed: int = SEED
) -> Interval:
    """Score all rows, and resamples of them with replacement (Efron's percentile interval).

    Args:
        score: gives the score of rows by their places.
        rows: how many there are.
        rounds: resamples; 0: no interval.
        seed: the same gives the same interval.

    Raises:
        InputError: there are no rows.
    """
    if rows < 1:
        raise InputError("no rows to score; give a file with at least one")
    value = score(np.arange(rows))
    if rounds < 1:
        return Interval(value, None, None)
    rng = np.random.default_rng(seed)
    drawn = [score(rng.integers(rows, size=rows)) for _ in range(rounds)]
    tail = (100 - COVER) / 2
    low, high = np.percentile(drawn, [tail, 100 - tail])
    return Interval(value, float(low), float(high))


def bootstrap_mean(values: Doubles, *, rounds: int = ROUNDS) -> Interval:
    """Give the mean of a figure that every row has, with its interval."""
    return bootstrap(lambda places: float(values[places].mean()), len(values), rounds=rounds)


def confusion(gold: Places, found: Places, labels: int) -> Places:
    """Count how often each label (row) was given as each (column).

    Args:
        gold: (N,) places of the right labels.
        found: (N,) places of the given ones.
        labels: how many there are, L.

    Returns:
        (L, L) counts.
    """
    return np.bincount(gold * labels + found, minlength=labels**2).reshape(labels, labels)


def class_scores(
    gold: Sequence[str], found: Sequence[str], labels: Sequence[str]
) -> tuple[ClassScore, ...]:
    """Score each label by itself; one that is never found has precision 0."""
    columns = load_extra("sklearn.metrics", "eval").precision_recall_fscore_support(
        gold, found, labels=list(labels), zero_division=0
    )
    return tuple(
        ClassScore(name, float(precision), float(recall), float(f1), int(support))
        for name, precision, recall, f1, support in zip(labels, *columns, strict=True)
    )


def mean_f1(matrix: Places) -> tuple[float, float]:
    """Give macro F1 and micro F1 of a confusion matrix (L, L).

    The macro mean is over the classes that stand in gold or found, as scikit-learn takes them.
    """
    hits, sums = np.diag(matrix), matrix.sum(axis=0) + matrix.sum(axis=1)
    present = sums > 0
    macro = float((2 * hits[present] / sums[present]).mean()) if present.any() else 0.0
    return macro, float(2 * hits.sum() / max(1, sums.sum()))


def reliability(confidences: Doubles, right: Doubles, bins: int = BINS) -> tuple[Bin, ...]:
    """Group answers (N,) by confidence into bins of equal width; empty ones are left out.

    Args:
        confidences: in 0 to 1.
        right: 1 where the answer is right, else 0.
        bins: how many.

    Source: Guo et al. 2017 (On Calibration of Modern Neural Networks), section 2.
    """
    places = np.clip(np.ceil(confidences * bins).astype(int) - 1, 0, bins - 1)
    return tuple(
        Bin(
            float(confidences[places == place].mean()),
            float(right[places == place].mean()),
            int((places == place).sum()),
        )
        for place in np.unique(places)
    )


def calibration_error(curve: Sequence[Bin]) -> float:
    """Give the expected calibration error: how far confidence is from accuracy, in the mean."""
    rows = sum(point.rows for point in curve)
    gaps = [point.rows * abs(point.confidence - point.accuracy) for point in curve]
    return sum(gaps) / max(1, rows)


Entities = frozenset[tuple[str, int, int]]  # (type, first word, last word)


def entities_of(tags: Sequence[str]) -> Entities:
    """Read the entities of one text's tags by the rules of seqeval's default mode (conlleval)."""
    return frozenset(
        load_extra("seqeval.metrics.sequence_labeling", "eval").get_entities(list(tags))
    )


def entity_counts(gold: Sequence[Entities], found: Sequence[Entities]) -> Places:
    """Count (N, 3): the entities of each text that are right, found, and there."""
    counts = [(len(one & two), len(two), len(one)) for one, two in zip(gold, found, strict=True)]
    return np.array(counts, np.int64).reshape(-1, 3)


def f1_of(counts: Places) -> float:
    """Give micro F1 of counts (N, 3) of right, found and there; 0 where nothing is."""
    right, found, there = counts.sum(axis=0).tolist()
    return 2 * right / (found + there) if found + there else 0.0


def entity_scores(gold: Sequence[Entities], found: Sequence[Entities]) -> tuple[ClassScore, ...]:
    """Score each type of entity by itself; an entity is right if type and both ends are."""

    def of_type(entities: Entities, name: str) -> Entities:
        return frozenset(entity for entity in entities if entity[0] == name)

    rows = []
    for name in sorted({entity[0] for entities in (*gold, *found) for entity in entities}):
        ours = entity_counts(
            [of_type(one, name) for one in gold], [of_type(one, name) for one in found]
        )
        right, given, there = ours.sum(axis=0).tolist()
        precision, recall = right / max(1, given), right / max(1, there)
        rows.append(ClassScore(name, precision, recall, f1_of(ours), there))
    return tuple(rows)


def normalize_answer(text: str) -> str:
    """Lower the case, drop punctuation and English articles, as SQuAD's official script does."""
    bare = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


def exact_match(found: str, golds: Sequence[str]) -> float:
    """Give 1 if the answer is one of the right ones, once normalized."""
    return float(any(normalize_answer(found) == normalize_answer(gold) for gold in golds))


def word_f1(found: str, golds: Sequence[str]) -> float:
    """Give the best F1 of the words shared with a right answer, as SQuAD's official script."""
    return max(_word_f1(normalize_answer(found).split(), gold) for gold in golds)


def _word_f1(words: list[str], gold: str) -> float:
    wanted = normalize_answer(gold).split()
    if not words or not wanted:
        return float(words == wanted)
    shared = sum((Counter(words) & Counter(wanted)).values())
    return 2 * shared / (len(words) + len(wanted))


def spearman(first: Doubles, second: Doubles) -> float:
    """Correlate the ranks of two figures of N rows; 0 where one of them never changes."""
    return _correlation("spearmanr", first, second)


def pearson(first: Doubles, second: Doubles) -> float:
    """Correlate two figures of N rows; 0 where one of them never changes."""
    return _correlation("pearsonr", first, second)


def _correlation(name: str, first: Doubles, second: Doubles) -> float:
    if not _vary(first, second):
        return 0.0
    return float(getattr(load_extra("scipy.stats", "eval"), name)(first, second).statistic)


def _vary(*columns: Doubles) -> bool:
    return all(column.size > 1 and np.ptp(column) > 0 for column in columns)


def ndcg_at(gains: Doubles, scores: Doubles, k: int) -> float:
    """Give the nDCG of the best k of one query's candidates.

    Args:
        gains: (C,) how relevant each is; 0: not.
        scores: (C,) how well the model takes it to fit; ties share their place.
        k: how far down the list is looked at.
    """
    if len(gains) == 1:
        return float(gains[0] > 0)  # scikit-learn refuses a list of one
    return float(load_extra("sklearn.metrics", "eval").ndcg_score(gains[None], scores[None], k=k))


def reciprocal_rank(gains: Doubles, scores: Doubles, k: int) -> float:
    """Give 1 over the place of the first relevant candidate, 0 where it is not among the best k."""
    hits = np.flatnonzero(gains[_best(scores, k)] > 0)
    return 1.0 / float(hits[0] + 1) if hits.size else 0.0


def recall_at(gains: Doubles, scores: Doubles, k: int) -> float:
    """Give the share of the relevant candidates that are among the best k."""
    return float((gains[_best(scores, k)] > 0).sum() / max(1, int((gains > 0).sum())))


def _best(scores: Doubles, k: int) -> Places:
    return np.argsort(-scores, kind="stable")[:k]


def agreement(first: Sequence[Hashable], second: Sequence[Hashable]) -> float:
    """Give the share of rows that two models answer alike."""
    same = [one == two for one, two in zip(first, second, strict=True)]
    return sum(same) / max(1, len(same))
