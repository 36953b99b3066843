"""What `bench.differences` compares: a checkpoint a task, what it is run on, and how it is scored.

Checkpoints are those of the tests: trained weights that packages carry, and heads trained here
(`examples.heads`). Needs what the tests need.
"""

import json
import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from edgebert import Embedder, MaskFiller, ZeroShotClassifier
from edgebert.results import Floats
from examples.heads.cache import checkpoints
from examples.heads.held_out import MEASURES, Outcome, classify, held_out, measure, tag
from examples.heads.labelled import Row
from tests import checkpoints as packages

CHAINS = tuple(packages.HEAVY_CHAINS.values())
# Snips' intents, worded as a person would
INTENTS = {
    "AddToPlaylist": "adding a song to a playlist",
    "BookRestaurant": "booking a restaurant",
    "GetWeather": "the weather",
    "PlayMusic": "playing music",
    "RateBook": "rating a book",
    "SearchCreativeWork": "searching for a book, show or game",
    "SearchScreeningEvent": "the times of films in cinemas",
}
ZERO_SHOT_TEMPLATE = "This is about {}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far a level may be from fp32; tests hold the page and a smaller run to it."""

    mean: float  # mean abs difference of scores
    largest: float  # of one score
    equal: float  # least share of equal decisions


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One task with one checkpoint."""

    weights: str  # whose, in a word
    checkpoint: Callable[[Path], Path]  # given the folder of labelled sets
    run: Callable[[Path, Path, int], Outcome]  # a bundle, the labelled sets, how many rows
    rows: str  # what it is run on
    count: int  # of them
    metric: str = "-"
    min_cosine_mean: float | None = None  # floors of its int8 exports; None: the level's
    min_agreement: float | None = None
    int8: Tolerance
    accurate: Tolerance


def read_sick(data: Path, count: int) -> list[tuple[str, str, float]]:
    """Take pairs of SICK's test set with their relatedness, spread over all of it."""
    lines = (data / "sick" / "test.txt").read_text(encoding="utf-8").strip().split("\n")[1:]
    places = np.linspace(0, len(lines) - 1, min(count, len(lines))).astype(np.int64)
    rows = [lines[place].split("\t") for place in places]
    return [(first, second, float(score)) for _, first, second, score, _ in rows]


def embed(bundle: Path, data: Path, count: int) -> Outcome:
    """Spearman of cosine and relatedness; a decision is a sentence's nearest other."""
    rows = read_sick(data, count)
    texts = [text for first, second, _ in rows for text in (first, second)]
    vectors = Embedder.load(bundle).embed(texts)
    cosines = (vectors[::2] * vectors[1::2]).sum(axis=1)
    table = vectors @ vectors.T
    table[[[a == b for b in texts] for a in texts]] = -1  # itself, and its like
    return Outcome(
        {n: float(value) for n, value in enumerate(cosines)},
        [texts[place] for place in table.argmax(axis=1)],
        spearman(cosines, np.array([score for *_, score in rows], np.float32)),
    )


def spearman(a: Floats, b: Floats) -> float:
    """Correlation of ranks, equal values sharing their mean rank (Spearman 1904)."""
    ranks = []
    for values in (a, b):
        _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
        ranks.append((np.cumsum(counts) - (counts - 1) / 2)[place])
    return float(np.asarray(np.corrcoef(np.stack(ranks)))[0, 1])


def fill(bundle: Path, data: Path, count: int, *, texts: Sequence[Sequence[str]]) -> Outcome:
    """Mask one token of each text; the share of tokens that are restored."""
    filler = MaskFiller.load(bundle)
    rows = [(tokens, (n * 13) % len(tokens)) for n, tokens in enumerate(texts[:count])]
    masked = ["".join([*t[:place], filler.mask_token, *t[place + 1 :]]) for t, place in rows]
    best = [result.masks[0][0] for result in filler.fill(masked, top_k=1)]
    return Outcome(
        {(n, each.token): each.score for n, each in enumerate(best)},
        [each.token for each in best],
        float(np.mean([e.token_str == t[place] for e, (t, place) in zip(best, rows, strict=True)])),
    )


def zero_shot(bundle: Path, data: Path, count: int) -> Outcome:
    """Accuracy on the seven intents of Snips, none of which was trained on."""
    lines = (data / "snips" / "test.jsonl").read_text(encoding="utf-8").strip().split("\n")
    rows = [json.loads(line) for line in lines[:: max(1, len(lines) // count)]][:count]
    found = ZeroShotClassifier.load(bundle).classify(
        [row["text"] for row in rows], labels=list(INTENTS.values()), template=ZERO_SHOT_TEMPLATE
    )
    scores: dict[Hashable, float] = {
        (n, each.label): each.score for n, result in enumerate(found) for each in result.labels
    }
    right = [f.label == INTENTS[row["intent"]] for f, row in zip(found, rows, strict=True)]
    return Outcome(scores, [result.label for result in found], float(np.mean(right)))


def reactions(bundle: Path, data: Path, count: int) -> Outcome:
    """Classify reactions; they have no gold class."""
    rows = [Row(text, None, 0) for text in packages.REACTIONS[:count]]
    return replace(classify(bundle, rows, ("unknown",)), metric=None)


def grammar(bundle: Path, data: Path, count: int) -> Outcome:
    """Tag sentences with something to correct; there is no gold."""
    texts = [f"{first} and its dog are eat." for first, *_ in read_sick(data, count)]
    return replace(tag(bundle, [Row(text, None, ()) for text in texts], ()), metric=None)


def _head(bundle: Path, data: Path, count: int, *, name: str) -> Outcome:
    return measure(name, bundle, held_out(name, data, count))


def _of_head(name: str, rows: str, count: int, int8: Tolerance, accurate: Tolerance) -> Subject:
    return Subject(
        weights="ours",
        checkpoint=lambda data: checkpoints(data, [name])[name],
        run=partial(_head, name=name),
        rows=rows,
        count=count,
        metric=MEASURES[name][1],
        int8=int8,
        accurate=accurate,
    )


# Stated from what one machine measured (docs/accuracy.md), two to three times as wide for the
# kernels of other CPUs and for runs of few rows.
EMBED = Tolerance(mean=0.006, largest=0.04, equal=0.96)
REACTIONS = Tolerance(mean=0.001, largest=0.02, equal=0.98)
NLI = Tolerance(mean=0.02, largest=0.45, equal=0.95)
SENTIMENT = Tolerance(mean=0.01, largest=0.15, equal=0.97)
ZERO_SHOT = Tolerance(mean=0.01, largest=0.08, equal=0.9)
RERANK = Tolerance(mean=0.01, largest=0.2, equal=0.9)
NAMES = Tolerance(mean=0.01, largest=0.08, equal=0.95)
GRAMMAR = Tolerance(mean=0.002, largest=0.02, equal=0.97)
ANSWER = Tolerance(mean=0.03, largest=0.25, equal=0.85)
FILL = Tolerance(mean=0.015, largest=0.15, equal=0.95)
SUBJECTS = {
    "embed": Subject(
        weights="all-MiniLM-L6-v2",
        checkpoint=lambda data: packages.minilm(),
        run=embed,
        rows="pairs of SICK test",
        count=300,
        metric="Spearman",
        int8=EMBED,
        accurate=EMBED,
    ),
    "classify, reactions": Subject(
        weights="rxnfp",
        checkpoint=lambda data: packages.rxnfp_classifier(),
        run=reactions,
        rows="reactions composed by us",
        count=120,
        int8=REACTIONS,
        accurate=REACTIONS,
    ),
    "classify, NLI": _of_head("nli", "pairs of SNLI test", 300, NLI, NLI),
    "classify, sentiment": _of_head("sentiment", "sentences", 300, SENTIMENT, SENTIMENT),
    "zero-shot": Subject(
        weights="ours (NLI)",
        checkpoint=lambda data: checkpoints(data, ["nli"])["nli"],
        run=zero_shot,
        rows="commands of Snips test, 7 intents",
        count=140,
        metric="accuracy",
        int8=ZERO_SHOT,
        accurate=ZERO_SHOT,
    ),
    "rerank": replace(
        _of_head("relevance", "questions of XQuAD", 60, RERANK, RERANK),
        # the cosine of a single number is 1 or -1: one score near 0 in 64 misses the usual 0.99
        min_cosine_mean=0.9,
    ),
    "tag, names": _of_head("ner", "sentences of WNUT 2017 test", 300, NAMES, NAMES),
    "tag, grammar": Subject(
        weights="quire",
        checkpoint=lambda data: packages.quire(),
        run=grammar,
        rows="sentences of SICK with a fault",
        count=40,
        int8=GRAMMAR,
        accurate=GRAMMAR,
    ),
    "answer": replace(
        _of_head("answers", "questions of XQuAD", 60, ANSWER, ANSWER),
        # on sentences cut in two, which answer nothing, its spans are near ties: 0.93 to 0.96
        min_agreement=0.9,
    ),
    "fill, reactions": Subject(
        weights="rxnfp",
        checkpoint=lambda data: packages.rxnfp_mlm(),
        run=partial(
            fill, texts=[re.findall(packages.SMILES_TOKEN, text) for text in packages.REACTIONS]
        ),
        rows="reactions composed by us",
        count=120,
        metric="restored",
        int8=FILL,
        accurate=FILL,
    ),
    "fill, antibodies": Subject(
        weights="sapiens",
        checkpoint=lambda data: packages.sapiens(),
        run=partial(fill, texts=[list(chain) for _ in range(20) for chain in CHAINS]),
        rows="places in 5 antibodies",
        count=100,
        metric="restored",
        int8=FILL,
        accurate=FILL,
    ),
}
